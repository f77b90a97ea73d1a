/** Only for those who run on the module path. */
module first {
    requires io.libzdt.netty;
    requires io.netty.buffer;
    requires io.netty.codec.http;
}

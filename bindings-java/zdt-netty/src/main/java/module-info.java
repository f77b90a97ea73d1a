/** libzdt for Netty 4.2: {@link io.libzdt.netty.NettyTakeover} is where to begin. */
module io.libzdt.netty {
    requires transitive io.libzdt;
    requires transitive io.netty.transport;
    requires io.netty.buffer;
    requires io.netty.common;
    requires io.netty.codec;
    requires static io.netty.codec.http;
    requires static io.netty.handler;
    requires static io.netty.transport.classes.epoll;
    requires static io.netty.transport.unix.common;
    requires static io.netty.codec.http2;

    exports io.libzdt.netty;
}

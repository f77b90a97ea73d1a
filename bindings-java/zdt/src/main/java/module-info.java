/** libzdt: a server restarts and nobody notices. {@link io.libzdt.Takeover} is where to begin. */
@SuppressWarnings("module") // io.libzdt.netty is compiled after this one.
module io.libzdt {
    exports io.libzdt;
    exports io.libzdt.internal to
            io.libzdt.netty;
}

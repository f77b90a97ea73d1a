/** libzdt for Jetty 12: {@link io.libzdt.jetty.JettyTakeover} is where to begin. */
module io.libzdt.jetty {
    requires transitive io.libzdt;
    requires transitive org.eclipse.jetty.server;

    exports io.libzdt.jetty;
}

/** libzdt for embedded Tomcat: {@link io.libzdt.tomcat.TakeoverProtocol} is where to begin. */
module io.libzdt.tomcat {
    requires transitive io.libzdt;
    requires transitive org.apache.tomcat.embed.core;

    exports io.libzdt.tomcat;
}

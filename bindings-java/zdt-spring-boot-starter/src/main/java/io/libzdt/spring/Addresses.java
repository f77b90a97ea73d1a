package io.libzdt.spring;

import io.libzdt.ListenerSpec;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where a web server listens, in libzdt's words. */
final class Addresses {
    private Addresses() {}

    /** Without an address IPv6 and IPv4, where there is IPv6: as web servers in Java do. */
    static ListenerSpec spec(InetAddress address, int port) {
        if (address != null) {
            return ListenerSpec.tcp(new InetSocketAddress(address, port));
        }
        boolean ipv6 = Files.exists(Path.of("/proc/net/if_inet6")) && !Boolean.getBoolean("java.net.preferIPv4Stack");
        return ListenerSpec.tcp((ipv6 ? "[::]:" : "0.0.0.0:") + port);
    }
}

package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Place.Pair;
import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Channels over descriptors that no Java made: the core's sockets are AF_INET where the address is one of IPv4, while
 * Java's own are AF_INET6 as a rule.
 */
class NioChannelsTest {
    @Test
    void a_listener_of_ipv4_accepts_and_its_connections_take_every_option() throws IOException {
        try (ServerSocketChannel listener = ListenerSpec.tcp("127.0.0.1:0").bind();
                Socket client = Place.connect(listener);
                SocketChannel served = listener.accept()) {
            // These fail where the JDK takes the socket for one of IPv6.
            served.setOption(StandardSocketOptions.IP_TOS, 0x10);
            assertEquals(0x10, served.getOption(StandardSocketOptions.IP_TOS));
            served.setOption(StandardSocketOptions.TCP_NODELAY, true);
            assertEquals(client.getLocalSocketAddress(), served.getRemoteAddress());
            assertEquals(listener.getLocalAddress(), served.getLocalAddress());
            Place.goes(served, client, "from here");
            Place.goes(client, served, "and back");
        }
    }

    @Test
    void a_connection_of_ipv4_is_read_by_the_selector_the_channel_and_its_socket() throws IOException {
        try (ServerSocketChannel listener = ListenerSpec.tcp("127.0.0.1:0").bind();
                Socket client = Place.connect(listener);
                SocketChannel accepted = listener.accept();
                SocketChannel served = Descriptors.socketChannel(Descriptors.dup(Descriptors.of(accepted)))) {
            served.setOption(StandardSocketOptions.IP_TOS, 0x10);
            served.socket().setSoTimeout(20);
            assertThrows(
                    SocketTimeoutException.class,
                    () -> served.socket().getInputStream().read());
            client.getOutputStream().write('a');
            assertEquals('a', served.socket().getInputStream().read());
            served.configureBlocking(false);
            try (Selector selector = Selector.open()) {
                SelectionKey key = served.register(selector, SelectionKey.OP_READ);
                assertEquals(0, selector.selectNow());
                client.getOutputStream().write('b');
                assertEquals(1, selector.select(Place.PATIENCE.toMillis()));
                ByteBuffer read = ByteBuffer.allocate(9);
                assertEquals(1, served.read(read));
                assertEquals('b', read.get(0));
                key.cancel();
                selector.selectNow();
            }
        }
    }

    @Test
    void a_listener_is_selected_on() throws IOException {
        try (ServerSocketChannel listener = ListenerSpec.tcp("127.0.0.1:0").bind();
                Selector selector = Selector.open()) {
            listener.configureBlocking(false);
            listener.register(selector, SelectionKey.OP_ACCEPT);
            assertEquals(0, selector.selectNow());
            try (Socket client = Place.connect(listener)) {
                assertEquals(1, selector.select(Place.PATIENCE.toMillis()));
                try (SocketChannel served = listener.accept()) {
                    Place.goes(client, served, "accepted");
                }
            }
        }
    }

    @Test
    void a_listener_of_both_shows_ipv4_as_ipv4() throws IOException {
        assertTrue(
                Collections.list(NetworkInterface.getNetworkInterfaces()).stream()
                        .flatMap(NetworkInterface::inetAddresses)
                        .anyMatch(Inet6Address.class::isInstance),
                "the test connects to ::1, and no interface here has an address of IPv6: sysctl"
                        + " net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.lo.disable_ipv6=0");
        try (ServerSocketChannel listener = ListenerSpec.tcp("[::]:0").bind()) {
            int port = ((InetSocketAddress) listener.getLocalAddress()).getPort();
            for (String host : new String[] {"127.0.0.1", "::1"}) {
                try (Socket client = new Socket(host, port);
                        SocketChannel accepted = listener.accept();
                        SocketChannel served = Descriptors.socketChannel(Descriptors.dup(Descriptors.of(accepted)))) {
                    assertEquals(client.getLocalSocketAddress(), served.getRemoteAddress());
                    Place.goes(served, client, "over " + host);
                }
            }
        }
    }

    @Test
    void a_unix_listener_is_where_and_how_it_was_asked_for() throws IOException {
        try (Place place = Place.fresh()) {
            ListenerSpec spec =
                    ListenerSpec.unix(place.directory().resolve("a b?.sock")).mode(0640);
            assertEquals(spec, ListenerSpec.parse(spec.toString()));
            try (ServerSocketChannel listener = spec.bind()) {
                UnixDomainSocketAddress at =
                        assertInstanceOf(UnixDomainSocketAddress.class, listener.getLocalAddress());
                assertEquals(place.directory().resolve("a b?.sock"), at.getPath());
                assertEquals(PosixFilePermissions.fromString("rw-r-----"), Files.getPosixFilePermissions(at.getPath()));
                try (SocketChannel client = SocketChannel.open(at);
                        SocketChannel accepted = listener.accept();
                        SocketChannel served = Descriptors.socketChannel(Descriptors.dup(Descriptors.of(accepted)))) {
                    Place.write(served, "x");
                    assertEquals(1, client.read(ByteBuffer.allocate(9)));
                    assertEquals(UnixDomainSocketAddress.of(""), served.getRemoteAddress());
                    assertEquals(at, Descriptors.local(Descriptors.of(served)));
                }
            }
        }
    }

    @Test
    void a_connection_that_was_reset_still_becomes_a_channel() throws IOException {
        try (Pair pair = Pair.tcp()) {
            pair.client().setSoLinger(true, 0);
            pair.client().close();
            int copy = Descriptors.dup(pair.descriptor());
            while (Descriptors.peer(copy) != null) {
                Thread.onSpinWait();
            }
            try (SocketChannel served = Descriptors.socketChannel(copy)) {
                assertThrows(IOException.class, () -> served.read(ByteBuffer.allocate(1)));
            }
        }
    }

    @Test
    void letting_go_sends_nothing_and_ending_reaches_whoever_has_a_copy() throws IOException {
        try (Pair pair = Pair.tcp();
                Selector selector = Selector.open()) {
            int elsewhere = Descriptors.dup(pair.descriptor());
            pair.server().configureBlocking(false);
            SelectionKey key = pair.server().register(selector, SelectionKey.OP_READ);
            assertThrows(ZdtStateException.class, () -> Descriptors.letGo(pair.server()));
            key.cancel();
            selector.selectNow();
            Descriptors.letGo(pair.server());
            assertFalse(pair.server().isOpen());
            try (SocketChannel there = Descriptors.socketChannel(Descriptors.dup(elsewhere))) {
                Place.goes(there, pair.client(), "still alive");
                Place.goes(pair.client(), there, "both ways");
            }
            // That was one more close; a copy is still open, and a shutdown ends the connection all the same.
            int another = Descriptors.dup(elsewhere);
            Descriptors.shutdownAndClose(elsewhere);
            assertEquals(-1, pair.client().getInputStream().read());
            Descriptors.close(another);
        }
    }

    @Test
    void nothing_done_to_a_neutered_descriptor_reaches_the_peer() throws IOException {
        try (Pair pair = Pair.tcp()) {
            int elsewhere = Descriptors.dup(pair.descriptor());
            Descriptors.neuter(pair.descriptor());
            assertThrows(IOException.class, () -> Place.write(pair.server(), "lost"));
            pair.server().shutdownOutput();
            pair.server().close();
            try (SocketChannel there = Descriptors.socketChannel(elsewhere)) {
                Place.goes(there, pair.client(), "first byte");
            }
        }
    }

    @Test
    void o_nonblock_is_set_once() throws IOException {
        try (Pair pair = Pair.tcp()) {
            assertFalse(Descriptors.nonBlocking(pair.descriptor()));
            assertTrue(Descriptors.nonBlocking(pair.descriptor()));
        }
    }

    @Test
    void what_is_no_socket_is_refused_and_stays_the_callers() throws Exception {
        try (Place place = Place.fresh();
                Takeover takeover = Takeover.open(place.socket())) {
            int copy = Descriptors.dup(takeover.eventFd());
            assertNotEquals(takeover.eventFd(), copy);
            assertThrows(SystemException.class, () -> Descriptors.socketChannel(copy));
            assertThrows(SystemException.class, () -> Descriptors.serverSocketChannel(copy));
            Descriptors.close(copy);
            assertThrows(SystemException.class, () -> Descriptors.close(copy));
        }
    }

    @Test
    void a_spec_says_what_it_was_told() {
        assertEquals(
                "tcp://[::1]:8080?backlog=128&v6only=1&nodelay=1&reuseport=1",
                ListenerSpec.tcp(new InetSocketAddress("::1", 8080))
                        .backlog(128)
                        .v6only(true)
                        .nodelay(true)
                        .reuseport(true)
                        .toString());
        assertEquals(
                "tcp://0.0.0.0:80",
                ListenerSpec.tcp("0.0.0.0:80").nodelay(false).toString());
        assertEquals(
                "tcp://[fe80::1%7]:80",
                ListenerSpec.parse("tcp://[fe80::1%7]:80").toString());
    }

    @Test
    void a_web_server_without_an_address_listens_at_all_of_them() throws Exception {
        assertEquals(
                "tcp://127.0.0.1:80",
                ListenerSpec.tcp(InetAddress.getByName("127.0.0.1"), 80).toString());
        assertEquals(
                "tcp://[fe80::1%7]:80",
                ListenerSpec.tcp(
                                Inet6Address.getByAddress(
                                        null, InetAddress.getByName("fe80::1").getAddress(), 7),
                                80)
                        .toString());
        boolean ipv6 = Files.exists(Path.of("/proc/net/if_inet6"));
        try (ServerSocketChannel everywhere = ListenerSpec.tcp(null, 0).bind()) {
            int port = ((InetSocketAddress) everywhere.getLocalAddress()).getPort();
            for (String host : ipv6 ? List.of("127.0.0.1", "::1") : List.of("127.0.0.1")) {
                new Socket(host, port).close();
            }
        }
        System.setProperty("java.net.preferIPv4Stack", "true");
        try {
            assertEquals("tcp://0.0.0.0:80", ListenerSpec.tcp(null, 80).toString());
        } finally {
            System.clearProperty("java.net.preferIPv4Stack");
        }
        assertThrows(ZdtArgumentException.class, () -> ListenerSpec.tcp(null, -1));
        assertThrows(ZdtArgumentException.class, () -> ListenerSpec.tcp(InetAddress.getLoopbackAddress(), 65536));
    }
}

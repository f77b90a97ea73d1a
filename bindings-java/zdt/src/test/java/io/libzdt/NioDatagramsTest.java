package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** UDP over descriptors that no Java made: of IPv4, of IPv6 and of both, connected and not. */
@Timeout(60) // Whoever waits for a datagram waits for ever.
class NioDatagramsTest {
    private static DatagramChannel client(DatagramChannel server, String host) throws IOException {
        DatagramChannel client = DatagramChannel.open();
        client.connect(new InetSocketAddress(host, ((InetSocketAddress) server.getLocalAddress()).getPort()));
        return client;
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }

    /** What {@code client} says is heard with its address, and the answer sent to that address comes back. */
    private static void answers(DatagramChannel server, DatagramChannel client) throws IOException {
        client.write(bytes("asked"));
        ByteBuffer read = ByteBuffer.allocate(16);
        InetSocketAddress from = (InetSocketAddress) server.receive(read);
        assertEquals(client.getLocalAddress(), from);
        assertEquals(bytes("asked"), read.flip());
        assertEquals(8, server.send(bytes("answered"), from));
        read.clear();
        assertEquals(8, client.read(read));
        assertEquals(bytes("answered"), read.flip());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"127.0.0.1:0 127.0.0.1", "0.0.0.0:0 127.0.0.1", "[::1]:0 ::1", "[::]:0 ::1", "[::]:0 127.0.0.1"})
    void a_socket_of_udp_answers_whoever_asks(String row) throws IOException {
        String[] address = row.split(" ");
        try (DatagramChannel server = ListenerSpec.udp(address[0]).bindDatagram();
                DatagramChannel client = client(server, address[1])) {
            assertFalse(server.isConnected());
            answers(server, client);
            // These fail where the JDK takes a socket of IPv4 for one of IPv6.
            server.setOption(StandardSocketOptions.IP_TOS, 0x10);
            assertEquals(0x10, server.getOption(StandardSocketOptions.IP_TOS));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void a_connected_one_stays_connected_and_keeps_what_waits_in_it(String host) throws IOException {
        ListenerSpec spec = ListenerSpec.udp(new InetSocketAddress(host, 0));
        try (DatagramChannel made = spec.bindDatagram();
                DatagramChannel peer = client(made, host);
                DatagramChannel stranger = client(made, host)) {
            made.connect(peer.getLocalAddress());
            peer.write(bytes("before"));
            try (DatagramChannel channel = Descriptors.datagramChannel(Descriptors.dup(Descriptors.of(made)))) {
                assertTrue(channel.isConnected());
                assertEquals(peer.getLocalAddress(), channel.getRemoteAddress());
                stranger.write(bytes("not for it"));
                ByteBuffer read = ByteBuffer.allocate(16);
                assertEquals(6, channel.read(read));
                assertEquals(bytes("before"), read.flip());
                assertEquals(5, channel.write(bytes("after")));
                read.clear();
                assertEquals(5, peer.read(read));
                assertTrue(channel.socket().isConnected());
                // Whoever connects it anew, or to nothing, can: it is a channel like any other.
                channel.disconnect();
                assertFalse(channel.isConnected());
                try (DatagramChannel another = client(channel, host)) {
                    answers(channel, another);
                }
            }
        }
    }

    @Test
    void its_socket_waits_as_long_as_it_is_told_and_sends_and_receives() throws IOException {
        try (DatagramChannel server = ListenerSpec.udp("127.0.0.1:0").bindDatagram();
                DatagramChannel client = client(server, "127.0.0.1")) {
            DatagramPacket packet = new DatagramPacket(new byte[16], 16);
            server.socket().setSoTimeout(20);
            assertThrows(SocketTimeoutException.class, () -> server.socket().receive(packet));
            server.socket().setSoTimeout((int) Place.PATIENCE.toMillis());
            client.write(bytes("x"));
            server.socket().receive(packet);
            assertEquals(1, packet.getLength());
            server.socket().send(packet);
            assertEquals(1, client.read(ByteBuffer.allocate(16)));
        }
    }

    @Test
    void it_is_selected_on() throws IOException {
        try (DatagramChannel server = ListenerSpec.udp("127.0.0.1:0").bindDatagram();
                DatagramChannel client = client(server, "127.0.0.1");
                Selector selector = Selector.open()) {
            server.configureBlocking(false);
            SelectionKey key = server.register(selector, SelectionKey.OP_READ);
            assertEquals(0, selector.selectNow());
            client.write(bytes("x"));
            assertEquals(1, selector.select(Place.PATIENCE.toMillis()));
            assertTrue(key.isReadable());
            assertEquals(client.getLocalAddress(), server.receive(ByteBuffer.allocate(16)));
        }
    }

    @Test
    void what_is_not_of_udp_is_refused_and_stays_the_callers() throws Exception {
        int[] pair = Native.pair();
        for (int unix : pair) {
            ZdtArgumentException error =
                    assertThrows(ZdtArgumentException.class, () -> Descriptors.datagramChannel(unix));
            assertTrue(error.getMessage().contains("is no socket of UDP; it is still yours"), error.getMessage());
        }
        Descriptors.send(pair[0], new byte[] {1});
        assertArrayEquals(new byte[] {1}, Descriptors.receive(pair[1], 1).data());
        for (int unix : pair) {
            Descriptors.close(unix);
        }
        try (Place.Pair tcp = Place.Pair.tcp()) {
            int copy = Descriptors.dup(tcp.descriptor());
            assertThrows(ZdtArgumentException.class, () -> Descriptors.datagramChannel(copy));
            Descriptors.close(copy);
        }
        for (ListenerSpec spec :
                new ListenerSpec[] {ListenerSpec.tcp("127.0.0.1:0"), ListenerSpec.unix(Path.of("/x"))}) {
            ZdtException error = assertThrows(ZdtException.class, spec::bindDatagram);
            assertEquals(ErrorKind.UNSUPPORTED, error.kind());
        }
    }

    @Test
    void a_successor_reads_on_from_the_very_same_socket() throws Exception {
        try (Place place = Place.fresh();
                Takeover first = Takeover.open(place.socket(), Two.quick().build());
                DatagramChannel before = first.datagramListener("dns", new InetSocketAddress("127.0.0.1", 0));
                DatagramChannel client = client(before, "127.0.0.1")) {
            assertThrows(ZdtException.class, () -> first.datagramListener("http", ListenerSpec.tcp("127.0.0.1:0")));
            first.ready();
            client.write(bytes("waits"));
            try (Two two = new Two(first, Two.openBeside(first, place.socket(), Two.quick()));
                    DatagramChannel after = two.second.datagramListener("dns", new InetSocketAddress("127.0.0.1", 0))) {
                assertEquals(before.getLocalAddress(), after.getLocalAddress());
                ByteBuffer read = ByteBuffer.allocate(16);
                assertEquals(client.getLocalAddress(), after.receive(read));
                assertEquals(bytes("waits"), read.flip());
                answers(after, client);
            }
        }
    }
}

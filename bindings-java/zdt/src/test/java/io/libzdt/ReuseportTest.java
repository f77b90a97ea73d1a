package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.examples.Classic;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

/** Sockets that share a port, and how they leave: the same promises as core/tests/reuseport.rs. */
class ReuseportTest {
    private static final int CLIENTS = 32;
    private static final ListenerSpec ANYWHERE = ListenerSpec.tcp("127.0.0.1:0");

    private static ReuseportGroup beside(ReuseportGroup group, int count) throws Exception {
        return ReuseportGroup.bind(ListenerSpec.tcp(group.address()), count);
    }

    private static List<Socket> connected(ReuseportGroup to) throws IOException {
        List<Socket> clients = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
            Socket client = new Socket(to.address().getAddress(), to.address().getPort());
            client.setSoTimeout((int) Place.PATIENCE.toMillis());
            clients.add(client);
        }
        return clients;
    }

    /** Accepts until that would block, and answers each: how many. */
    private static int answer(ServerSocketChannel listener) throws IOException {
        int count = 0;
        for (SocketChannel connection; (connection = listener.accept()) != null; count++) {
            connection.write(ByteBuffer.wrap(new byte[] {'!'}));
            connection.close();
        }
        return count;
    }

    private static int answerAll(ReuseportGroup group) throws IOException {
        int count = 0;
        for (ServerSocketChannel listener : group.listeners().values()) {
            count += answer(listener);
        }
        return count;
    }

    private static int answered(List<Socket> clients) throws IOException {
        int count = 0;
        for (Socket client : clients) {
            try (client) {
                count += client.getInputStream().read() == '!' ? 1 : 0;
            } catch (SocketException reset) {
                // Lost.
            }
        }
        return count;
    }

    private static ErrorKind kind(org.junit.jupiter.api.function.Executable call) {
        return ((ZdtFailure) assertThrows(Exception.class, call)).kind();
    }

    @Test
    void a_group_that_retires_loses_nobody_in_its_queue() throws Exception {
        try (ReuseportGroup predecessor = ReuseportGroup.bind(ANYWHERE, 2)) {
            List<Socket> clients = connected(predecessor);
            try (ReuseportGroup successor = beside(predecessor, 2)) {
                assertEquals(
                        new ReuseportGroup.Retired(2, 2, 1),
                        predecessor.retire(2, Duration.ZERO, ReuseportTest::answer));
                assertTrue(predecessor.listeners().isEmpty());
                clients.addAll(connected(successor));
                answerAll(successor);
                assertEquals(2 * CLIENTS, answered(clients));
            }
        }
    }

    @Test
    void what_is_new_goes_to_the_successors_while_a_group_retires() throws Exception {
        try (ReuseportGroup predecessor = ReuseportGroup.bind(ANYWHERE, 3);
                ReuseportGroup successor = beside(predecessor, 4)) {
            predecessor.startRetiring(4, null);
            List<Socket> clients = connected(successor);
            assertEquals(0, answerAll(predecessor));
            assertEquals(CLIENTS, answerAll(successor));
            assertEquals(CLIENTS, answered(clients));
            Duration left = ((ReuseportStep.Wait) predecessor.step()).time();
            assertTrue(left.compareTo(Duration.ZERO) > 0 && left.compareTo(ReuseportGroup.WAIT) <= 0, left::toString);
            assertEquals(ErrorKind.WRONG_STATE, kind(() -> predecessor.startRetiring(2, null)));
        }
    }

    @Test
    void a_group_without_a_successor_serves_on() throws Exception {
        try (ReuseportGroup only = ReuseportGroup.bind(ANYWHERE, 2)) {
            assertEquals(ErrorKind.PEER_GONE, kind(() -> only.retire(1, Duration.ZERO, ReuseportTest::answer)));
            assertEquals(ErrorKind.WRONG_STATE, kind(only::step));
            assertEquals(ErrorKind.INVALID_ARGUMENT, kind(() -> only.startRetiring(0, null)));
            List<Socket> clients = connected(only);
            assertEquals(CLIENTS, answerAll(only));
            assertEquals(CLIENTS, answered(clients));
        }
    }

    @Test
    void the_classic_flow_loses_nobody() throws Exception {
        Path output = Files.createTempFile("zdt-", ".log");
        Process check = new ProcessBuilder(
                        "python3",
                        Path.of("../../tools/classic.py").toRealPath().toString(),
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Classic.class.getName())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            assertTrue(check.waitFor(6 * Place.PATIENCE.toSeconds(), TimeUnit.SECONDS));
            String said = Files.readString(output);
            assertEquals(0, check.exitValue(), said);
            assertTrue(said.contains("none lost"), said);
        } finally {
            check.destroy();
            Files.delete(output);
        }
    }

    @Test
    void a_selector_of_ones_own_follows_the_steps() throws Exception {
        try (ReuseportGroup predecessor = ReuseportGroup.bind(ANYWHERE, 2);
                Selector selector = Selector.open()) {
            for (ServerSocketChannel listener : predecessor.listeners().values()) {
                listener.register(selector, SelectionKey.OP_ACCEPT);
            }
            List<Socket> clients = connected(predecessor);
            try (ReuseportGroup successor = beside(predecessor, 2)) {
                predecessor.startRetiring(2, Duration.ZERO);
                List<Integer> closed = new ArrayList<>();
                ReuseportStep step;
                while (!((step = predecessor.step()) instanceof ReuseportStep.Done)) {
                    if (step instanceof ReuseportStep.Accept next) {
                        answer(predecessor.listeners().get(next.index()));
                    } else if (step instanceof ReuseportStep.Closed next) {
                        // Its channel is still in the selector, and is closed all the same.
                        closed.add(next.index());
                        clients.addAll(connected(successor));
                    }
                }
                assertEquals(List.of(1, 0), closed);
                answerAll(successor);
                assertEquals(3 * CLIENTS, answered(clients));
                selector.selectNow();
                assertTrue(selector.keys().isEmpty());
            }
        }
    }

    @Test
    void whoever_connected_before_is_served_while_the_handshakes_are_waited_for() throws Exception {
        try (ReuseportGroup predecessor = ReuseportGroup.bind(ANYWHERE, 2)) {
            List<Socket> clients = connected(predecessor);
            int[] calls = {0, 0};
            IOException all = new IOException("all were served");
            try (ReuseportGroup successor = beside(predecessor, 2)) {
                Thread.currentThread().interrupt();
                Duration wait = Place.PATIENCE.multipliedBy(4);
                IOException thrown = assertThrows(
                        IOException.class,
                        () -> predecessor.retire(2, wait, listener -> {
                            // It cannot, for a while.
                            calls[1] += calls[0]++ > 2 ? answer(listener) : 0;
                            if (calls[1] == CLIENTS) {
                                throw all;
                            }
                        }));
                assertSame(all, thrown);
                assertTrue(Thread.interrupted(), "it ends no wait, and is not forgotten");
                assertTrue(predecessor.step() instanceof ReuseportStep.Wait, "long before the end");
                assertFalse(successor.listeners().isEmpty());
            }
            assertEquals(CLIENTS, answered(clients));
        }
    }

    @Test
    void a_group_whose_serving_fails_retires_still() throws Exception {
        try (ReuseportGroup predecessor = ReuseportGroup.bind(ANYWHERE, 2)) {
            List<Socket> clients = connected(predecessor);
            try (ReuseportGroup successor = beside(predecessor, 2)) {
                IOException mine = new IOException("mine");
                assertSame(
                        mine,
                        assertThrows(
                                IOException.class,
                                () -> predecessor.retire(2, Duration.ZERO, listener -> {
                                    throw mine;
                                })));
                ReuseportStep step;
                while (!((step = predecessor.step()) instanceof ReuseportStep.Done)) {
                    if (step instanceof ReuseportStep.Accept next) {
                        answer(predecessor.listeners().get(next.index()));
                    }
                }
            }
            assertEquals(CLIENTS, answered(clients));
        }
    }

    @Test
    void who_is_told_to_leave_while_its_predecessor_is_leaving_waits_for_it() throws Exception {
        try (ReuseportGroup predecessor = ReuseportGroup.bind(ANYWHERE, 2);
                ReuseportGroup successor = beside(predecessor, 2);
                ReuseportGroup third = beside(predecessor, 2)) {
            CompletableFuture<ReuseportGroup.Retired> leaves = CompletableFuture.supplyAsync(() -> {
                try {
                    return successor.retire(2, Duration.ZERO, ReuseportTest::answer);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            assertThrows(TimeoutException.class, () -> leaves.get(200, TimeUnit.MILLISECONDS));
            predecessor.retire(2, Duration.ZERO, ReuseportTest::answer);
            assertEquals(2, leaves.get(30, TimeUnit.SECONDS).closed());
            List<Socket> clients = connected(third);
            assertEquals(CLIENTS, answerAll(third));
            assertEquals(CLIENTS, answered(clients));
        }
    }

    @Test
    void a_successor_that_dies_leaves_the_predecessor_serving() throws Exception {
        try (ReuseportGroup predecessor = ReuseportGroup.bind(ANYWHERE, 2)) {
            try (ReuseportGroup successor = beside(predecessor, 2)) {
                predecessor.startRetiring(2, null);
                assertEquals(ErrorKind.BUSY, kind(() -> successor.startRetiring(2, null)));
            }
            assertEquals(ErrorKind.PEER_GONE, kind(predecessor::step));
            List<Socket> clients = connected(predecessor);
            answerAll(predecessor);
            assertEquals(CLIENTS, answered(clients));
        }
    }

    @Test
    void a_copy_that_somebody_keeps_is_named() throws Exception {
        try (ReuseportGroup predecessor = ReuseportGroup.bind(ANYWHERE, 2);
                ReuseportGroup successor = beside(predecessor, 2)) {
            int copy = Descriptors.dup(predecessor.descriptor(1));
            ZdtStateException error = assertThrows(
                    ZdtStateException.class, () -> predecessor.retire(2, Duration.ZERO, ReuseportTest::answer));
            assertTrue(error.getMessage().contains("copies"), error::getMessage);
            Descriptors.close(copy);
            while (!(predecessor.step() instanceof ReuseportStep.Done)) {}
            assertFalse(successor.listeners().isEmpty());
        }
    }

    private static int read(ReuseportGroup group, int index) throws ZdtException {
        int count = 0;
        for (int socket = group.descriptor(index); Descriptors.isUnserved(socket); count++) {
            Descriptors.receive(socket, 8);
        }
        return count;
    }

    @Test
    void datagrams_that_came_stay_readable() throws Exception {
        try (ReuseportGroup predecessor = ReuseportGroup.bind(ListenerSpec.udp("127.0.0.1:0"), 2);
                DatagramSocket client = new DatagramSocket()) {
            byte[] bytes = "x".getBytes(StandardCharsets.UTF_8);
            DatagramPacket packet = new DatagramPacket(bytes, 1, predecessor.address());
            for (int i = 0; i < CLIENTS; i++) {
                client.send(packet);
            }
            try (ReuseportGroup successor = ReuseportGroup.bind(ListenerSpec.udp(predecessor.address()), 2)) {
                predecessor.startRetiring(2, Duration.ZERO);
                for (int i = 0; i < CLIENTS; i++) {
                    client.send(packet);
                }
                int here = 0;
                ReuseportStep step;
                while (!((step = predecessor.step()) instanceof ReuseportStep.Done)) {
                    if (step instanceof ReuseportStep.Accept next) {
                        here += read(predecessor, next.index());
                    }
                }
                assertEquals(CLIENTS, here);
                assertEquals(CLIENTS, read(successor, 0) + read(successor, 1));
                assertEquals(ErrorKind.UNSUPPORTED, kind(successor::listeners));
            }
        }
    }

    @Test
    void closing_a_group_answers_every_later_call() throws Exception {
        ReuseportGroup group = ReuseportGroup.bind(ANYWHERE, 2);
        List<ServerSocketChannel> listeners = List.copyOf(group.listeners().values());
        var address = group.address();
        group.close();
        group.close();
        assertFalse(listeners.get(0).isOpen() || listeners.get(1).isOpen());
        assertThrows(ConnectException.class, () -> new Socket(address.getAddress(), address.getPort()).close());
        assertEquals(ErrorKind.CLOSED, kind(group::address));
        assertEquals(ErrorKind.CLOSED, kind(group::step));
        assertEquals(ErrorKind.CLOSED, kind(() -> group.descriptor(0)));
        assertEquals(ErrorKind.CLOSED, kind(() -> group.startRetiring(1, null)));
        assertEquals(ErrorKind.CLOSED, kind(() -> group.retire(1, null, ReuseportTest::answer)));
    }

    @Test
    void wrong_use_of_a_group_says_so() throws Exception {
        assertEquals(ErrorKind.INVALID_ARGUMENT, kind(() -> ReuseportGroup.bind(ANYWHERE, 0)));
        assertEquals(ErrorKind.INVALID_ARGUMENT, kind(() -> ReuseportGroup.bind(ANYWHERE, -1)));
        ListenerSpec path = ListenerSpec.unix(Path.of("/never-bound.sock"));
        assertEquals(ErrorKind.INVALID_ARGUMENT, kind(() -> ReuseportGroup.bind(path, 1)));
        try (ReuseportGroup group = ReuseportGroup.bind(ANYWHERE, 1)) {
            assertEquals(ErrorKind.INVALID_ARGUMENT, kind(() -> group.descriptor(1)));
            assertEquals(ErrorKind.INVALID_ARGUMENT, kind(() -> group.descriptor(-1)));
            assertEquals(ErrorKind.INVALID_ARGUMENT, kind(() -> group.startRetiring(-1, null)));
        }
        try (ServerSocketChannel alone = ANYWHERE.bind()) {
            ListenerSpec taken = ListenerSpec.tcp((java.net.InetSocketAddress) alone.getLocalAddress());
            assertEquals(ErrorKind.ADDRESS_IN_USE, kind(() -> ReuseportGroup.bind(taken, 1)));
        }
    }

    @Test
    void the_kernel_says_what_it_does() throws Exception {
        String syncookies = Files.readString(Path.of("/proc/sys/net/ipv4/tcp_syncookies"));
        assertEquals(
                Integer.parseInt(syncookies.strip()), ReuseportGroup.kernel().syncookies());
    }
}

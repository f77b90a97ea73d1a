package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Place.Pair;
import java.net.Socket;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What tests/behaviours.txt promises of every language's face: the handle, and the plain pieces below it. */
class HandleTest {
    private static final ListenerSpec ANYWHERE = ListenerSpec.tcp("127.0.0.1:0");

    private Place place;

    @BeforeEach
    void begin() throws Exception {
        place = Place.fresh();
    }

    @AfterEach
    void end() throws Exception {
        place.close();
    }

    private Takeover opened() throws ZdtException {
        return Takeover.open(place.socket(), Two.quick().build());
    }

    @Test
    void the_first_process_is_generation_one() throws Exception {
        try (Takeover first = opened()) {
            assertEquals(1, first.generation());
            assertEquals(Optional.empty(), first.predecessor());
            first.ready();
            assertEquals(new Progress(1, 0, 0, 0, 0, 0, 0, 0), first.progress());
        }
    }

    @Test
    void a_successor_inherits_the_listener_and_whoever_waits_in_its_queue() throws Exception {
        Takeover first = opened();
        ServerSocketChannel bound = first.listener("http", ANYWHERE);
        first.ready();
        Socket waiting = Place.connect(bound);
        Takeover second = Two.openBeside(first, place.socket(), Two.quick());
        ServerSocketChannel inherited = second.listener("http", ANYWHERE);
        assertEquals(bound.getLocalAddress(), inherited.getLocalAddress());
        second.ready();
        try (Two two = new Two(first, second)) {
            two.firstGets(Event.Drain.class);
            bound.close();
            first.migratedAll();
            two.firstGets(Event.Done.class);
        }
        try (SocketChannel served = inherited.accept()) {
            Place.goes(served, waiting, "served over there");
        }
        waiting.close();
        inherited.close();
    }

    @Test
    void an_unclaimed_listener_is_named_and_fails_ready() throws Exception {
        Takeover first = opened();
        first.listener("http", ANYWHERE).close();
        first.ready();
        Takeover second = Two.openBeside(first, place.socket(), Two.quick());
        assertEquals(List.of("http"), second.unclaimed());
        ZdtStateException error = assertThrows(ZdtStateException.class, second::ready);
        assertEquals(ErrorKind.LISTENER_UNCLAIMED, error.kind());
        assertTrue(error.what().contains("http"), error.what());
        second.listener("http", ANYWHERE).close();
        assertEquals(List.of(), second.unclaimed());
        second.ready();
        new Two(first, second).close();
    }

    @Test
    void a_second_successor_is_told_who_is_at_it() throws Exception {
        try (Two two = Two.open(place.socket(), Two.quick(), Two.quick())) {
            ZdtException error =
                    assertThrows(TakeoverException.class, () -> Two.openBeside(two.first, place.socket(), Two.quick()));
            assertEquals(ErrorKind.BUSY, error.kind());
            assertEquals(ProcessHandle.current().pid(), error.pid().getAsInt());
            assertTrue(error.kind().retryHelps());
        }
    }

    @Test
    void a_successor_that_leaves_before_ready_costs_only_the_attempt() throws Exception {
        try (Two two = Two.open(place.socket(), Two.quick(), Two.quick())) {
            two.second.close();
            try (Takeover third = Two.openBeside(two.first, place.socket(), Two.quick())) {
                assertEquals(2, third.generation());
                assertEquals(1, two.first.generation());
            }
        }
    }

    @Test
    void drain_without_a_successor_ends_with_done() throws Exception {
        try (Takeover takeover = opened()) {
            takeover.ready();
            takeover.drain();
            Event.Drain drain = assertInstanceOf(Event.Drain.class, takeover.nextEvent(Place.PATIENCE));
            assertEquals(new Event.Drain(Optional.empty(), Duration.ofSeconds(30), List.of(), List.of()), drain);
            takeover.migratedAll();
            assertEquals(new Event.Done(0), takeover.nextEvent(Place.PATIENCE));
        }
    }

    @Test
    void the_event_fd_is_readable_while_an_event_waits() throws Exception {
        try (Takeover takeover = opened();
                Poller poller = new Poller(takeover.eventFd())) {
            takeover.ready();
            while (takeover.nextEvent(Duration.ZERO) != null) {}
            assertFalse(poller.isReadable(Duration.ZERO));
            takeover.drain();
            assertTrue(poller.isReadable(Place.PATIENCE));
            assertTrue(poller.isReadable(Place.PATIENCE), "until the event is taken");
            assertInstanceOf(Event.Drain.class, takeover.nextEvent(Duration.ZERO));
            assertNull(takeover.nextEvent(Duration.ZERO));
            assertFalse(poller.isReadable(Duration.ZERO));
        }
    }

    @Test
    void next_event_gives_nothing_when_nothing_happens() throws Exception {
        try (Takeover takeover = opened()) {
            takeover.ready();
            assertNull(takeover.nextEvent(Duration.ZERO));
            long begin = System.nanoTime();
            assertNull(takeover.nextEvent(Duration.ofMillis(50)));
            assertTrue(System.nanoTime() - begin >= 50_000_000, "it waited");
        }
    }

    @Test
    void progress_counts_what_moved() throws Exception {
        Takeover first = opened();
        first.setConnections(3);
        first.ready();
        Takeover second = Two.openBeside(first, place.socket(), Two.quick());
        second.ready();
        try (Two two = new Two(first, second);
                Pair pair = Pair.tcp()) {
            two.firstGets(Event.Drain.class);
            for (int id = 0; id < 3; id++) {
                assertTrue(first.migrate(Frozen.of(id, pair.descriptor(), "relay")
                        .state(0, new byte[100])
                        .unread(new byte[10])
                        .unsent(new byte[1])));
            }
            Descriptors.close(two.offer().adopt().orElseThrow().descriptor());
            two.offer().refuse("for the count");
            Descriptors.close(two.offer().adopt().orElseThrow().descriptor());
            int settled = 0;
            for (int answer = 0; answer < 3; answer++) {
                settled += two.firstsNext() instanceof Event.Settled ? 1 : 0;
            }
            assertEquals(2, settled);
            assertEquals(new Progress(1, 3, 3, 2, 1, 20, 2, 200), first.progress());
            assertEquals(new Progress(2, 3, 3, 2, 1, 20, 2, 200), second.progress());
        }
    }

    @Test
    void the_successor_is_generation_two_after_its_commit() throws Exception {
        Config.Builder named = Two.quick().program("gateway 2.1").runtime("java 17");
        try (Two two = Two.draining(place.socket(), Two.quick(), named)) {
            two.first.migratedAll();
            assertEquals(2, two.secondGets(Event.Committed.class).generation());
            two.firstGets(Event.Done.class);
            assertEquals(List.of(1L, 2L), List.of(two.first.generation(), two.second.generation()));
            try (Takeover third = Two.openBeside(two.second, place.socket(), Two.quick())) {
                int pid = (int) ProcessHandle.current().pid();
                assertEquals(3, third.generation());
                assertEquals(Optional.of(new Peer(pid, "gateway 2.1", "java 17", 2)), third.predecessor());
            }
        }
    }

    @Test
    void an_owner_that_leaves_for_good_frees_the_path() throws Exception {
        try (Takeover owner = opened()) {
            owner.ready();
            assertTrue(Files.exists(place.socket()));
        }
        assertFalse(Files.exists(place.socket()));
        try (Takeover next = opened()) {
            assertEquals(1, next.generation());
        }
    }

    @Test
    void closing_answers_every_later_call() throws Exception {
        Takeover takeover = opened();
        FutureTask<ErrorKind> waiting =
                new FutureTask<>(() -> assertThrows(ZdtStateException.class, () -> takeover.nextEvent(null))
                        .kind());
        new Thread(waiting).start();
        takeover.close();
        assertEquals(ErrorKind.CLOSED, waiting.get(), "whoever waits returns");
        takeover.close();
        List<Executable> calls = List.of(
                () -> takeover.listener("http", ANYWHERE),
                takeover::ready,
                () -> takeover.nextEvent(Duration.ZERO),
                () -> takeover.migrate(Frozen.of(1, 0, "relay")),
                takeover::migratedAll,
                takeover::drain);
        for (Executable call : calls) {
            assertEquals(
                    ErrorKind.CLOSED,
                    assertThrows(ZdtStateException.class, call).kind());
        }
        takeover.setConnections(7);
        assertEquals(1, takeover.generation(), "who only looks is answered");
    }

    /**
     * A JVM never forks and goes on: it starts other programs. So the descriptors of a takeover must not get there; and
     * whatever starts them, each is close-on-exec.
     */
    @Test
    void a_forked_child_is_told_and_the_parent_goes_on() throws Exception {
        Set<String> before = openDescriptors();
        try (Takeover takeover = opened();
                ServerSocketChannel listener = takeover.listener("http", ANYWHERE)) {
            takeover.ready();
            Set<String> ours = openDescriptors();
            ours.removeAll(before);
            assertTrue(ours.size() > 3, ours.toString());
            for (String descriptor : ours) {
                String flags = Files.readAllLines(Path.of("/proc/self/fdinfo", descriptor)).stream()
                        .filter(line -> line.startsWith("flags:"))
                        .findFirst()
                        .orElseThrow();
                long closeOnExec = Long.parseLong(flags.substring(6).trim(), 8) & 02000000;
                assertTrue(closeOnExec != 0, "descriptor " + descriptor);
            }
            Process child = new ProcessBuilder("ls", "-l", "/proc/self/fd")
                    .redirectErrorStream(true)
                    .start();
            String listed = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertEquals(0, child.waitFor(), listed);
            assertFalse(listed.contains("socket:") || listed.contains("memfd:"), listed);
            try (Takeover next = Two.openBeside(takeover, place.socket(), Two.quick())) {
                assertEquals(2, next.generation());
            }
            assertNotNull(listener.getLocalAddress());
        }
    }

    /** Those that can be looked at: the listing's own is gone by then. */
    private static Set<String> openDescriptors() throws Exception {
        Set<String> open = new HashSet<>();
        List<Path> listed;
        try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
            listed = all.toList();
        }
        for (Path descriptor : listed) {
            if (Files.exists(
                    Path.of("/proc/self/fdinfo", descriptor.getFileName().toString()))) {
                open.add(descriptor.getFileName().toString());
            }
        }
        return open;
    }

    @Test
    void descriptors_travel_over_a_socket_of_ones_own() throws Exception {
        int[] ends = Native.pair();
        try (Pair pair = Pair.tcp()) {
            byte[] said = "take these".getBytes(StandardCharsets.UTF_8);
            Descriptors.send(ends[0], said, pair.descriptor(), ends[0]);
            Received received = Descriptors.receive(ends[1], 64);
            assertEquals("take these", new String(received.data(), StandardCharsets.UTF_8));
            assertEquals(2, received.descriptors().length);
            pair.server().close();
            Descriptors.close(received.descriptors()[1]);
            try (SocketChannel copy = Descriptors.socketChannel(received.descriptors()[0])) {
                Place.goes(copy, pair.client(), "through the copy");
            }
        } finally {
            Descriptors.close(ends[0]);
            Descriptors.close(ends[1]);
        }
    }

    @Test
    void a_gate_waits_for_what_is_in_flight() throws Exception {
        Gate gate = new Gate();
        assertTrue(gate.enter());
        gate.close();
        assertFalse(gate.enter(), "it is closed");
        assertEquals(1, gate.inFlight());
        assertFalse(gate.await(Duration.ZERO));
        Thread leaving = new Thread(gate::leave);
        leaving.start();
        assertTrue(gate.await(Place.PATIENCE));
        leaving.join();
        assertThrows(ZdtStateException.class, gate::leave);
        gate.open();
        assertTrue(gate.enter());
    }
}

package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Event.Returned.Reason;
import io.libzdt.Place.Pair;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What tests/behaviours.txt promises of every language's face: what moves, and what comes back. */
class MovingTest {
    private Place place;
    private Pair pair;

    @BeforeEach
    void begin() throws Exception {
        place = Place.fresh();
        pair = Pair.tcp();
    }

    @AfterEach
    void end() throws Exception {
        pair.close();
        place.close();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Everything of it that travels, as text. */
    private static String told(Connection c) {
        String all = c.protocol() + " " + c.stateVersion() + " " + new String(c.state(), StandardCharsets.UTF_8) + " "
                + new String(c.unread(), StandardCharsets.UTF_8) + " "
                + new String(c.unsent(), StandardCharsets.UTF_8) + " " + c.local() + " " + c.peer() + " "
                + c.dialled();
        for (Companion companion : c.companions()) {
            all += " " + companion.name() + new String(companion.unread(), StandardCharsets.UTF_8)
                    + new String(companion.unsent(), StandardCharsets.UTF_8);
        }
        return all;
    }

    private Frozen full() throws ZdtException {
        return Frozen.of(7, pair.descriptor(), "relay")
                .state(3, bytes("state"))
                .unread(bytes("unread"))
                .unsent(bytes("unsent"));
    }

    @Test
    void a_connection_moves_with_state_unread_and_unsent() throws Exception {
        try (Two two = Two.draining(place.socket())) {
            Frozen frozen = full();
            assertTrue(two.first.migrate(frozen));
            pair.client().getOutputStream().write(bytes("in the socket"));
            Offer offer = two.offer();
            assertEquals(told(frozen), told(offer));
            Adopted adopted = offer.adopt().orElseThrow();
            assertEquals(told(frozen), told(adopted));
            assertEquals(offer.descriptor(), adopted.descriptor());
            assertThrows(ZdtStateException.class, offer::adopt);
            offer.close();
            assertEquals(7, two.firstGets(Event.Settled.class).id());
            Descriptors.letGo(pair.server());
            try (SocketChannel moved = adopted.channel()) {
                ByteBuffer waiting = ByteBuffer.allocate(13);
                while (waiting.hasRemaining() && moved.read(waiting) >= 0) {}
                assertArrayEquals(bytes("in the socket"), waiting.array());
                Place.goes(moved, pair.client(), "unsent");
                assertEquals(pair.client().getLocalSocketAddress(), moved.getRemoteAddress());
            }
        }
    }

    @Test
    void descriptors_that_were_taken_are_the_takers_to_close() throws Exception {
        try (Two two = Two.draining(place.socket())) {
            assertTrue(two.first.migrate(full()));
            Offer offer = two.offer();
            try (SocketChannel taken = Descriptors.socketChannel(offer.takeDescriptors())) {
                offer.refuse("for a test");
                assertEquals(7, two.firstGets(Event.Returned.class).connection().id());
                Place.goes(taken, pair.client(), "still open");
            }
            Place.goes(pair.server(), pair.client(), "and not shut down");
        }
    }

    @Test
    void the_addresses_and_who_dialled_travel() throws Exception {
        record Told(SocketAddress local, SocketAddress peer, boolean dialled) {}
        List<Told> told = List.of(
                new Told(new InetSocketAddress("127.0.0.1", 8080), new InetSocketAddress("192.0.2.255", 51234), false),
                new Told(new InetSocketAddress("2001:db8::1", 443), null, true),
                new Told(UnixDomainSocketAddress.of("/run/app/x.sock"), UnixDomainSocketAddress.of(""), false));
        try (Two two = Two.draining(place.socket())) {
            for (Told one : told) {
                Frozen frozen = Frozen.of(1, pair.descriptor(), "relay")
                        .local(one.local)
                        .dialled(one.dialled);
                assertTrue(two.first.migrate(one.peer == null ? frozen : frozen.peer(one.peer)));
            }
            for (Told one : told) {
                try (Offer offer = two.offer()) {
                    assertEquals(Optional.of(one.local), offer.local());
                    assertEquals(Optional.ofNullable(one.peer), offer.peer());
                    assertEquals(one.dialled, offer.dialled());
                }
            }
        }
    }

    @Test
    void a_companion_moves_with_its_connection() throws Exception {
        try (Two two = Two.draining(place.socket());
                Pair upstream = Pair.tcp()) {
            Companion companion =
                    new Companion("upstream", upstream.descriptor(), bytes("read before"), bytes("to write"));
            Frozen frozen = full().companion(companion);
            assertTrue(two.first.migrate(frozen));
            Adopted adopted = two.offer().adopt().orElseThrow();
            assertEquals(told(frozen), told(adopted));
            two.firstGets(Event.Settled.class);
            Descriptors.letGo(pair.server());
            Descriptors.letGo(upstream.server());
            try (SocketChannel moved = adopted.channel();
                    SocketChannel with = Descriptors.socketChannel(
                            adopted.companions().get(0).descriptor())) {
                Place.goes(moved, pair.client(), "downstream");
                Place.goes(with, upstream.client(), "upstream");
            }
        }
    }

    @Test
    void a_refused_connection_returns_as_it_was() throws Exception {
        try (Two two = Two.draining(place.socket());
                Pair upstream = Pair.tcp()) {
            Frozen frozen = full().companion(new Companion("upstream", upstream.descriptor()))
                    .local(new InetSocketAddress("127.0.0.1", 1));
            assertTrue(two.first.migrate(frozen));
            Offer offer = two.offer();
            offer.refuse("not today");
            assertThrows(ZdtStateException.class, offer::adopt);
            Event.Returned back = two.firstGets(Event.Returned.class);
            assertEquals(Reason.REFUSED, back.why());
            assertEquals(told(frozen), told(back.connection()));
            assertEquals(7, back.connection().id());
            assertEquals(pair.descriptor(), back.connection().descriptor());
            Place.goes(pair.server(), pair.client(), "as it was");
            Place.goes(upstream.server(), upstream.client(), "as it was");
        }
    }

    @Test
    void an_offer_that_is_dropped_returns() throws Exception {
        try (Two two = Two.draining(place.socket())) {
            assertTrue(two.first.migrate(full()));
            // Held nowhere from here on, and closed by nobody: the garbage collector finds it.
            two.offer();
            Thread collector = new Thread(() -> {
                while (!Thread.currentThread().isInterrupted()) {
                    System.gc();
                }
            });
            collector.start();
            Event.Returned back = two.firstGets(Event.Returned.class);
            collector.interrupt();
            collector.join();
            assertEquals(Reason.REFUSED, back.why());
            assertEquals(told(full()), told(back.connection()));
            Place.goes(pair.server(), pair.client(), "as it was");
        }
    }

    @Test
    void an_offer_that_went_back_adopts_nothing() throws Exception {
        Config.Builder brief = Two.quick().drain(Duration.ofMillis(200));
        try (Two two = Two.draining(place.socket(), brief, Two.quick())) {
            assertTrue(two.first.migrate(full()));
            Offer offer = two.offer();
            two.firstGets(Event.Resume.class);
            assertEquals(Reason.TAKEN_BACK, two.firstGets(Event.Returned.class).why());
            assertEquals(Optional.empty(), offer.adopt());
            Place.goes(pair.server(), pair.client(), "still here");
        }
    }

    @Test
    void migrate_is_full_until_room() throws Exception {
        try (Two two = Two.draining(place.socket())) {
            int offered = 0;
            while (two.first.migrate(Frozen.of(offered, pair.descriptor(), "relay"))) {
                offered++;
            }
            Frozen kept = Frozen.of(offered, pair.descriptor(), "relay");
            assertFalse(two.first.migrate(kept), "it is still ours");
            for (int i = 0; i < offered; i++) {
                Descriptors.close(two.offer().adopt().orElseThrow().descriptor());
            }
            Event event = two.firstsNext();
            while (event instanceof Event.Settled) {
                event = two.firstsNext();
            }
            assertEquals(new Event.Room(), event);
            assertTrue(two.first.migrate(kept));
            Descriptors.close(two.offer().adopt().orElseThrow().descriptor());
        }
    }

    @Test
    void what_is_not_adopted_by_the_deadline_returns() throws Exception {
        Config.Builder brief = Two.quick().drain(Duration.ofSeconds(2));
        try (Two two = Two.draining(place.socket(), brief, Two.quick())) {
            assertTrue(two.first.migrate(full()));
            two.offer().close();
            // The first offers are answered: from here on the service is the successor's.
            two.secondGets(Event.Committed.class);
            two.firstGets(Event.Returned.class);
            assertTrue(two.first.migrate(full()));
            two.first.migratedAll();
            Offer unanswered = two.offer();
            assertEquals(Reason.TAKEN_BACK, two.firstGets(Event.Returned.class).why());
            assertEquals(1, two.firstGets(Event.Done.class).left());
            unanswered.close();
            Place.goes(pair.server(), pair.client(), "still here");
        }
    }

    @Test
    void what_the_successor_does_not_read_is_not_offered() throws Exception {
        Config.Builder reading = Two.quick().reads("relay", 2, 4).reads("chat", 1);
        try (Two two = Two.open(place.socket(), Two.quick(), reading)) {
            two.second.ready();
            assertEquals(
                    List.of(new Reads("relay", 2, 4), new Reads("chat", 1)),
                    two.firstGets(Event.Drain.class).reads());
            Frozen wrong = Frozen.of(1, pair.descriptor(), "relay").state(1, bytes("old"));
            Frozen other = Frozen.of(2, pair.descriptor(), "http/1.1").state(2, bytes("x"));
            for (Frozen frozen : List.of(wrong, other)) {
                ErrorKind kind = assertThrows(ZdtArgumentException.class, () -> two.first.migrate(frozen))
                        .kind();
                assertEquals(ErrorKind.NOT_READABLE, kind);
            }
            assertTrue(two.first.migrate(wrong.state(4, bytes("new"))));
            try (Offer offer = two.offer()) {
                assertEquals(4, offer.stateVersion());
            }
            two.secondGets(Event.Committed.class);
        }
    }

    @Test
    void too_large_a_state_stays_with_its_owner() throws Exception {
        try (Two two = Two.draining(place.socket(), Two.quick().maxState(16), Two.quick())) {
            Frozen large = Frozen.of(1, pair.descriptor(), "relay").state(1, new byte[17]);
            assertEquals(
                    ErrorKind.TOO_LARGE,
                    assertThrows(ZdtArgumentException.class, () -> two.first.migrate(large))
                            .kind());
            two.first.migratedAll();
            two.secondGets(Event.Committed.class);
            Place.goes(pair.server(), pair.client(), "still here");
        }
    }
}

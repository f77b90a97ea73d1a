package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Place.Pair;
import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The thread that tells events to a handler. */
class DispatchTest {
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

    /** A handler that keeps what it was told, and by which thread. */
    private static final class Told implements EventHandler {
        final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
        final AtomicReference<Thread> ready = new AtomicReference<>();
        final AtomicReference<Thread> thread = new AtomicReference<>();

        @Override
        public void onEvent(Event event) {
            thread.compareAndSet(null, Thread.currentThread());
            assertSame(thread.get(), Thread.currentThread());
            events.add(event);
        }

        @Override
        public void onReady() {
            ready.set(Thread.currentThread());
        }

        <E extends Event> E gets(Class<E> kind) throws InterruptedException {
            return assertInstanceOf(kind, events.poll(Place.PATIENCE.toSeconds(), TimeUnit.SECONDS));
        }
    }

    @Test
    void one_thread_tells_everything_in_order_until_the_handle_is_closed() throws Exception {
        Takeover first = opened();
        Told firsts = new Told();
        first.dispatch(firsts);
        first.ready();
        assertSame(Thread.currentThread(), firsts.ready.get());
        Takeover second = opened();
        Told seconds = new Told();
        second.dispatch(seconds);
        second.ready();
        firsts.gets(Event.Drain.class);
        first.migratedAll();
        assertEquals(2, seconds.gets(Event.Committed.class).generation());
        firsts.gets(Event.Done.class);
        assertEquals("libzdt-dispatch-1", firsts.thread.get().getName());
        assertEquals("libzdt-dispatch-2", seconds.thread.get().getName());
        first.close();
        first.awaitDone();
        second.close();
        second.awaitDone();
        assertNotSame(Thread.currentThread(), firsts.thread.get());
    }

    @Test
    void a_handler_that_fails_leaves_so_that_the_other_side_goes_on() throws Exception {
        for (Exception failure : List.of(new IOException("no luck"), new IllegalStateException("no luck"))) {
            try (Takeover first = opened();
                    Pair pair = Pair.tcp()) {
                first.ready();
                Takeover second = Two.openBeside(first, place.socket(), Two.quick());
                second.dispatch(event -> {
                    throw failure;
                });
                second.ready();
                assertInstanceOf(Event.Drain.class, first.nextEvent(Place.PATIENCE));
                assertTrue(first.migrate(Frozen.of(1, pair.descriptor(), "relay")));
                // The offer is too much for it.
                Set<Class<?>> told = new HashSet<>();
                while (!told.equals(Set.of(Event.Resume.class, Event.Returned.class))) {
                    Event event = first.nextEvent(Place.PATIENCE);
                    assertTrue(event instanceof Event.Resume || event instanceof Event.Returned, "got " + event);
                    told.add(event.getClass());
                }
                Place.goes(pair.server(), pair.client(), "still here");
                CompletionException thrown = assertThrows(CompletionException.class, second::awaitDone);
                assertSame(failure, thrown.getCause());
                assertEquals(
                        ErrorKind.CLOSED,
                        assertThrows(ZdtStateException.class, second::drain).kind());
            }
        }
    }

    @Test
    void what_on_ready_throws_ready_throws() throws Exception {
        Takeover takeover = opened();
        IOException failure = new IOException("cannot accept");
        takeover.dispatch(new EventHandler() {
            @Override
            public void onEvent(Event event) {}

            @Override
            public void onReady() throws IOException {
                throw failure;
            }
        });
        assertSame(
                failure,
                assertThrows(CompletionException.class, takeover::ready).getCause());
        assertSame(
                failure,
                assertThrows(CompletionException.class, takeover::awaitDone).getCause());
    }

    @Test
    void dispatching_begins_once_and_before_ready() throws Exception {
        try (Takeover takeover = opened()) {
            assertEquals(
                    ErrorKind.WRONG_STATE,
                    assertThrows(ZdtStateException.class, takeover::awaitDone).kind());
            takeover.dispatch(event -> {});
            assertThrows(ZdtStateException.class, () -> takeover.dispatch(event -> {}));
            assertEquals(
                    ErrorKind.WRONG_STATE,
                    assertThrows(ZdtStateException.class, () -> takeover.nextEvent(Duration.ZERO))
                            .kind());
            takeover.ready();
        }
        try (Takeover takeover = opened()) {
            takeover.dispatch(event -> takeover.awaitDone());
            takeover.ready();
            takeover.drain();
            CompletionException waited = assertThrows(CompletionException.class, takeover::awaitDone);
            assertInstanceOf(ZdtStateException.class, waited.getCause());
        }
        try (Takeover takeover = opened()) {
            takeover.ready();
            assertThrows(ZdtStateException.class, () -> takeover.dispatch(event -> {}));
        }
    }
}

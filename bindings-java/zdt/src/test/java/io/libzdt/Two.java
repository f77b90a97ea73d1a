package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** A predecessor and a successor in one thread: whoever waits for one of them lets both work. */
final class Two implements AutoCloseable {
    private static final Duration MOMENT = Duration.ofMillis(1);

    final Takeover first;
    final Takeover second;
    private final Queue<Event> firsts = new ArrayDeque<>();
    private final Queue<Event> seconds = new ArrayDeque<>();

    Two(Takeover first, Takeover second) {
        this.first = first;
        this.second = second;
    }

    /** No probation. */
    static Config.Builder quick() {
        return Config.builder().probation(Duration.ZERO);
    }

    /** Opens the next generation while {@code owner}, in this thread, answers it and is told nothing yet. */
    static Takeover openBeside(Takeover owner, Path path, Config.Builder config) throws Exception {
        return beside(owner, () -> Takeover.open(path, config.build()));
    }

    private static <T> T beside(Takeover owner, Callable<T> call) throws Exception {
        FutureTask<T> calling = new FutureTask<>(call);
        Thread caller = new Thread(calling);
        caller.start();
        while (!calling.isDone()) {
            assertNull(owner.nextEvent(MOMENT));
        }
        try {
            return calling.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    /** A predecessor that is ready, and its successor, which is not. */
    static Two open(Path path, Config.Builder first, Config.Builder second) throws Exception {
        Takeover one = Takeover.open(path, first.build());
        one.ready();
        return new Two(one, openBeside(one, path, second));
    }

    /** A predecessor that was told to drain, and its successor, which is ready. */
    static Two draining(Path path, Config.Builder first, Config.Builder second) throws Exception {
        Two two = open(path, first, second);
        two.second.ready();
        assertTrue(two.firstGets(Event.Drain.class).successor().isPresent());
        return two;
    }

    /** The same, with nothing unusual about either. */
    static Two draining(Path path) throws Exception {
        return draining(path, quick(), quick());
    }

    /** The predecessor's next event, which is of this kind. */
    <E extends Event> E firstGets(Class<E> kind) throws ZdtException {
        return assertInstanceOf(kind, next(firsts));
    }

    /** The successor's next event, which is of this kind. */
    <E extends Event> E secondGets(Class<E> kind) throws ZdtException {
        return assertInstanceOf(kind, next(seconds));
    }

    /** The next offer to the successor, which may commit before it. */
    Offer offer() throws ZdtException {
        Event event = next(seconds);
        while (event instanceof Event.Committed) {
            event = next(seconds);
        }
        return assertInstanceOf(Offer.class, event);
    }

    Event firstsNext() throws ZdtException {
        return next(firsts);
    }

    private Event next(Queue<Event> of) throws ZdtException {
        long until = System.nanoTime() + Place.PATIENCE.toNanos();
        while (of.isEmpty()) {
            assertTrue(System.nanoTime() < until, "no event, while there are " + firsts + " and " + seconds);
            keep(first.nextEvent(MOMENT), firsts);
            keep(second.nextEvent(MOMENT), seconds);
        }
        return of.remove();
    }

    private static void keep(Event event, Queue<Event> in) {
        if (event != null) {
            in.add(event);
        }
    }

    @Override
    public void close() {
        second.close();
        first.close();
    }
}

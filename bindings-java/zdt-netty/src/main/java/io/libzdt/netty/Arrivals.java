package io.libzdt.netty;

import io.netty.channel.EventLoop;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Offers for one event loop, some at a time: the first connection is served while the last one is still waiting, and those
 * that are served already have their turn in between.
 */
final class Arrivals {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");
    private static final long A_MOMENT = TimeUnit.MILLISECONDS.toNanos(1);

    private final EventLoop loop;
    private final Queue<Adoption> waiting = new ConcurrentLinkedQueue<>();
    /** Waiting, or in hand. */
    private final AtomicInteger count = new AtomicInteger();

    Arrivals(EventLoop loop) {
        this.loop = loop;
    }

    /** Any thread. */
    void add(Adoption adoption) {
        waiting.add(adoption);
        if (count.getAndIncrement() == 0) {
            begin();
        }
    }

    private void begin() {
        try {
            // Due at once, but not before the event loop has looked at its connections.
            loop.schedule(this::next, 0, TimeUnit.NANOSECONDS);
        } catch (RejectedExecutionException ended) {
            waiting.forEach(adoption -> adoption.refuse(ended));
        }
    }

    private void next() {
        long began = System.nanoTime();
        int left;
        do {
            run(waiting.remove());
            left = count.decrementAndGet();
        } while (left > 0 && System.nanoTime() - began < A_MOMENT);
        if (left > 0) {
            begin();
        }
    }

    /** Whatever becomes of one, the others have their turn. */
    private static void run(Adoption adoption) {
        try {
            adoption.run();
        } catch (Throwable e) {
            LOG.log(System.Logger.Level.WARNING, "a connection was refused, and it could not be said why", e);
        }
    }
}

package io.libzdt.netty;

import io.netty.channel.EventLoop;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Offers for one listener, some at a time: the first connection is served while the last one is still waiting, and those
 * that are served already have their turn in between, on every event loop.
 */
final class Arrivals {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");
    private static final long A_MOMENT = TimeUnit.MILLISECONDS.toNanos(1);
    /** A millisecond's work or two, if one event loop has all of it. */
    private static final int MANY = 32;

    private final NettyTakeover netty;
    private final Listening listening;
    private final Queue<Adoption> waiting = new ConcurrentLinkedQueue<>();
    /** On their way to their event loops, and not answered yet. */
    private final AtomicInteger underWay = new AtomicInteger();
    /** A task of the listener's event loop sees to those that wait, or is about to. */
    private final AtomicBoolean active = new AtomicBoolean();

    Arrivals(NettyTakeover netty, Listening listening) {
        this.netty = netty;
        this.listening = listening;
    }

    /** Any thread. */
    void add(Adoption adoption) {
        waiting.add(adoption);
        goOn();
    }

    /** One that was under way is adopted, or refused. Any thread. */
    void answered() {
        underWay.decrementAndGet();
        goOn();
    }

    private void goOn() {
        if (waiting.isEmpty() || underWay.get() >= MANY || !active.compareAndSet(false, true)) {
            return;
        }
        try {
            EventLoop loop = listening.channel.eventLoop();
            // Due at once, but not before the event loop has looked at its connections.
            loop.schedule(this::next, 0, TimeUnit.NANOSECONDS).addListener(due -> {
                if (due.isCancelled()) { // it was shut down before
                    refuseAll(due.cause());
                }
            });
        } catch (RejectedExecutionException | IllegalStateException notThere) {
            refuseAll(notThere);
        }
    }

    /** Nobody will see to them. First of all we leave, if we cannot serve: so they go back, and nothing is committed. */
    private void refuseAll(Throwable why) {
        netty.endIfItsLoopsEnded(listening);
        for (Adoption adoption; (adoption = waiting.poll()) != null; ) {
            underWay.incrementAndGet();
            adoption.refuse(new IllegalStateException("nothing serves " + listening.name + " here", why));
        }
        active.set(false);
        goOn();
    }

    private void next() {
        long began = System.nanoTime();
        while (underWay.get() < MANY && System.nanoTime() - began < A_MOMENT) {
            Adoption adoption = waiting.poll();
            if (adoption == null) {
                break;
            }
            underWay.incrementAndGet();
            run(adoption);
        }
        active.set(false);
        goOn();
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

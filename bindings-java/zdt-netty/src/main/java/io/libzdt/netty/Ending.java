package io.libzdt.netty;

import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** When a service is over: with its last connection, or at the drain deadline, once it is to leave. Any thread. */
final class Ending {
    private final Map<Long, Child> children;
    private final Runnable over;

    /** The application was told that it may serve. */
    private boolean ready;
    /** The attempt was off before that: {@code ready} is to say why, so the handle stays open for it. */
    private boolean lost;
    /** The service is over here with its last connection. */
    private boolean leaving;
    /** Listeners that are about to close: until then they may accept, and whoever they accept is served. */
    private int closing;
    /** When what is left of a drain is ended (System.nanoTime). */
    private long deadline;
    /** Of those that are left at the deadline; null: there is none. */
    private Future<?> cutting;

    /** {@code over} is run when it is; it may be more than once. */
    Ending(Map<Long, Child> children, Runnable over) {
        this.children = children;
        this.over = over;
    }

    synchronized void ready() {
        ready = true;
        lost = false;
    }

    synchronized void aborted() {
        lost = !ready;
    }

    /** A drain has begun that is over then, at the latest. */
    synchronized void drain(long until) {
        deadline = until;
    }

    /** It is over, and what is left has its time; what an attempt that is off has adopted is served to its end. */
    synchronized void done() {
        if (!leaving) {
            Runnable cut = () -> children.values().forEach(Child::cut);
            cutting = GlobalEventExecutor.INSTANCE.schedule(cut, deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
        }
    }

    /** So many listeners are about to close. */
    synchronized void leave(int listeners) {
        leaving = true;
        closing += listeners;
    }

    /** One of them has closed. */
    synchronized void closed() {
        closing--;
    }

    /** After anything has changed. */
    void endIfItIsTime() {
        synchronized (this) {
            if (!leaving || lost || closing > 0 || !children.isEmpty()) {
                return;
            }
            if (cutting != null) {
                cutting.cancel(false);
            }
        }
        over.run();
    }
}

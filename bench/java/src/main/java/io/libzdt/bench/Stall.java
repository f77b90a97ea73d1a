package io.libzdt.bench;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAccumulator;

/**
 * The longest time that an event loop did not turn: a task on each that is due every millisecond. It is looked at in rounds
 * of its own: an event loop of NIO does not sleep when a task is due within half a millisecond.
 */
final class Stall implements AutoCloseable {
    private static final long PERIOD = TimeUnit.MILLISECONDS.toNanos(1);

    private final List<Probe> probes = new ArrayList<>();
    private final LongAccumulator longest = new LongAccumulator(Math::max, 0);
    /** The same of a thread that does nothing else: of the machine and the collector. */
    private final LongAccumulator noise = new LongAccumulator(Math::max, 0);

    private final Thread sleeper = new Thread(this::sleep, "noise");

    /** From here on. */
    Stall(Iterable<EventExecutor> loops) {
        loops.forEach(loop -> probes.add(new Probe(loop)));
        sleeper.setDaemon(true);
        sleeper.start();
    }

    /** {@return in milliseconds, what has not ended yet included} */
    double longest() {
        probes.forEach(Probe::look);
        return longest.get() / 1e6;
    }

    double noise() {
        return noise.get() / 1e6;
    }

    @Override
    public void close() throws InterruptedException {
        probes.forEach(probe -> probe.due.cancel(false));
        sleeper.interrupt();
        sleeper.join();
    }

    private void sleep() {
        for (long last = System.nanoTime(); ; ) {
            try {
                Thread.sleep(1);
            } catch (InterruptedException e) {
                return;
            }
            long now = System.nanoTime();
            noise.accumulate(now - last - PERIOD);
            last = now;
        }
    }

    private final class Probe implements Runnable {
        final AtomicLong last = new AtomicLong(System.nanoTime());
        final Future<?> due;

        Probe(EventExecutor loop) {
            due = loop.scheduleWithFixedDelay(this, PERIOD, PERIOD, TimeUnit.NANOSECONDS);
        }

        @Override
        public void run() {
            look();
            last.set(System.nanoTime());
        }

        void look() {
            longest.accumulate(System.nanoTime() - last.get() - PERIOD);
        }
    }
}

package io.libzdt.bench;

import io.netty.util.concurrent.EventExecutor;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAccumulator;
import java.util.stream.StreamSupport;

/** The longest time that an event loop did not turn: a task on each that is due every millisecond. */
final class Stall {
    private static final long PERIOD = TimeUnit.MILLISECONDS.toNanos(1);

    private final List<Probe> probes;
    private final LongAccumulator longest = new LongAccumulator(Math::max, 0);
    /** The same of a thread that does nothing else: of the machine and the collector. */
    private final LongAccumulator noise = new LongAccumulator(Math::max, 0);

    Stall(Iterable<EventExecutor> loops) {
        probes =
                StreamSupport.stream(loops.spliterator(), false).map(Probe::new).toList();
        Thread sleeper = new Thread(this::sleep, "noise");
        sleeper.setDaemon(true);
        sleeper.start();
    }

    /** From here on. What is under way now began here. */
    void mark() {
        long now = System.nanoTime();
        probes.forEach(probe -> probe.last.set(now));
        longest.reset();
        noise.reset();
    }

    /** {@return in milliseconds, what has not ended yet included} */
    double longest() {
        probes.forEach(Probe::look);
        return longest.get() / 1e6;
    }

    double noise() {
        return noise.get() / 1e6;
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

        Probe(EventExecutor loop) {
            loop.scheduleWithFixedDelay(this, PERIOD, PERIOD, TimeUnit.NANOSECONDS);
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

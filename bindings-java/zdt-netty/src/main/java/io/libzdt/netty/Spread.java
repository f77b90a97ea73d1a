package io.libzdt.netty;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;

/** Of one drain: who takes leave when. A nanosecond's precision, of {@link System#nanoTime}. */
final class Spread {
    /** Steps of this length round a circle are as even as can be after any number of them. */
    private static final double GOLDEN = (Math.sqrt(5) - 1) / 2;

    private final long end;
    /** Until when the last ones leave: a tenth of the drain is for what is under way. */
    private final long last;
    /** Elsewhere for each drain, so that several processes do not go in step. */
    private final double first = ThreadLocalRandom.current().nextDouble();

    private final AtomicLong places = new AtomicLong();

    Spread(long now, Duration over, Duration drain) {
        this.end = now + Math.min(over.toNanos(), drain.toNanos());
        this.last = Math.max(end, now + drain.toNanos() / 10 * 9);
    }

    /** From 0 to 1. Any thread. */
    double place() {
        return (first + GOLDEN * places.getAndIncrement()) % 1;
    }

    /** How long until its turn. Even also for those that come late, in what is left. */
    long turn(double place, long now) {
        return (long) (place * Math.max(0, end - now));
    }

    /** How long until a client that was told nothing, since it was silent, is left: in the second half of what is left. */
    long patience(double place, long now) {
        long left = Math.max(0, last - Math.max(end, now));
        return Math.max(0, end - now) + (long) (left * (1 + place) / 2);
    }

    /** How long until everything should be under way. */
    long untilLast(long now) {
        return Math.max(0, last - now);
    }
}

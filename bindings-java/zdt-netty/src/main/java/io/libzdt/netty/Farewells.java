package io.libzdt.netty;

import io.libzdt.Event;
import io.libzdt.Offer;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;

/** Of one {@link NettyTakeover}: how its connections take leave, and what is told of it. Any thread. */
final class Farewells {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");
    private static final int REFUSALS_TOLD = 10;

    final Counters.Live counters = new Counters.Live();
    private final AtomicInteger refusals = new AtomicInteger();
    /** Null: half of the drain. */
    private volatile Duration over;
    /** Of the drain that is under way; null: none is. */
    private volatile Spread spread;

    void spread(Duration over) {
        if (over.isNegative()) {
            throw new IllegalArgumentException("goodbyes cannot be spread over less than no time: " + over);
        }
        this.over = over;
    }

    void drain(Event.Drain drain, long now) {
        spread = new Spread(now, over == null ? drain.deadline().dividedBy(2) : over, drain.deadline());
    }

    void callOff() {
        spread = null;
    }

    boolean isDraining() {
        return spread != null;
    }

    /** Null: the drain was called off. */
    Leave begin(Leaving connection, Event.Drain drain) {
        Spread current = spread;
        return current == null ? null : new Leave(connection, drain, current, counters);
    }

    /** Why it was, for whoever can mend it; not a thousand times. */
    void refused(Offer offer, Throwable why) {
        boolean isNews = refusals.getAndIncrement() < REFUSALS_TOLD;
        LOG.log(
                isNews ? System.Logger.Level.WARNING : System.Logger.Level.DEBUG,
                () -> "refused " + offer
                        + ", which stays with the predecessor and leaves there; have the pipeline here take version "
                        + offer.stateVersion() + " of its state, or the predecessor write one that it takes",
                why);
    }

    /** At the end. */
    void log() {
        LOG.log(
                System.Logger.Level.INFO,
                () -> "nothing is left here; " + counters.now().inWords());
    }
}

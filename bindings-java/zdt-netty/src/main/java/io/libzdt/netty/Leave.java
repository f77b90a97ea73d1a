package io.libzdt.netty;

import io.libzdt.Event;
import io.netty.channel.ChannelPipeline;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** A connection that stays takes leave of its client, when it is its turn. On its event loop. */
final class Leave {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");

    final Leaving connection;
    final Event.Drain drain;
    private final Spread spread;
    private final Counters.Live counters;
    private final double place;
    private final Future<?> turn;
    private boolean isTurn;
    private boolean said;
    /** Null: none yet. */
    private Goodbye goodbye;

    Leave(Leaving connection, Event.Drain drain, Spread spread, Counters.Live counters) {
        this.connection = connection;
        this.drain = drain;
        this.spread = spread;
        this.counters = counters;
        this.place = spread.place();
        this.turn = after(spread.turn(place, System.nanoTime()), this::turn);
    }

    ChannelPipeline pipeline() {
        return connection.channel.pipeline();
    }

    /** Runs it then, if the event loop is still there. */
    Future<?> after(long nanos, Runnable what) {
        return connection.channel.eventLoop().schedule(what, nanos, TimeUnit.NANOSECONDS);
    }

    /** How long a client may be silent that has not been told anything, in nanoseconds. */
    long patience() {
        return spread.patience(place, System.nanoTime());
    }

    /** How long is left for what is under way, in nanoseconds. */
    long untilLast() {
        return spread.untilLast(System.nanoTime());
    }

    private void turn() {
        isTurn = true;
        say();
    }

    private void say() {
        if (!connection.channel.isActive()) {
            return;
        }
        goodbye = Goodbye.of(this);
        if (goodbye == null) {
            return; // served to the drain deadline, or until it turns out what is spoken
        }
        try {
            goodbye.say();
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    /** What is spoken has turned out, or changed. */
    void spokenIs() {
        if (isTurn && !said) {
            say();
        }
    }

    /** The client knows, or is about to. */
    void said() {
        if (!said) {
            said = true;
            counters.goodbye(goodbye.protocol());
        }
    }

    boolean isTurn() {
        return isTurn;
    }

    boolean isSaid() {
        return said;
    }

    void failed(Throwable e) {
        LOG.log(
                System.Logger.Level.WARNING,
                () -> connection.channel
                        + " could not take leave; it is served until it ends or the drain deadline comes",
                e);
    }

    /** Whether everything is as before. */
    boolean callOff() {
        turn.cancel(false);
        isTurn = false;
        return goodbye == null || goodbye.callOff();
    }
}

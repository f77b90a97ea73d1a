package io.libzdt.netty;

import io.libzdt.Event;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;

/** A connection that may have to take leave of its client, since it stays where nobody will be. */
abstract class Leaving extends Front {
    private static final long A_SECOND_MS = 1000;

    private final Farewells farewells;
    /** Told to leave, perhaps before its handlers were there. */
    private volatile Event.Drain draining;
    /** Of the event loop. Null: it is not leaving. */
    Leave leave;

    Leaving(Channel channel, Transport transport, State state, Farewells farewells) {
        super(channel, transport, state);
        this.farewells = farewells;
    }

    /** Nobody takes it, and nobody will. Any thread. */
    final void drain(Event.Drain event) {
        draining = event;
        if (ctx != null) { // else channelActive comes, and finds it draining
            onLoop(this::takeLeaveIfDraining, () -> {});
        }
    }

    private void takeLeaveIfDraining() {
        Event.Drain event = draining;
        if (event != null) {
            draining = null;
            takeLeave(event);
        }
    }

    /** It was to move, and stays. */
    final void takeLeave(Event.Drain event, String reason) {
        farewells.counters.stays(reason);
        takeLeave(event);
    }

    private void takeLeave(Event.Drain event) {
        if (!channel.isOpen()) {
            return;
        }
        if (leave == null) {
            leave = farewells.begin(this, event);
        }
        if (leave != null) { // else it was called off meanwhile
            ctx.fireUserEventTriggered(event);
        }
    }

    /** It can move after all. */
    final void stopLeaving() {
        if (leave != null && leave.callOff()) {
            leave = null;
        }
    }

    /** Whether its client knows that it ends. */
    final boolean hasSaidGoodbye() {
        return leave != null && leave.isSaid();
    }

    /** The successor has died: who has not said goodbye does not. Any thread. */
    final void resume(Event.Resume event) {
        draining = null;
        if (ctx != null) {
            onLoop(() -> callOff(event), () -> {});
        }
    }

    private void callOff(Event.Resume event) {
        if (leave != null) {
            stopLeaving();
            ctx.fireUserEventTriggered(event);
        }
    }

    /** Its handlers are there that show what is spoken. */
    final void spokenIs() {
        Contents.watchAnyway(channel.pipeline());
        if (leave != null) {
            leave.spokenIs();
        }
    }

    /** The drain deadline has come: away with it, also where a handler would rather wait. Any thread. */
    final void cut() {
        if (channel.isOpen() && ctx != null) {
            farewells.counters.cut();
            channel.close();
            onLoop(() -> channel.eventLoop().schedule(this::end, A_SECOND_MS, TimeUnit.MILLISECONDS), () -> {});
        }
    }

    /** From in front of all handlers. */
    final void end() {
        close(ctx, ctx.newPromise());
    }

    /** The initialisers of its pipeline have run. */
    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        if (state == State.LIVE) {
            Goodbye.lookBehindTls(this);
        }
        super.channelActive(ctx);
        takeLeaveIfDraining();
    }

    /** After its event loop has ended nobody else is there who could touch the channel. */
    final void onLoop(Runnable task, Runnable afterItsEnd) {
        try {
            channel.eventLoop().execute(task);
        } catch (RejectedExecutionException ended) {
            afterItsEnd.run();
        }
    }
}

package io.libzdt.netty;

import io.libzdt.Descriptors;
import io.libzdt.Event;
import io.libzdt.Frozen;
import io.libzdt.Offer;
import io.libzdt.ZdtException;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.EventLoop;
import java.util.concurrent.TimeUnit;

/**
 * A connection that can move. As a predecessor's it is frozen when its turn comes: the channel leaves the poller of its event
 * loop, is exported and offered, and is let go of, or thawed. As a successor's it is built, and joins its event loop when
 * it is ours.
 *
 * <p>All of it runs on the event loop of the connection; methods that may be called from elsewhere say so.
 */
final class Child extends Leaving {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");
    private static final long ASKED_AGAIN_MS = 100;

    final long id;
    private final NettyTakeover netty;
    private final String protocol;
    /** In which it is to move; null: it is not. */
    private volatile Migration migration;
    /** It was told to move, or asked, and could not yet. */
    private volatile boolean busy;
    /** It will be, whatever happens. */
    private boolean reminded;

    /** Null once it is decided whether it is ours. */
    private volatile Adoption adoption;

    /** Its handlers think that it is ours already. */
    private boolean toldActive;

    /** What the handlers are told once it is thawed. */
    private Event.Returned returned;

    private Child(NettyTakeover netty, Listening listening, Channel channel, State state) {
        super(channel, listening.transport, state, netty.farewells);
        this.netty = netty;
        this.protocol = listening.protocol;
        this.id = netty.newId();
    }

    static Child accepted(NettyTakeover netty, Listening listening, Channel channel) {
        return new Child(netty, listening, channel, State.LIVE);
    }

    static Child offered(NettyTakeover netty, Listening listening, Channel channel, Adoption adoption) {
        Child child = new Child(netty, listening, channel, State.OFFERED);
        child.adoption = adoption;
        channel.closeFuture().addListener(closed -> child.notDecided());
        return child;
    }

    // ---- The predecessor's side.

    /** Its turn: it moves now, or as soon as it can. Any thread. */
    void move(Migration migration) {
        if (!channel.isOpen()) {
            migration.left(this); // it had ended before the migration knew of it, and will not say so again
            return;
        }
        this.migration = migration;
        busy = true;
        if (ctx != null) { // else channelActive comes, and finds it busy
            onLoop(this::mayBeIdle, () -> {});
        }
    }

    private void tryToMove() {
        if (state != State.LIVE || !channel.isActive()) {
            migration.notNow(this); // it comes here again when it is live, or ends
            return;
        }
        Contents.watch(channel.pipeline());
        String reason =
                hasSaidGoodbye() ? "its client was told to go already" : Contents.whyNotMovable(channel.pipeline());
        Contents.hold(channel.pipeline());
        if (reason == null && !Contents.isIdle(channel.pipeline())) {
            migration.notNow(this); // it comes here again after the next read or flush
            return;
        }
        busy = false;
        if (!migration.isTurnOf(this)) {
            Contents.goOn(channel.pipeline());
            return;
        }
        if (reason != null) {
            stay(reason);
            return;
        }
        stopLeaving();
        ctx.flush();
        state = State.FREEZING;
        onceNothingIsBeingWritten(
                -1, () -> ctx.deregister().addListener(out -> onceNothingIsBeingWritten(-1, this::offer)));
    }

    /**
     * A flush that had its share of the event loop's time goes on in a task, which does not ask whether the channel is still
     * registered. There is none any more when a task that came after it finds as much as before: it would have written
     * something, or else given up until the socket takes more. What a handler has added meanwhile would hide that.
     */
    private void onceNothingIsBeingWritten(long before, Runnable then) {
        long now = Contents.unsentLength(channel);
        if (now == 0 || now == before && !written) {
            then.run();
        } else {
            written = false;
            channel.eventLoop().execute(() -> onceNothingIsBeingWritten(now, then));
        }
    }

    /** It has left the poller, and nobody else touches it. */
    private void offer() {
        if (!channel.isOpen()) {
            endedOnItsWayOut();
            return;
        }
        state = State.FROZEN;
        try {
            Frozen frozen = export();
            if (frozen != null) {
                migration.offer(this, frozen);
                return;
            }
            migration.notNow(this);
            thaw();
            busy = true;
            remind();
        } catch (Throwable e) { // of the application's, most likely
            LOG.log(System.Logger.Level.DEBUG, () -> channel + " cannot move", e);
            thaw();
            stay(e.getMessage() == null ? e.toString() : e.getMessage());
        }
    }

    /** It may have become able to move without having read or written anything. */
    private void remind() {
        if (!reminded) {
            reminded = true;
            Runnable again = () -> {
                reminded = false;
                mayBeIdle();
            };
            channel.eventLoop().schedule(again, ASKED_AGAIN_MS, TimeUnit.MILLISECONDS);
        }
    }

    /** It was not offered after all: its turn comes again. Any thread. */
    void goOn() {
        onLoop(this::thaw, this::endWithoutLoop);
    }

    /** It was not offered, and will not be. Any thread. */
    void cannotMove(String reason) {
        Runnable task = () -> {
            thaw();
            stay(reason);
        };
        onLoop(task, this::endWithoutLoop);
    }

    /** A last flush found that the client is gone. The channel is not registered any more, so nobody else tells the handlers. */
    private void endedOnItsWayOut() {
        if (state == State.FREEZING) {
            channelInactive(ctx);
            channel.pipeline().fireChannelUnregistered();
        }
    }

    /** Null: not now. */
    private Frozen export() throws Exception {
        byte[] unread = Contents.unread(channel.pipeline());
        byte[] unsent = Contents.unsent(channel);
        if (unread == null || unsent == null) {
            return null;
        }
        Contents.Exported exported = Contents.state(channel.pipeline());
        if (exported == null) {
            return null;
        }
        return Frozen.of(id, transport.descriptor(channel), protocol)
                .state(exported.version(), exported.state())
                .unread(unread)
                .unsent(unsent);
    }

    /** It is served here to its end, or to the drain deadline. */
    private void stay(String reason) {
        if (state == State.LIVE) {
            Contents.goOn(channel.pipeline());
        }
        migration.stays(this, reason);
        takeLeave(migration.drain, reason);
    }

    /** It is ours as it was: the event loop takes it back. */
    private void thaw() {
        EventLoop loop = channel.eventLoop();
        if (loop.isShuttingDown()) {
            endWithoutLoop();
            return;
        }
        loop.register(channel).addListener(registered -> {
            if (!registered.isSuccess()) {
                netty.forget(this);
            }
        });
    }

    /** Who shuts an event loop down ends its connections; this one is not on it, and would be forgotten. */
    private void endWithoutLoop() {
        transport.shutdown(channel);
        closeWithoutLoop();
    }

    /** Nobody is there who could tell the handlers. */
    private void closeWithoutLoop() {
        channel.unsafe().closeForcibly();
        held.fail();
        netty.forget(this);
    }

    @Override
    void thawed() {
        state = State.LIVE;
        held.release(this);
        tellWritability();
        if (returned != null) {
            Event.Returned told = returned;
            returned = null;
            ctx.fireUserEventTriggered(told);
            if (told.why() == Event.Returned.Reason.REFUSED && netty.farewells.isDraining()) {
                takeLeave(migration.drain, "the successor refused it");
            }
        }
        Contents.goOn(channel.pipeline());
        if (busy) { // its turn came while it was frozen
            onLoop(this::mayBeIdle, () -> {});
        }
    }

    /** The offer came back. Any thread. */
    void returned(Event.Returned event) {
        Runnable task = () -> {
            returned = event;
            thaw();
        };
        onLoop(task, this::endWithoutLoop);
    }

    /** It was adopted: we let go of it. Any thread. */
    void settled(Event.Settled event) {
        netty.farewells.counters.moved();
        onLoop(() -> transport.onceOutOfItsPoller(channel, () -> letGo(event)), () -> {
            silence();
            closeWithoutLoop();
        });
    }

    /**
     * The handlers see the end of a connection, and the client nothing. First the descriptor becomes a dead one, so that
     * nothing that they do on the way reaches the client.
     */
    private void letGo(Event.Settled event) {
        state = State.MOVED;
        silence();
        // Handed on to the successor is as good as handed on to the kernel: those writes have succeeded.
        ChannelOutboundBuffer unsent = channel.unsafe().outboundBuffer();
        while (unsent != null && unsent.remove()) {}
        held.fail();
        ctx.fireUserEventTriggered(event);
        channel.unsafe().close(channel.newPromise());
        ctx.fireChannelInactive();
        channel.pipeline().fireChannelUnregistered(); // which removes the handlers
        netty.forget(this);
    }

    private void silence() {
        if (!channel.isOpen()) {
            return; // its number may be somebody else's by now
        }
        try {
            Contents.forgetUnread(channel.pipeline());
            Descriptors.neuter(transport.descriptor(channel));
        } catch (ZdtException e) {
            // Out of descriptors, say. Closing alone is silent, too, since the channel is not registered.
            LOG.log(System.Logger.Level.DEBUG, () -> channel + " is closed as it is", e);
        }
    }

    // ---- The successor's side.

    @Override
    public void channelRegistered(ChannelHandlerContext ctx) {
        if (adoption != null && !channel.isActive()) {
            notDecided();
        } else {
            super.channelRegistered(ctx);
        }
    }

    private void decide() {
        Adoption deciding = adoption;
        adoption = null;
        deciding.decide();
    }

    /** It has ended before. Any thread. */
    private void notDecided() {
        Adoption undecided = adoption;
        if (undecided != null) {
            adoption = null;
            undecided.refuse(new IllegalStateException("its pipeline does not want it"));
        }
    }

    boolean wantsToClose() {
        return held.wantsToClose();
    }

    /** Its handlers have something to do again before they can take the state over. */
    void tellActive() {
        toldActive = true;
        ctx.fireChannelRegistered();
        ctx.fireChannelActive();
    }

    /** It is not ours, and will not be: away with it, and not a word to the client. */
    void discard() {
        if (toldActive) {
            ctx.fireChannelInactive(); // Netty's own is held back
        }
        channel.closeFuture().addListener(closed -> held.fail());
        if (channel.isRegistered()) {
            transport.discard(channel);
        } else {
            channel.unsafe().closeForcibly();
        }
    }

    /** It is ours: what travelled comes first, in both directions. */
    void adopted(Offer offer) {
        if (offer.unsent().length > 0) {
            ctx.write(Unpooled.wrappedBuffer(offer.unsent()));
        }
        state = State.LIVE;
        held.release(this);
        if (toldActive) {
            mayBeIdle();
        } else {
            ctx.fireChannelRegistered();
            channelActive(ctx);
        }
        tellWritability();
        if (offer.unread().length > 0 && channel.isActive()) {
            ctx.fireChannelRead(Unpooled.wrappedBuffer(offer.unread()));
            channelReadComplete(ctx);
        }
    }

    // ---- Both sides.

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        if (adoption != null) {
            decide();
        } else {
            super.channelActive(ctx);
        }
    }

    @Override
    void mayBeIdle() {
        if (busy) {
            tryToMove();
        }
    }
}

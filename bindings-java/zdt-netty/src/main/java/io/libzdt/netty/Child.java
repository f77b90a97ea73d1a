package io.libzdt.netty;

import io.libzdt.Companion;
import io.libzdt.Event;
import io.libzdt.Frozen;
import io.libzdt.Offer;
import io.libzdt.ZdtException;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import java.util.List;
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

    private final boolean adopted;

    /** What moves with it. */
    private final Companions companions = new Companions(this);

    /** What the handlers are told once it is thawed. */
    private Event.Returned returned;

    private Child(NettyTakeover netty, Listening listening, Channel channel, Adoption adoption) {
        super(channel, listening.transport, adoption == null ? State.LIVE : State.OFFERED, netty.farewells);
        this.adoption = adoption;
        this.adopted = adoption != null;
        this.netty = netty;
        this.protocol = listening.protocol;
        this.id = netty.newId();
    }

    static Child accepted(NettyTakeover netty, Listening listening, Channel channel) {
        return new Child(netty, listening, channel, null);
    }

    static Child offered(NettyTakeover netty, Listening listening, Channel channel, Adoption adoption) {
        Child child = new Child(netty, listening, channel, adoption);
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
        if (!hasRead) {
            Contents.watch(channel.pipeline());
        }
        String reason = hasSaidGoodbye() ? "its client was told to go already" : companions.whyNotMovable();
        Contents.hold(channel.pipeline());
        if (reason == null && !(Contents.isIdle(channel.pipeline()) && companions.areThere())) {
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
        companions.freeze(this::offer);
    }

    /** It has left the poller, and nobody else touches it. */
    private void offer() {
        if (!companions.areFrozen()) {
            if (channel.isOpen()) {
                migration.notNow(this);
                busy = true;
            }
            companions.thaw();
            return;
        }
        try {
            Frozen frozen = export();
            if (frozen != null) {
                migration.offer(this, frozen);
                return;
            }
            migration.notNow(this);
            companions.thaw();
            busy = true;
            remind();
        } catch (Throwable e) { // of the application's, most likely
            LOG.log(System.Logger.Level.DEBUG, () -> channel + " cannot move", e);
            companions.thaw();
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
        onLoop(companions::thaw, companions::endWithoutLoop);
    }

    /** It was not offered, and will not be. Any thread. */
    void cannotMove(String reason) {
        Runnable task = () -> {
            companions.thaw();
            stay(reason);
        };
        onLoop(task, companions::endWithoutLoop);
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
        return companions.export(Frozen.of(id, transport.descriptor(channel), protocol)
                .state(exported.version(), exported.state())
                .unread(unread)
                .unsent(unsent));
    }

    /** It is served here to its end, or to the drain deadline. */
    private void stay(String reason) {
        if (state == State.LIVE) {
            Contents.goOn(channel.pipeline());
        }
        migration.stays(this, reason);
        takeLeave(migration.drain, reason);
    }

    @Override
    void ended() {
        netty.forget(this);
    }

    @Override
    void thawed() {
        state = State.LIVE;
        release();
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
            companions.thaw();
        };
        onLoop(task, companions::endWithoutLoop);
    }

    /** It was adopted: we let go of it. Any thread. */
    void settled(Event.Settled event) {
        netty.farewells.counters.moved();
        onLoop(() -> companions.letGo(event), companions::closeWithoutLoop);
    }

    @Override
    public void companion(String name, Channel with) {
        companions.add(name, with);
    }

    @Override
    public Channel companion(String name) {
        return companions.take(name);
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

    /** Its handlers have something to do again before they can take the state over. */
    void tellActive() {
        toldActive = true;
        ctx.fireChannelRegistered();
        ctx.fireChannelActive();
    }

    /** It is ours: what travelled comes first, in both directions. */
    void adopted(Offer offer) {
        writeFirst(offer.unsent());
        companions.writeFirst(offer.companions());
        state = State.LIVE;
        held.release(this);
        if (toldActive) {
            mayBeIdle();
        } else {
            ctx.fireChannelRegistered();
            channelActive(ctx);
        }
        tellWritability();
        readFirst(offer.unread());
        companions.adopted(offer.companions());
    }

    /** What came with it is built, and not read from yet. */
    void bring(List<Companion> offered) throws ZdtException {
        companions.bring(offered);
    }

    /** Its handlers have taken all that came with it. */
    void check(List<Companion> offered) {
        companions.check(offered);
    }

    /** Neither it nor what came with it is ours. */
    void discardAll() {
        companions.discard();
    }

    // ---- Both sides.

    @Override
    public boolean isAdopted() {
        return adopted;
    }

    boolean hasEventLoop() {
        try {
            return channel.eventLoop() != null;
        } catch (IllegalStateException notYet) {
            return false;
        }
    }

    boolean isOnALoopThatEnds() {
        return hasEventLoop() && channel.eventLoop().isShuttingDown();
    }

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

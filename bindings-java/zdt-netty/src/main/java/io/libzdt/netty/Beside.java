package io.libzdt.netty;

import io.libzdt.Companion;
import io.libzdt.ZdtException;
import io.netty.channel.Channel;

/** A companion: it does what the connection does that it belongs to. */
final class Beside extends Front {
    private final Child child;
    private final String name;
    /** (successor) Somebody has asked for it, and so serves it. */
    boolean wanted;

    Beside(Child child, String name, Channel channel, State state) {
        super(channel, child.transport, state);
        this.child = child;
        this.name = name;
    }

    /** Why it cannot move, and with it the connection; null: it can. */
    String whyNotMovable() {
        if (channel.isRegistered() && channel.eventLoop() != child.channel.eventLoop()) {
            return "its companion " + name + " is on another event loop";
        }
        String reason = Contents.whyNotMovable(channel.pipeline());
        return reason == null ? null : "its companion " + name + ": " + reason;
    }

    boolean isThere() {
        return state == State.LIVE && ctx != null && channel.isActive();
    }

    /** Null: not now. */
    Companion export() throws ZdtException {
        byte[] unread = Contents.unread(channel.pipeline());
        byte[] unsent = Contents.unsent(channel);
        return unread == null || unsent == null
                ? null
                : new Companion(name, transport.descriptor(channel), unread, unsent);
    }

    @Override
    void thawed() {
        state = State.LIVE;
        release();
        tellWritability();
    }

    @Override
    void mayBeIdle() {
        child.mayBeIdle();
    }

    @Override
    void ended() {}

    /** It is ours. */
    void adopted(byte[] unread) {
        state = State.LIVE;
        held.release(this);
        ctx.fireChannelRegistered();
        channelActive(ctx);
        tellWritability();
        readFirst(unread);
    }

    @Override
    public boolean isAdopted() {
        return child.isAdopted();
    }

    @Override
    public void companion(String name, Channel channel) {
        throw new UnsupportedOperationException("a companion has no companions");
    }

    @Override
    public Channel companion(String name) {
        throw new IllegalStateException("a companion has no companions");
    }
}

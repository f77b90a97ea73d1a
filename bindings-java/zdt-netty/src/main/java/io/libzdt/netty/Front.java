package io.libzdt.netty;

import io.libzdt.Descriptors;
import io.libzdt.Event;
import io.libzdt.ZdtException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelPromise;

/**
 * The first handler in the pipeline of every connection: what passes, and what waits, in each state. So the handlers behind
 * it notice nothing of a freeze and a thaw.
 */
abstract sealed class Front extends TakeoverHandler permits Leaving, Beside {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");

    enum State {
        /** Offered to us: its handlers are being made, and nothing may reach the client. */
        OFFERED,
        LIVE,
        /** On its way out of the poller. It may be read from until it is there; what is answered travels. */
        FREEZING,
        /** Out of the poller; perhaps on offer. */
        FROZEN,
        /** Another process's. */
        MOVED
    }

    final Channel channel;
    final Transport transport;
    /** What the handlers want to do to it while it is not live. */
    final Held held = new Held();
    /** Null until the channel is registered for the first time. */
    volatile ChannelHandlerContext ctx;

    State state;
    /** Codecs that keep something are being looked at from the first read on, or cannot be. */
    boolean hasRead;

    /** Since whoever asks has cleared it. */
    boolean written;
    /** Its handlers think that it is ours already. */
    boolean toldActive;
    /** A handler has asked for one read, and nothing has come yet. */
    private boolean asked;
    /** While the handlers could not be told. */
    private boolean writabilityChanged;

    Front(Channel channel, Transport transport, State state) {
        this.channel = channel;
        this.transport = transport;
        this.state = state;
    }

    /** The event loop has taken the frozen channel back. */
    abstract void thawed();

    /** The handlers have just been busy with it, and may not be any more. */
    abstract void mayBeIdle();

    /** Nobody has to know of it any more. */
    abstract void ended();

    private boolean isHolding() {
        return state != State.LIVE && state != State.MOVED;
    }

    /** It has ended on its way out: from here on everything takes its usual course. */
    final void stopFreezing() {
        if (state == State.FREEZING) {
            state = State.LIVE;
            held.release(this);
        }
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
        this.ctx = ctx;
    }

    @Override
    public void channelRegistered(ChannelHandlerContext ctx) {
        if (state == State.LIVE) {
            ctx.fireChannelRegistered();
        } else if (state == State.FROZEN) {
            thawed();
        }
    }

    @Override
    public void channelUnregistered(ChannelHandlerContext ctx) {
        if (state == State.FREEZING && !channel.isOpen()) {
            stopFreezing();
            ctx.fireChannelInactive(); // Netty's own would come when the handlers are gone
        }
        if (!isHolding()) {
            ctx.fireChannelUnregistered();
        }
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        if (!isHolding()) {
            ctx.fireChannelActive();
            mayBeIdle();
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        stopFreezing();
        if (!isHolding()) {
            ctx.fireChannelInactive();
        }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
        if (state == State.LIVE) {
            ctx.fireChannelWritabilityChanged();
        } else {
            writabilityChanged = true;
        }
    }

    /** What the handlers have missed of it. */
    final void tellWritability() {
        if (writabilityChanged) {
            writabilityChanged = false;
            ctx.fireChannelWritabilityChanged();
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        if (!hasRead && message instanceof ByteBuf bytes) {
            Contents.watchFrom(ctx, bytes);
        }
        hasRead = true;
        if (message instanceof ByteBuf bytes && !bytes.isReadable()) {
            bytes.release(); // all of it was needed to see what is spoken
        } else {
            ctx.fireChannelRead(message);
        }
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
        asked = false;
        ctx.fireChannelReadComplete();
        if ((state == State.LIVE || state == State.FREEZING) && hasReadTheEnd()) {
            transport.shutdown(channel); // Netty closes it next, and only that
        }
        mayBeIdle();
    }

    private boolean hasReadTheEnd() {
        return channel.unsafe().recvBufAllocHandle().lastBytesRead() < 0
                && !Boolean.TRUE.equals(channel.config().getOption(ChannelOption.ALLOW_HALF_CLOSURE));
    }

    @Override
    public void read(ChannelHandlerContext ctx) {
        if (isHolding()) {
            held.read();
        } else if (state == State.LIVE) {
            asked = !channel.config().isAutoRead();
            ctx.read();
        }
    }

    /** The event loop has taken it back: all that waits is done now. */
    final void release() {
        if (asked) {
            held.read(); // Netty has forgotten it with the registration
        }
        held.release(this);
    }

    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
        if (state == State.LIVE || state == State.FREEZING) {
            written = true;
            ctx.write(message, promise);
        } else if (isHolding()) {
            held.write(message, promise);
        } else {
            Held.fail(message, promise);
        }
    }

    @Override
    public void flush(ChannelHandlerContext ctx) {
        if (state == State.LIVE) {
            ctx.flush();
            mayBeIdle();
        }
    }

    @Override
    public void close(ChannelHandlerContext ctx, ChannelPromise promise) {
        if (isHolding()) {
            held.close(promise);
            return;
        }
        if (state == State.LIVE) {
            transport.shutdown(channel);
        }
        ctx.close(promise);
    }

    @Override
    public void disconnect(ChannelHandlerContext ctx, ChannelPromise promise) {
        close(ctx, promise);
    }

    // ---- On its way out, or not in.

    /**
     * A flush that had its share of the event loop's time goes on in a task, which does not ask whether the channel is still
     * registered. There is none any more when a task that came after it finds as much as before: it would have written
     * something, or else given up until the socket takes more. What a handler has added meanwhile would hide that.
     */
    final void onceNothingIsBeingWritten(long before, Runnable then) {
        long now = Contents.unsentLength(channel);
        if (now == 0 || now == before && !written) {
            then.run();
        } else {
            written = false;
            channel.eventLoop().execute(() -> onceNothingIsBeingWritten(now, then));
        }
    }

    /** A last flush found that the client is gone. The channel is not registered any more, so nobody else tells the handlers. */
    final void endedOnItsWayOut() {
        if (state == State.FREEZING) {
            channelInactive(ctx);
            channel.pipeline().fireChannelUnregistered();
        }
    }

    /** Who shuts an event loop down ends its connections; this one is not on it, and would be forgotten. */
    final void endWithoutLoop() {
        transport.shutdown(channel);
        closeWithoutLoop();
    }

    /** Nobody is there who could tell the handlers. */
    final void closeWithoutLoop() {
        channel.unsafe().closeForcibly();
        held.fail();
        ended();
    }

    /**
     * The handlers see the end of a connection, and the client nothing. First the descriptor becomes a dead one, so that
     * nothing that they do on the way reaches the client.
     */
    final void letGo(Event.Settled event) {
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
        ended();
    }

    final void silence() {
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

    /** What travelled is written before anything else, */
    final void writeFirst(byte[] unsent) {
        if (unsent.length > 0) {
            ctx.write(Unpooled.wrappedBuffer(unsent));
        }
    }

    /** and read. */
    final void readFirst(byte[] unread) {
        if (unread.length > 0 && channel.isActive()) {
            channelRead(ctx, Unpooled.wrappedBuffer(unread));
            channelReadComplete(ctx);
        }
    }

    final boolean wantsToClose() {
        return held.wantsToClose();
    }

    /** It is not ours, and will not be: away with it, and not a word to the client. */
    final void discard() {
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
}

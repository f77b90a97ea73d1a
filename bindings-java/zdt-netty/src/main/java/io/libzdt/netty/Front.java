package io.libzdt.netty;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPromise;

/**
 * The first handler in the pipeline of every connection: what passes, and what waits, in each state. So the handlers behind
 * it notice nothing of a freeze and a thaw.
 */
abstract sealed class Front extends TakeoverHandler permits Leaving {
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
            ctx.read();
        }
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
}

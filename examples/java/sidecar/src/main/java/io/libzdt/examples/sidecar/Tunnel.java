package io.libzdt.examples.sidecar;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;

/** One end of a pair: what it reads is written to the other end, which is read from only as fast as this one can be written to. */
class Tunnel extends ChannelInboundHandlerAdapter {
    /** The other end. */
    Channel other;

    Tunnel(Channel other) {
        this.other = other;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object bytes) {
        other.write(bytes);
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
        other.flush();
        ctx.channel().config().setAutoRead(other.isWritable());
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
        other.config().setAutoRead(ctx.channel().isWritable());
    }

    /** It says no more; the other end hears that once it has everything, and may go on answering. */
    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
        if (event instanceof ChannelInputShutdownEvent) {
            other.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(said -> {
                DuplexChannel from = (DuplexChannel) ctx.channel();
                DuplexChannel to = (DuplexChannel) other;
                to.shutdownOutput();
                if (to.isInputShutdown()) {
                    from.close();
                    to.close();
                }
            });
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        if (other != null && other.isActive()) {
            other.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        ctx.close(); // a reset, say
    }
}

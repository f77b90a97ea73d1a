package io.libzdt.netty;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.ReferenceCountUtil;
import java.util.concurrent.TimeUnit;

/**
 * Ends a connection so that the client reads all that was written: first only our direction, and what still comes is dropped
 * until the client ends, too. Closing at once with bytes unread would reset the connection, and a reset takes with it what
 * the client has not read yet (RFC 9112, 9.6).
 */
final class Lingering extends ChannelInboundHandlerAdapter {
    private static final long SECONDS = 5;

    private Lingering() {}

    /** On the event loop of the connection, after the last flush. */
    static void end(Leaving connection) {
        ChannelPipeline pipeline = connection.channel.pipeline();
        if (!connection.channel.isActive() || pipeline.get(Lingering.class) != null) {
            return;
        }
        pipeline.flush();
        ChannelFuture written = goodbyeOfTls(pipeline);
        if (written == null) {
            written = connection.ctx.writeAndFlush(Unpooled.EMPTY_BUFFER);
        }
        Lingering lingering = new Lingering();
        pipeline.addAfter(connection.ctx.name(), null, lingering);
        written.addListener(done -> ((DuplexChannel) connection.channel).shutdownOutput());
        connection.ctx.read(); // also where the handlers had no wish to
        connection.channel.eventLoop().schedule(connection::end, SECONDS, TimeUnit.SECONDS);
    }

    /** Null: there is no TLS. */
    private static ChannelFuture goodbyeOfTls(ChannelPipeline pipeline) {
        try {
            SslHandler tls = pipeline.get(SslHandler.class);
            return tls == null ? null : tls.closeOutbound();
        } catch (NoClassDefFoundError absent) {
            return null;
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        ReferenceCountUtil.release(message);
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
        ctx.read();
    }
}

package io.libzdt.netty;

import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.ssl.AbstractSniHandler;
import io.netty.handler.ssl.OptionalSslHandler;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import java.util.Map;

/** Right behind TLS: what is spoken turns out with its handshake, and handlers may be made only then. */
final class Negotiation extends ChannelInboundHandlerAdapter {
    private final Leaving connection;

    private Negotiation(Leaving connection) {
        this.connection = connection;
    }

    /** Where there is TLS. */
    static void await(Leaving connection) {
        ChannelPipeline pipeline = connection.channel.pipeline();
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            ChannelHandler handler = entry.getValue();
            if (handler instanceof SslHandler
                    || handler instanceof AbstractSniHandler
                    || handler instanceof OptionalSslHandler) {
                pipeline.addAfter(entry.getKey(), null, new Negotiation(connection));
                return;
            }
        }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
        ctx.fireUserEventTriggered(event); // the others first
        if (event instanceof SslHandshakeCompletionEvent) {
            connection.spokenIs();
        }
    }

    /** Some make their handlers a little after the handshake, and some turn out to do without TLS. */
    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        connection.spokenIs();
        ctx.pipeline().remove(this);
        ctx.fireChannelRead(message);
    }
}

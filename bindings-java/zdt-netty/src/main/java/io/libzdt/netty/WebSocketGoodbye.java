package io.libzdt.netty;

import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketCloseStatus;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrameDecoder;
import io.netty.handler.codec.http.websocketx.WebSocketFrameEncoder;
import io.netty.util.ReferenceCountUtil;
import java.nio.channels.ClosedChannelException;
import java.util.Map;

/**
 * WebSocket: Close with the code 1012, "service restart"; what the client still says until its own Close is listened to,
 * and nothing is said any more (RFC 6455, 5.5.1 and 7.1.1). Right behind the codec of frames.
 */
final class WebSocketGoodbye extends ChannelDuplexHandler implements Goodbye {
    private final Leave leave;
    private final String codec;

    private WebSocketGoodbye(Leave leave, String codec) {
        this.leave = leave;
        this.codec = codec;
    }

    static Goodbye of(Leave leave) {
        String codec = null;
        for (Map.Entry<String, ChannelHandler> entry : leave.pipeline()) {
            ChannelHandler handler = entry.getValue();
            if (handler instanceof WebSocketFrameEncoder || handler instanceof WebSocketFrameDecoder) {
                codec = entry.getKey();
            }
        }
        return codec == null ? null : new WebSocketGoodbye(leave, codec);
    }

    @Override
    public String protocol() {
        return "WebSocket";
    }

    @Override
    public void say() {
        leave.said();
        leave.pipeline().addAfter(codec, null, this);
        ChannelHandlerContext ctx = leave.pipeline().context(this);
        ctx.writeAndFlush(new CloseWebSocketFrame(WebSocketCloseStatus.SERVICE_RESTART));
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        boolean end = message instanceof CloseWebSocketFrame;
        ctx.fireChannelRead(message);
        if (end) {
            Lingering.end(leave.connection);
        }
    }

    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
        if (message instanceof CloseWebSocketFrame) {
            ReferenceCountUtil.release(message); // it was said
            promise.trySuccess();
        } else if (message instanceof WebSocketFrame) {
            ReferenceCountUtil.release(message);
            promise.tryFailure(new ClosedChannelException());
        } else {
            ctx.write(message, promise);
        }
    }
}

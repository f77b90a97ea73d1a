package io.libzdt.netty;

import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/**
 * Answers every request with its generation; {@code /stream?N} with N dots, ten a second, and then it; {@code /never} never.
 * Answers every message of WebSocket with its generation and the message.
 */
final class Web extends SimpleChannelInboundHandler<Object> {
    private final long generation;

    Web(long generation) {
        this.generation = generation;
    }

    @Override
    protected void channelRead0(ChannelHandlerContext ctx, Object message) {
        if (message instanceof TextWebSocketFrame said) {
            ctx.writeAndFlush(new TextWebSocketFrame(generation + " " + said.text()));
        } else if (message instanceof FullHttpRequest request) {
            answer(ctx, request.uri());
        }
    }

    private void answer(ChannelHandlerContext ctx, String uri) {
        if (uri.startsWith("/stream?")) {
            HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
            HttpUtil.setTransferEncodingChunked(head, true);
            ctx.writeAndFlush(head);
            stream(ctx, Integer.parseInt(uri.substring("/stream?".length())));
        } else if (!uri.equals("/never")) {
            FullHttpResponse response = new DefaultFullHttpResponse(
                    HttpVersion.HTTP_1_1,
                    HttpResponseStatus.OK,
                    ByteBufUtil.writeAscii(ctx.alloc(), Long.toString(generation)));
            response.headers()
                    .set(HttpHeaderNames.CONTENT_LENGTH, response.content().readableBytes());
            ctx.writeAndFlush(response);
        }
    }

    private void stream(ChannelHandlerContext ctx, int dots) {
        String text = dots > 0 ? "." : Long.toString(generation);
        ctx.writeAndFlush(new DefaultHttpContent(Unpooled.copiedBuffer(text, StandardCharsets.US_ASCII)));
        if (dots > 0) {
            ctx.executor().schedule(() -> stream(ctx, dots - 1), 100, TimeUnit.MILLISECONDS);
        } else {
            ctx.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        ctx.close(); // the client is gone
    }
}

package io.libzdt.examples.nettyhttp;

import static io.netty.handler.codec.http.HttpHeaderNames.CONNECTION;
import static io.netty.handler.codec.http.HttpHeaderNames.CONTENT_LENGTH;
import static io.netty.handler.codec.http.HttpHeaderValues.CLOSE;
import static io.netty.handler.codec.http.HttpResponseStatus.NOT_FOUND;
import static io.netty.handler.codec.http.HttpResponseStatus.OK;
import static io.netty.handler.codec.http.HttpVersion.HTTP_1_1;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** {@code GET /} says who serves, {@code GET /slow?ms=N} the same a while later, {@code POST /echo} what it was sent. */
final class Requests extends SimpleChannelInboundHandler<FullHttpRequest> {
    private final String who;

    Requests(String who) {
        this.who = who;
    }

    @Override
    protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
        boolean last = !HttpUtil.isKeepAlive(request);
        var asked = new QueryStringDecoder(request.uri());
        switch (asked.path()) {
            case "/" -> answer(ctx, OK, text(), last);
            case "/slow" -> {
                long ms = Long.parseLong(
                        asked.parameters().getOrDefault("ms", List.of("300")).get(0));
                ctx.executor().schedule(() -> answer(ctx, OK, text(), last), ms, TimeUnit.MILLISECONDS);
            }
            case "/echo" -> answer(ctx, OK, request.content().retain(), last);
            default -> answer(ctx, NOT_FOUND, Unpooled.EMPTY_BUFFER, last);
        }
    }

    private ByteBuf text() {
        return Unpooled.copiedBuffer(who + "\n", StandardCharsets.UTF_8);
    }

    private static void answer(ChannelHandlerContext ctx, HttpResponseStatus status, ByteBuf body, boolean last) {
        var response = new DefaultFullHttpResponse(HTTP_1_1, status, body);
        response.headers().setInt(CONTENT_LENGTH, body.readableBytes());
        if (last) {
            response.headers().set(CONNECTION, CLOSE);
        }
        var written = ctx.writeAndFlush(response);
        if (last) {
            written.addListener(ChannelFutureListener.CLOSE);
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        System.err.println(ctx.channel() + ": " + cause);
        ctx.close();
    }
}

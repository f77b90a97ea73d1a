package io.libzdt.netty;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/**
 * One generation of a site, whose every page is {@code GENERATION METHOD URI BODY}. That of {@code /slow} comes when
 * {@link #answer} is called, {@code /big} is {@link #BIG} bytes long, {@code /gone} and HEAD have none.
 */
final class Pages extends Site {
    static final int BIG = 8 << 20;

    private final List<Runnable> slow;

    /** {@code codec} gives HTTP messages that are whole. */
    Pages(Stage stage, Consumer<ChannelPipeline> codec) throws Exception {
        this(stage, codec, new CopyOnWriteArrayList<>());
    }

    private Pages(Stage stage, Consumer<ChannelPipeline> codec, List<Runnable> slow) throws Exception {
        super(stage, (generation, pipeline) -> {
            codec.accept(pipeline);
            pipeline.addLast(new Page(generation, slow));
        });
        this.slow = slow;
    }

    /** How many wait for {@link #answer}. */
    int waiting() {
        return slow.size();
    }

    /** Answers those who asked for what is slow. */
    void answer() {
        slow.forEach(Runnable::run);
        slow.clear();
    }

    private static final class Page extends SimpleChannelInboundHandler<FullHttpRequest> {
        private final long generation;
        private final List<Runnable> slow;

        Page(long generation, List<Runnable> slow) {
            this.generation = generation;
            this.slow = slow;
        }

        @Override
        protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
            FullHttpResponse response = page(request);
            HttpUtil.setKeepAlive(response, HttpUtil.isKeepAlive(request));
            if (request.uri().equals("/slow")) {
                slow.add(() -> ctx.channel().eventLoop().execute(() -> ctx.writeAndFlush(response)));
            } else {
                ctx.writeAndFlush(response);
            }
        }

        private FullHttpResponse page(FullHttpRequest request) {
            if (request.uri().equals("/gone") || request.method().equals(HttpMethod.HEAD)) {
                return new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.NO_CONTENT);
            }
            String text = generation + " " + request.method() + " " + request.uri() + " "
                    + request.content().toString(US_ASCII) + "\n";
            ByteBuf content = request.uri().equals("/big")
                    ? Unpooled.wrappedBuffer(new byte[BIG])
                    : Unpooled.copiedBuffer(text, US_ASCII);
            FullHttpResponse response =
                    new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK, content);
            HttpUtil.setContentLength(response, content.readableBytes());
            return response;
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
            ctx.close(); // the client is gone
        }
    }
}

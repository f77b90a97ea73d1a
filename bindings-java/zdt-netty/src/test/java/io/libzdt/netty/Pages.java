package io.libzdt.netty;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.LineBasedFrameDecoder;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.string.StringDecoder;
import io.netty.handler.codec.string.StringEncoder;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * One generation of a site, whose every page is {@code GENERATION METHOD URI BODY}. That of {@code /slow} comes when
 * {@link #answer} is called, {@code /big} is {@link #BIG} bytes long, {@code /gone} has none.
 */
final class Pages implements AutoCloseable {
    static final int BIG = 8 << 20;

    final Server server;
    /** How many bytes have come. */
    final AtomicLong read = new AtomicLong();

    private final List<Runnable> slow = new CopyOnWriteArrayList<>();

    /** {@code codec} gives HTTP messages that are whole. */
    Pages(Stage stage, Consumer<ChannelPipeline> codec) throws Exception {
        this(stage, codec, pipeline -> {});
    }

    Pages(Stage stage, Consumer<ChannelPipeline> codec, Consumer<ChannelPipeline> more) throws Exception {
        server = stage.server().with(pipeline -> {
            pipeline.remove(LineBasedFrameDecoder.class);
            pipeline.remove(StringDecoder.class);
            pipeline.remove(StringEncoder.class);
            pipeline.remove(Lines.class);
            pipeline.addLast(new ChannelInboundHandlerAdapter() {
                @Override
                public void channelRead(ChannelHandlerContext ctx, Object message) {
                    read.addAndGet(((ByteBuf) message).readableBytes());
                    ctx.fireChannelRead(message);
                }
            });
            codec.accept(pipeline);
            pipeline.addLast(new Page());
            more.accept(pipeline);
        });
        server.listen(Server.ANY_PORT).ready();
    }

    int port() {
        return server.port();
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

    void awaitDone() throws Exception {
        server.awaitDone();
    }

    @Override
    public void close() throws Exception {
        server.close();
    }

    private final class Page extends SimpleChannelInboundHandler<FullHttpRequest> {
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
            if (request.uri().equals("/gone")) {
                return new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.NO_CONTENT);
            }
            String text = server.takeover.generation() + " " + request.method() + " " + request.uri() + " "
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

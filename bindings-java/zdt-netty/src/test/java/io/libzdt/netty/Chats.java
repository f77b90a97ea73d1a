package io.libzdt.netty;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.MessageToMessageDecoder;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrameAggregator;
import io.netty.handler.codec.http.websocketx.WebSocketServerHandshakerFactory;
import io.netty.handler.codec.http.websocketx.WebSocketServerProtocolHandler;
import io.netty.handler.codec.http.websocketx.extensions.compression.WebSocketServerCompressionHandler;
import io.netty.handler.stream.ChunkedWriteHandler;
import java.util.List;
import java.util.function.Consumer;

/**
 * One generation of a chat, which greets whoever has asked for {@code /chat} by {@code welcome GENERATION} and answers by
 * {@code GENERATION TEXT}. It knows nothing of takeovers.
 */
final class Chats extends Site {
    /** As in Netty's own examples. */
    static final Consumer<ChannelPipeline> STOCK = pipeline -> pipeline.addLast(
            new HttpServerCodec(),
            new HttpObjectAggregator(1 << 16),
            new WebSocketServerProtocolHandler("/chat", "plain"),
            new WebSocketFrameAggregator(1 << 16));

    /** The same, with compression. */
    static final Consumer<ChannelPipeline> COMPRESSED = pipeline -> pipeline.addLast(
            new HttpServerCodec(),
            new HttpObjectAggregator(1 << 16),
            new WebSocketServerCompressionHandler(0),
            new WebSocketServerProtocolHandler("/chat", "plain", true),
            new WebSocketFrameAggregator(1 << 16));

    /** The same, with what sends files. */
    static final Consumer<ChannelPipeline> CHUNKED = pipeline -> pipeline.addLast(
            new HttpServerCodec(),
            new HttpObjectAggregator(1 << 16),
            new ChunkedWriteHandler(),
            new WebSocketServerProtocolHandler("/chat"),
            new WebSocketFrameAggregator(1 << 16));

    /** The same, with large messages, of which only the length is said. */
    static final Consumer<ChannelPipeline> LARGE = pipeline -> pipeline.addLast(
            new HttpServerCodec(),
            new HttpObjectAggregator(1 << 16),
            new WebSocketServerProtocolHandler("/chat", null, false, 8 << 20),
            new MessageToMessageDecoder<TextWebSocketFrame>() {
                @Override
                protected void decode(ChannelHandlerContext ctx, TextWebSocketFrame frame, List<Object> out) {
                    int length = frame.text().length();
                    out.add(length < 100 ? frame.retain() : new TextWebSocketFrame("" + length));
                }
            });

    /** The same, by a handler that shakes hands itself. */
    static final Consumer<ChannelPipeline> BY_HAND = pipeline -> pipeline.addLast(
            new HttpServerCodec(),
            new HttpObjectAggregator(1 << 16),
            new SimpleChannelInboundHandler<FullHttpRequest>() {
                @Override
                protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
                    new WebSocketServerHandshakerFactory("ws://here/chat", null, false)
                            .newHandshaker(request)
                            .handshake(ctx.channel(), request);
                    ctx.pipeline().remove(this);
                }
            });

    Chats(Stage stage, Consumer<ChannelPipeline> codec) throws Exception {
        this(stage, codec, true);
    }

    Chats(Stage stage, Consumer<ChannelPipeline> codec, boolean greets) throws Exception {
        super(stage, (generation, pipeline) -> {
            codec.accept(pipeline);
            pipeline.addLast(new Talker(generation, greets), new SimpleChannelInboundHandler<FullHttpRequest>() {
                @Override
                protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
                    FullHttpResponse response =
                            new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.NOT_FOUND);
                    HttpUtil.setContentLength(response, 0);
                    ctx.writeAndFlush(response);
                }
            });
        });
    }

    private static final class Talker extends SimpleChannelInboundHandler<TextWebSocketFrame> {
        private final long generation;
        private final boolean greets;

        Talker(long generation, boolean greets) {
            this.greets = greets;
            this.generation = generation;
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
            if (greets && event instanceof WebSocketServerProtocolHandler.HandshakeComplete) {
                say(ctx.channel(), "welcome " + generation);
            }
        }

        @Override
        protected void channelRead0(ChannelHandlerContext ctx, TextWebSocketFrame frame) {
            say(ctx.channel(), generation + " " + frame.text());
        }

        private static void say(Channel channel, String text) {
            channel.writeAndFlush(new TextWebSocketFrame(text));
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
            ctx.close(); // the client is gone
        }
    }
}

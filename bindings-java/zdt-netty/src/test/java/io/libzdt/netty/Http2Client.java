package io.libzdt.netty;

import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2GoAwayFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.handler.codec.http2.Http2StreamChannel;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolNames;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.ReferenceCountUtil;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** One connection of HTTP/2 that remembers each GOAWAY, and asks nothing after the first. */
final class Http2Client implements AutoCloseable {
    /** The last stream of each. */
    final List<Integer> goAways = new CopyOnWriteArrayList<>();

    private final EventLoopGroup group = Loops.NIO.group(1);
    private final Channel channel;

    Http2Client(int port) throws Exception {
        SslContext tls = SslContextBuilder.forClient()
                .trustManager(WebServer.CERTIFICATE.toTrustManagerFactory())
                .sslProvider(SslProvider.JDK)
                .applicationProtocolConfig(new ApplicationProtocolConfig(
                        ApplicationProtocolConfig.Protocol.ALPN,
                        ApplicationProtocolConfig.SelectorFailureBehavior.NO_ADVERTISE,
                        ApplicationProtocolConfig.SelectedListenerFailureBehavior.ACCEPT,
                        ApplicationProtocolNames.HTTP_2))
                .build();
        channel = new Bootstrap()
                .group(group)
                .channel(NioSocketChannel.class)
                .handler(new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        channel.pipeline()
                                .addLast(
                                        tls.newHandler(channel.alloc(), "localhost", port),
                                        Http2FrameCodecBuilder.forClient().build(),
                                        new Http2MultiplexHandler(new ChannelInboundHandlerAdapter()),
                                        new GoAways());
                    }
                })
                .connect("127.0.0.1", port)
                .sync()
                .channel();
        channel.pipeline().get(SslHandler.class).handshakeFuture().sync();
    }

    /** The body of the response; nothing if the connection is not to be used any more. */
    CompletableFuture<String> post(String path) {
        CompletableFuture<String> answer = new CompletableFuture<>();
        channel.eventLoop().execute(() -> {
            if (!goAways.isEmpty() || !channel.isActive()) {
                answer.complete(null);
                return;
            }
            new Http2StreamChannelBootstrap(channel)
                    .handler(new Answer(answer))
                    .open()
                    .addListener(opened -> {
                        if (opened.isSuccess()) {
                            Http2StreamChannel stream = (Http2StreamChannel) opened.getNow();
                            stream.writeAndFlush(new DefaultHttp2HeadersFrame(
                                    new DefaultHttp2Headers()
                                            .method("POST")
                                            .path(path)
                                            .scheme("https")
                                            .authority("localhost"),
                                    true));
                        } else {
                            answer.completeExceptionally(opened.cause());
                        }
                    });
        });
        return answer;
    }

    void awaitEnd() throws InterruptedException {
        channel.closeFuture().await(Stage.PATIENCE.toMillis());
    }

    @Override
    public void close() throws Exception {
        channel.close().sync();
        group.shutdownGracefully(0, 20, TimeUnit.SECONDS).sync();
    }

    private final class GoAways extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext ctx, Object message) {
            if (message instanceof Http2GoAwayFrame goAway) {
                goAways.add(goAway.lastStreamId());
            }
            ReferenceCountUtil.release(message);
        }
    }

    private static final class Answer extends ChannelInboundHandlerAdapter {
        private final CompletableFuture<String> answer;
        private final StringBuilder body = new StringBuilder();

        Answer(CompletableFuture<String> answer) {
            this.answer = answer;
        }

        @Override
        public void channelRead(ChannelHandlerContext ctx, Object message) {
            if (message instanceof Http2DataFrame data) {
                body.append(data.content().toString(StandardCharsets.US_ASCII));
                if (data.isEndStream()) {
                    answer.complete(body.toString());
                }
            } else if (message instanceof Http2ResetFrame reset) {
                answer.completeExceptionally(new IOException("reset: " + reset.errorCode()));
            }
            ReferenceCountUtil.release(message);
        }

        @Override
        public void channelInactive(ChannelHandlerContext ctx) {
            answer.completeExceptionally(new IOException("ended amid a response: " + body));
        }
    }
}

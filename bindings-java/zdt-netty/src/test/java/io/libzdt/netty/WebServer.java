package io.libzdt.netty;

import io.libzdt.Config;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.EventLoopGroup;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.websocketx.WebSocketServerProtocolHandler;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2StreamFrameToHttpObjectCodec;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolNames;
import io.netty.handler.ssl.ApplicationProtocolNegotiationHandler;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** One generation of a server that speaks HTTP/1.1, HTTP/2 and WebSocket over TLS, as anybody would write it. */
final class WebServer implements AutoCloseable {
    static final ListenerSpec ANY_PORT = ListenerSpec.tcp("127.0.0.1:0");
    static final X509Bundle CERTIFICATE = certificate();

    final Takeover takeover;
    final NettyTakeover netty;
    /** In the order in which they came. */
    final List<Channel> channels = new CopyOnWriteArrayList<>();

    private final EventLoopGroup group;
    private final Channel listener;

    WebServer(Path path, Loops transport, Config.Builder config, Duration spread) throws Exception {
        takeover = Takeover.open(path, config.build());
        netty = NettyTakeover.of(takeover).spread(spread);
        group = transport.group(2);
        SslContext tls = SslContextBuilder.forServer(
                        CERTIFICATE.getKeyPair().getPrivate(), CERTIFICATE.getCertificatePath())
                .sslProvider(SslProvider.JDK)
                .applicationProtocolConfig(new ApplicationProtocolConfig(
                        ApplicationProtocolConfig.Protocol.ALPN,
                        ApplicationProtocolConfig.SelectorFailureBehavior.NO_ADVERTISE,
                        ApplicationProtocolConfig.SelectedListenerFailureBehavior.ACCEPT,
                        ApplicationProtocolNames.HTTP_2,
                        ApplicationProtocolNames.HTTP_1_1))
                .build();
        ServerBootstrap bootstrap = new ServerBootstrap().group(group).childHandler(new ChannelInitializer<Channel>() {
            @Override
            protected void initChannel(Channel channel) {
                channels.add(channel);
                channel.pipeline().addLast(tls.newHandler(channel.alloc()), new Negotiated());
            }
        });
        listener = netty.listen(bootstrap, "web", ANY_PORT, "web").sync().channel();
    }

    /** What follows once it is known which HTTP the client speaks. */
    private final class Negotiated extends ApplicationProtocolNegotiationHandler {
        Negotiated() {
            super(ApplicationProtocolNames.HTTP_1_1);
        }

        @Override
        protected void configurePipeline(ChannelHandlerContext ctx, String protocol) {
            ChannelPipeline pipeline = ctx.pipeline();
            if (protocol.equals(ApplicationProtocolNames.HTTP_2)) {
                pipeline.addLast(
                        Http2FrameCodecBuilder.forServer().build(),
                        new Http2MultiplexHandler(new ChannelInitializer<Channel>() {
                            @Override
                            protected void initChannel(Channel stream) {
                                stream.pipeline()
                                        .addLast(
                                                new Http2StreamFrameToHttpObjectCodec(true),
                                                new HttpObjectAggregator(1 << 16),
                                                new Web(takeover.generation()));
                            }
                        }));
            } else {
                pipeline.addLast(
                        new HttpServerCodec(),
                        new HttpObjectAggregator(1 << 16),
                        new WebSocketServerProtocolHandler("/socket"),
                        new Web(takeover.generation()));
            }
        }
    }

    private static X509Bundle certificate() {
        try {
            return new CertificateBuilder()
                    .subject("CN=localhost")
                    .addSanDnsName("localhost")
                    .setIsCertificateAuthority(true)
                    .buildSelfSigned();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    WebServer ready() throws Exception {
        takeover.ready();
        return this;
    }

    /** How many connections have had their turn to leave. */
    int leaving() throws Exception {
        int leaving = 0;
        for (Channel channel : channels) {
            Child child = channel.pipeline().get(Child.class);
            boolean isTurn = child != null
                    && channel.eventLoop()
                            .submit(() -> child.leave != null && child.leave.isTurn())
                            .get();
            leaving += isTurn ? 1 : 0;
        }
        return leaving;
    }

    int port() {
        return ((InetSocketAddress) listener.localAddress()).getPort();
    }

    void awaitDone() throws Exception {
        takeover.awaitDone();
    }

    @Override
    public void close() throws Exception {
        takeover.close();
        group.shutdownGracefully(0, 20, TimeUnit.SECONDS).sync();
    }
}

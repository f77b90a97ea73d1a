package io.libzdt.netty;

import io.libzdt.Config;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.EventLoopGroup;
import io.netty.handler.codec.LineBasedFrameDecoder;
import io.netty.handler.codec.string.StringDecoder;
import io.netty.handler.codec.string.StringEncoder;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** One generation of a server that answers lines: {@code GENERATION COUNT LINE}. */
final class Server implements AutoCloseable {
    static final String PROTOCOL = "lines";
    static final ListenerSpec ANY_PORT = ListenerSpec.tcp("127.0.0.1:0");

    final Takeover takeover;
    final NettyTakeover netty;
    final EventLoopGroup group;
    /** The handlers of all connections, in the order in which they came. */
    final List<Lines> handlers = new CopyOnWriteArrayList<>();

    private final ServerBootstrap bootstrap;
    private Consumer<ChannelPipeline> change = pipeline -> {};
    private Channel listener;

    Server(Path path, Loops transport) throws Exception {
        this(path, transport, config());
    }

    Server(Path path, Loops transport, Config.Builder config) throws Exception {
        takeover = Takeover.open(path, config.build());
        netty = NettyTakeover.of(takeover);
        group = transport.group(2);
        bootstrap = new ServerBootstrap().group(group).childHandler(new ChannelInitializer<Channel>() {
            @Override
            protected void initChannel(Channel channel) {
                Lines lines = new Lines(takeover.generation());
                handlers.add(lines);
                channel.pipeline()
                        .addLast(new LineBasedFrameDecoder(1024), new StringDecoder(), new StringEncoder(), lines);
                change.accept(channel.pipeline());
            }
        });
    }

    /** Something is unusual about the pipelines; {@code change} comes last. */
    Server with(Consumer<ChannelPipeline> change) {
        this.change = change;
        return this;
    }

    /** No probation. */
    static Config.Builder config() {
        return Config.builder().probation(Duration.ZERO);
    }

    Server listen(ListenerSpec spec) throws Exception {
        listener = netty.listen(bootstrap, "lines", spec, PROTOCOL).sync().channel();
        return this;
    }

    Server ready() throws Exception {
        takeover.ready();
        return this;
    }

    Channel listener() {
        return listener;
    }

    int port() {
        return ((InetSocketAddress) listener.localAddress()).getPort();
    }

    /** Waits until it has nothing left to do. */
    void awaitDone() throws Exception {
        takeover.awaitDone();
    }

    @Override
    public void close() throws Exception {
        takeover.close();
        group.shutdownGracefully(0, 20, TimeUnit.SECONDS).sync();
    }
}

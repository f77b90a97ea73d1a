package io.libzdt.examples.nettyhttp;

import io.libzdt.Config;
import io.libzdt.Takeover;
import io.libzdt.netty.NettyTakeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollEventLoopGroup;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.websocketx.WebSocketFrameAggregator;
import io.netty.handler.codec.http.websocketx.WebSocketServerProtocolHandler;
import io.netty.util.Version;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** HTTP and WebSocket on Netty. Type the same command again: the new process takes over, and nobody notices. */
public final class Main {
    private static final int LARGEST = 16 << 20;

    private Main() {}

    /**
     * Serves until a successor has taken over.
     *
     * @param arguments {@code --takeover PATH --port N}, {@code --transport nio|epoll}, {@code --probation-ms N}
     * @throws Exception it cannot begin
     */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        EventLoopGroup loops = group(options.getOrDefault("transport", "nio"));
        var config = Config.builder();
        if (options.containsKey("probation-ms")) {
            config.probation(Duration.ofMillis(Long.parseLong(options.get("probation-ms"))));
        }
        try (var takeover = Takeover.open(Path.of(options.get("takeover")), config.build())) {
            var netty = NettyTakeover.of(takeover);
            String who = "generation " + takeover.generation() + " on JDK " + Runtime.version().feature() + ", Netty "
                    + Version.identify().get("netty-common").artifactVersion() + ", " + loops.getClass().getSimpleName();
            var bootstrap = new ServerBootstrap().group(loops).childHandler(new ChannelInitializer<Channel>() {
                @Override
                protected void initChannel(Channel connection) {
                    connection
                            .pipeline()
                            .addLast(
                                    new HttpServerCodec(),
                                    new HttpObjectAggregator(LARGEST),
                                    new WebSocketServerProtocolHandler("/ws", null, false, LARGEST),
                                    new WebSocketFrameAggregator(LARGEST),
                                    new Requests(who),
                                    new Messages());
                }
            });
            netty.listen(bootstrap, "http", new InetSocketAddress(Integer.parseInt(options.get("port"))))
                    .sync();
            takeover.ready();
            System.out.println("ready");
            takeover.awaitDone();
        } finally {
            loops.shutdownGracefully(0, 5, TimeUnit.SECONDS);
        }
    }

    /** These two are in Netty 4.1 as in 4.2. */
    @SuppressWarnings("deprecation")
    private static EventLoopGroup group(String transport) {
        return transport.equals("epoll") ? new EpollEventLoopGroup() : new NioEventLoopGroup();
    }
}

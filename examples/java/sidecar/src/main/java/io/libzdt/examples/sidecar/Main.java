package io.libzdt.examples.sidecar;

import io.libzdt.Config;
import io.libzdt.Takeover;
import io.libzdt.netty.NettyTakeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollEventLoopGroup;
import io.netty.channel.nio.NioEventLoopGroup;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Passes on what clients and an upstream say. Type the same command again: the new process takes over, and nobody notices. */
public final class Main {
    private Main() {}

    /**
     * Serves until a successor has taken over.
     *
     * @param arguments {@code --takeover PATH --port N --upstream HOST:PORT}, {@code --transport nio|epoll}, {@code
     *     --probation-ms N}
     * @throws Exception it cannot begin
     */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        String[] upstream = options.get("upstream").split(":");
        var behind = new InetSocketAddress(upstream[0], Integer.parseInt(upstream[1]));
        var probation = Duration.ofMillis(Long.parseLong(options.getOrDefault("probation-ms", "10000")));
        EventLoopGroup loops = group(options.getOrDefault("transport", "nio"));
        try (var takeover = Takeover.open(
                Path.of(options.get("takeover")),
                Config.builder().probation(probation).build())) {
            var netty = NettyTakeover.of(takeover);
            var bootstrap = new ServerBootstrap()
                    .group(loops)
                    .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
                    .childHandler(new ChannelInitializer<Channel>() {
                        @Override
                        protected void initChannel(Channel downstream) {
                            downstream.pipeline().addLast(new Downstream(downstream, behind));
                        }
                    });
            netty.listen(bootstrap, "mesh", new InetSocketAddress(Integer.parseInt(options.get("port"))))
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

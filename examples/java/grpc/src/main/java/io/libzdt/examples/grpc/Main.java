package io.libzdt.examples.grpc;

import io.grpc.netty.NettyServerBuilder;
import io.libzdt.Config;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.libzdt.netty.NettyTakeover;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** gRPC on Netty. Type the same command again: the new process takes over, and no call fails. */
public final class Main {
    private Main() {}

    /**
     * Serves until a successor has taken over.
     *
     * @param arguments {@code --takeover PATH --port N}, {@code --probation-ms N}
     * @throws Exception it cannot begin
     */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        int port = Integer.parseInt(options.get("port"));
        var probation = Duration.ofMillis(Long.parseLong(options.getOrDefault("probation-ms", "10000")));
        var config = Config.builder().probation(probation).build();
        var loops = new MultiThreadIoEventLoopGroup(NioIoHandler.newFactory());
        try (var takeover = Takeover.open(Path.of(options.get("takeover")), config)) {
            var netty = NettyTakeover.of(takeover);
            var server = NettyServerBuilder.forPort(port)
                    .channelFactory(netty.channelFactory(loops, "grpc", ListenerSpec.tcp("0.0.0.0:" + port), "grpc"))
                    .bossEventLoopGroup(loops)
                    .workerEventLoopGroup(loops)
                    .addService(Echo.service("generation " + takeover.generation()))
                    .build()
                    .start();
            takeover.ready();
            System.out.println("ready");
            takeover.awaitDone(); // calls that were under way have ended
            server.shutdown().awaitTermination(10, TimeUnit.SECONDS);
        } finally {
            loops.shutdownGracefully(0, 5, TimeUnit.SECONDS);
        }
    }
}

package io.libzdt.bench;

import io.libzdt.Config;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.libzdt.netty.NettyTakeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** One of the two processes: does what it is told on standard input, a line each, and answers with a line. */
final class Side {
    private static final int LOOPS = 2;
    private static final int BACKLOG = 4096;

    private final boolean epoll;
    private final EventLoopGroup loops;
    /** Null: it is not looked at. */
    private Stall stall;

    private Echo.Count count;
    private Channel plain;
    private Takeover takeover;

    private Side(String transport) {
        epoll = transport.equals("epoll");
        IoHandlerFactory factory = epoll ? EpollIoHandler.newFactory() : NioIoHandler.newFactory();
        loops = new MultiThreadIoEventLoopGroup(LOOPS, factory);
    }

    /**
     * Until standard input ends.
     *
     * @param arguments the transport
     * @throws Exception as it comes: the other end sees that the answer is missing
     */
    public static void main(String[] arguments) throws Exception {
        Side side = new Side(arguments[0]);
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(side.obey(line.split(" ")));
        }
        System.exit(0);
    }

    private String obey(String[] words) throws Exception {
        switch (words[0]) {
            case "plain" -> accept(Integer.parseInt(words[1]), Integer.parseInt(words[2]));
            case "closed" -> plain.close().sync();
            case "open" -> open(Integer.parseInt(words[1]), Integer.parseInt(words[2]), Path.of(words[3]));
            case "ready" -> takeover.ready();
            case "begun" -> await(count.allBegun);
            case "ended" -> await(count.allEnded);
            case "done" -> takeover.awaitDone();
            case "mark" -> {
                stall = Boolean.parseBoolean(words[1]) ? new Stall(loops) : null;
                return Cpu.now().toString();
            }
            case "read" -> {
                return read();
            }
            default -> throw new IllegalArgumentException(words[0]);
        }
        return "ok";
    }

    private String read() throws IOException, InterruptedException {
        Cpu used = Cpu.now();
        if (stall == null) {
            return used + " 0 0";
        }
        try (Stall looked = stall) {
            return used + " " + looked.longest() + " " + looked.noise();
        }
    }

    private void await(CountDownLatch latch) throws IOException, InterruptedException {
        if (!latch.await(60, TimeUnit.SECONDS)) {
            throw new IOException("after a minute: " + count);
        }
    }

    /** The same for both ways to listen. */
    private ServerBootstrap bootstrap(int connections) {
        count = new Echo.Count(connections);
        Echo.Count counting = count;
        return new ServerBootstrap().group(loops).childHandler(new ChannelInitializer<Channel>() {
            @Override
            protected void initChannel(Channel connection) {
                connection.pipeline().addLast(new Echo(counting));
            }
        });
    }

    /** Listens as Netty does, without libzdt. */
    private void accept(int connections, int port) throws InterruptedException {
        plain = bootstrap(connections)
                .channel(epoll ? EpollServerSocketChannel.class : NioServerSocketChannel.class)
                .option(ChannelOption.SO_BACKLOG, BACKLOG)
                .bind(new InetSocketAddress("127.0.0.1", port))
                .sync()
                .channel();
    }

    /** Listens with libzdt, or is about to take over. */
    private void open(int connections, int port, Path path) throws Exception {
        takeover = Takeover.open(
                path, Config.builder().probation(Duration.ofMillis(100)).build());
        NettyTakeover.of(takeover)
                .listen(
                        bootstrap(connections),
                        "bench",
                        ListenerSpec.tcp(new InetSocketAddress("127.0.0.1", port)),
                        "echo")
                .sync();
    }
}

package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Config;
import io.libzdt.Descriptors;
import io.libzdt.Event;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.ServerChannel;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.epoll.EpollTcpInfo;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.socket.DatagramPacket;
import io.netty.handler.codec.LineBasedFrameDecoder;
import io.netty.handler.codec.string.StringDecoder;
import io.netty.handler.codec.string.StringEncoder;
import io.netty.util.AttributeKey;
import java.net.ConnectException;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** What becomes of listeners, and of those who wait in their queues. */
interface ListeningBehaviours extends Stage {
    @Test
    default void nothing_is_accepted_before_ready() throws Exception {
        try (Server server = server().listen(Server.ANY_PORT);
                Client client = new Client(server.port()).say("a\n")) {
            server.listener().read(); // whoever asks
            server.listener().config().setAutoRead(true);
            for (int turn = 0; turn < 100; turn++) {
                server.listener().eventLoop().submit(() -> {}).sync();
            }
            assertEquals(1, Queue.of(server.listener()).length());
            assertEquals(0, server.netty.connections());
            server.ready();
            client.hears("1 1 a");
        }
    }

    @Test
    default void the_backlog_stays_as_it_was() throws Exception {
        ListenerSpec spec = Server.ANY_PORT.backlog(17);
        try (Server first = server().listen(spec).ready();
                Server second = server().listen(spec).ready()) {
            assertEquals(17, Queue.of(second.listener()).room());
            first.awaitDone();
            assertEquals(17, Queue.of(second.listener()).room());
        }
    }

    @Test
    default void a_connection_made_while_listeners_change_hands_is_served() throws Exception {
        try (Server first = start()) {
            AtomicBoolean over = new AtomicBoolean();
            AtomicIntegerArray served = new AtomicIntegerArray(3); // by generations
            int port = first.port();
            FutureTask<Void> clients = new FutureTask<>(() -> {
                while (!over.get() || served.get(2) == 0) {
                    try (Client client = new Client(port).say("a\n")) {
                        served.incrementAndGet(
                                Character.digit(client.hearsReply().charAt(0), 10));
                        String last = client.say("b\n").hearsReply();
                        assertTrue(last.endsWith(" 2 b"), last);
                    }
                }
                return null;
            });
            Thread caller = new Thread(clients);
            caller.start();
            Stage.until("somebody to be served", () -> served.get(1) > 0);
            try (Server second = start()) {
                first.awaitDone();
                over.set(true);
                clients.get();
            }
        }
    }

    @Test
    default void a_retired_listener_is_served_until_its_queue_is_empty() throws Exception {
        Config.Builder watching = Server.config().probation(Duration.ofMillis(200));
        try (Server first = new Server(path(), transport(), watching)
                        .listen(Server.ANY_PORT)
                        .ready();
                Takeover second = Takeover.open(path(), Server.config().build())) {
            int port = first.port();
            second.retire("lines");
            second.ready();
            Stage.next(second, Event.Committed.class); // whom it accepts from here on it serves to the end
            Stage.goesOn(second);
            try (Client served = new Client(port)) {
                served.say("a\n").hears("1 1 a");
            }
            // More than one turn of the event loop accepts, and all are still there when it is over.
            CountDownLatch busy = new CountDownLatch(1);
            first.listener().eventLoop().submit(() -> {
                busy.await();
                return null;
            });
            List<Client> crowd = new ArrayList<>();
            for (int number = 0; number < 60; number++) {
                crowd.add(new Client(port).say("b\n"));
            }
            Thread.sleep(500);
            busy.countDown();
            for (Client client : crowd) {
                client.hears("1 1 b").close();
            }
            first.awaitDone();
            assertThrows(ConnectException.class, () -> new Client(port));
        }
    }

    /** Says which generation has read a datagram. */
    private DatagramChannel datagrams(Server server) throws Exception {
        DatagramChannel channel = server.netty.datagramChannel(server.group, "dns", ListenerSpec.udp("127.0.0.1:0"));
        channel.pipeline().addLast(new SimpleChannelInboundHandler<DatagramPacket>() {
            @Override
            protected void channelRead0(ChannelHandlerContext ctx, DatagramPacket packet) {
                ByteBuf said = Unpooled.copiedBuffer(
                        server.takeover.generation() + " " + packet.content().toString(StandardCharsets.US_ASCII),
                        StandardCharsets.US_ASCII);
                ctx.writeAndFlush(new DatagramPacket(said, packet.sender()));
            }
        });
        server.group.register(channel).sync();
        return channel;
    }

    @Test
    default void every_datagram_is_read_once_by_whoever_serves() throws Exception {
        try (Server first = server();
                DatagramSocket client = new DatagramSocket()) {
            DatagramChannel channel = datagrams(first);
            first.ready();
            client.connect(channel.localAddress());
            client.setSoTimeout((int) PATIENCE.toMillis());
            AtomicBoolean over = new AtomicBoolean();
            AtomicInteger replies = new AtomicInteger();
            FutureTask<String> asking = new FutureTask<>(() -> {
                StringBuilder served = new StringBuilder();
                for (int number = 0; !over.get() || !served.toString().endsWith("2"); number++) {
                    byte[] asked = String.valueOf(number).getBytes(StandardCharsets.US_ASCII);
                    client.send(new java.net.DatagramPacket(asked, asked.length));
                    var reply = new java.net.DatagramPacket(new byte[64], 64);
                    client.receive(reply);
                    String said = new String(reply.getData(), 0, reply.getLength(), StandardCharsets.US_ASCII);
                    assertTrue(said.endsWith(" " + number), said);
                    served.append(said.charAt(0));
                    replies.incrementAndGet();
                }
                return served.toString();
            });
            new Thread(asking).start();
            Stage.until("a reply of the first one", () -> replies.get() > 0);
            try (Server second = server()) {
                datagrams(second);
                second.ready();
                first.awaitDone();
                over.set(true);
                assertTrue(asking.get().matches("1[12]*2"), asking.get());
            }
        }
    }

    @Test
    default void a_listener_of_unix_and_its_connections_move() throws Exception {
        Path socket = path().resolveSibling("lines.sock");
        ListenerSpec spec = ListenerSpec.unix(socket);
        try (Server first = server().listen(spec).ready();
                SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            client.connect(UnixDomainSocketAddress.of(socket));
            talk(client, "a\nb", "1 1 a\n");
            try (Server second = server().listen(spec).ready()) {
                first.awaitDone();
                talk(client, "c\n", "resumed\n2 2 bc\n");
            }
        }
    }

    /** As a framework does that is given a factory: it binds, wherever, and has an acceptor of its own. */
    @Test
    default void a_framework_that_binds_and_accepts_itself_serves_what_it_adopts() throws Exception {
        AttributeKey<String> attribute = AttributeKey.valueOf("of the bootstrap");
        BlockingQueue<Channel> served = new LinkedBlockingQueue<>();
        try (Server first = start();
                Client client = new Client(first.port()).say("a\n").hears("1 1 a");
                Server second = server()) {
            ServerBootstrap bootstrap = new ServerBootstrap()
                    .group(second.group)
                    .channelFactory(
                            second.netty.channelFactory(second.group, "lines", Server.ANY_PORT, Server.PROTOCOL))
                    .childOption(ChannelOption.SO_KEEPALIVE, true)
                    .childAttr(attribute, "here")
                    .childHandler(new ChannelInitializer<Channel>() {
                        @Override
                        protected void initChannel(Channel channel) {
                            served.add(channel);
                            channel.pipeline()
                                    .addLast(new LineBasedFrameDecoder(1024), new StringDecoder(), new StringEncoder())
                                    .addLast(new Lines(2));
                        }
                    });
            Channel listener = bootstrap.bind("0.0.0.0", 1).sync().channel();
            assertEquals(first.listener().localAddress(), listener.localAddress());
            second.ready();
            client.hears("resumed").say("b\n").hears("2 2 b");
            Channel adopted = served.take();
            assertTrue(TakeoverHandler.of(adopted).isAdopted());
            assertEquals(true, adopted.config().getOption(ChannelOption.SO_KEEPALIVE));
            assertEquals("here", adopted.attr(attribute).get());
            try (Client newcomer = new Client(first.port()).say("c\n").hears("2 1 c")) {
                assertFalse(TakeoverHandler.of(served.take()).isAdopted());
            }
            first.awaitDone();
        }
    }

    @Test
    default void a_channel_that_is_registered_after_ready_accepts() throws Exception {
        try (Server server = server()) {
            ServerChannel channel = server.netty.serverChannel(server.group, "lines", Server.ANY_PORT, Server.PROTOCOL);
            server.ready();
            int port = ((InetSocketAddress) channel.localAddress()).getPort();
            try (Client client = new Client(port).say("a\n")) {
                ServerBootstrap bootstrap = new ServerBootstrap()
                        .group(server.group)
                        .channelFactory(() -> channel)
                        .childHandler(new ChannelInitializer<Channel>() {
                            @Override
                            protected void initChannel(Channel accepted) {
                                accepted.pipeline()
                                        .addLast(new LineBasedFrameDecoder(1024), new StringDecoder())
                                        .addLast(new StringEncoder(), new Lines(1));
                            }
                        });
                bootstrap.register().sync();
                client.hears("1 1 a");
            }
        }
    }

    /** One that throws, one that closes it, and one that forgets it. */
    @Test
    default void what_an_acceptor_does_not_want_goes_on_where_it_was() throws Exception {
        List<Consumer<Channel>> acceptors = List.of(
                accepted -> {
                    throw new IllegalStateException("an acceptor's");
                },
                accepted -> accepted.unsafe().closeForcibly(),
                accepted -> {});
        Iterator<Consumer<Channel>> next = acceptors.iterator();
        List<Client> clients = new ArrayList<>();
        try (Server first = start();
                Server second = server()) {
            for (int number = 0; number < acceptors.size(); number++) {
                clients.add(new Client(first.port()).say("a\n").hears("1 1 a"));
            }
            ServerChannel channel = second.netty.serverChannel(second.group, "lines", Server.ANY_PORT, Server.PROTOCOL);
            channel.pipeline().addLast(new ChannelInboundHandlerAdapter() {
                @Override
                public void channelRead(ChannelHandlerContext ctx, Object accepted) {
                    next.next().accept((Channel) accepted);
                }
            });
            second.group.register(channel).sync();
            second.ready();
            Stage.until(
                    "all of them to return",
                    () -> first.handlers.stream().allMatch(lines -> lines.told.contains("Returned")));
            for (Client client : clients) {
                client.say("b\n").hears("1 2 b").close();
            }
            first.awaitDone();
        }
    }

    private static void talk(SocketChannel client, String say, String hear) throws Exception {
        client.write(ByteBuffer.wrap(say.getBytes(StandardCharsets.US_ASCII)));
        ByteBuffer heard = ByteBuffer.allocate(hear.length());
        while (heard.hasRemaining() && client.read(heard) >= 0) {}
        assertEquals(hear, new String(heard.array(), StandardCharsets.US_ASCII));
    }

    /** How many wait to be accepted, and how many may (TCP_INFO of a listener). */
    record Queue(long length, long room) {
        static Queue of(Channel listener) throws Exception {
            Epoll.ensureAvailability(); // also where the server runs on NIO
            int descriptor = Descriptors.dup(Transport.of(listener.eventLoop()).descriptor(listener));
            EpollSocketChannel reader = new EpollSocketChannel(descriptor);
            try {
                EpollTcpInfo info = reader.tcpInfo();
                return new Queue(info.unacked(), info.sacked());
            } finally {
                reader.unsafe().closeForcibly();
            }
        }
    }
}

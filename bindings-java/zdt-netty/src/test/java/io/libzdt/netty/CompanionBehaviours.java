package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Offer;
import io.libzdt.Takeover;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import io.netty.channel.embedded.EmbeddedChannel;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.FutureTask;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** What becomes of a connection and of what belongs to it. */
interface CompanionBehaviours extends Stage {
    private static ServerSocket upstream() throws Exception {
        ServerSocket upstream = new ServerSocket(0, 9, InetAddress.getLoopbackAddress());
        upstream.setSoTimeout((int) PATIENCE.toMillis());
        return upstream;
    }

    private Server proxy(ServerSocket upstream, List<Proxy> proxies, UnaryOperator<EventLoop> loop) throws Exception {
        return server().with(pipeline -> {
                    while (pipeline.last() != pipeline.get(Child.class)) {
                        pipeline.removeLast();
                    }
                    Proxy proxy = new Proxy(upstream.getLocalPort(), loop);
                    proxies.add(proxy);
                    pipeline.addLast(proxy);
                })
                .listen(Server.ANY_PORT)
                .ready();
    }

    @Test
    default void a_connection_and_its_companion_move_together_with_bytes_on_the_way_in_both_directions()
            throws Exception {
        List<Proxy> proxies = new CopyOnWriteArrayList<>();
        try (ServerSocket upstream = upstream();
                Server first = proxy(upstream, proxies, loop -> loop);
                Client client = new Client(first.port()).say("a\n");
                Client behind = new Client(upstream.accept()).hears("a").say("b\n")) {
            client.hears("b");
            Proxy before = proxies.get(0);
            before.downstream.eventLoop().submit(() -> {
                // Written and not flushed: unsent in both directions.
                before.downstream.write(before.downstream.alloc().buffer().writeBytes("c\n".getBytes()));
                before.upstream.write(before.upstream.alloc().buffer().writeBytes("d\n".getBytes()));
            });
            try (Server second = proxy(upstream, proxies, loop -> loop)) {
                client.say("e\n");
                behind.say("f\n");
                client.hears("c").hears("f");
                behind.hears("d").hears("e");
                first.awaitDone();
                client.say("g\n");
                behind.hears("g").say("h\n");
                client.hears("h");
                assertEquals(2, proxies.size());
                assertTrue(TakeoverHandler.of(proxies.get(1).downstream).isAdopted());
                client.saysNoMore();
                assertNull(behind.hear());
            }
        }
    }

    @Test
    default void a_connection_that_returns_goes_on_with_its_companion() throws Exception {
        List<Proxy> proxies = new CopyOnWriteArrayList<>();
        try (ServerSocket upstream = upstream();
                Server server = proxy(upstream, proxies, loop -> loop);
                Client client = new Client(server.port()).say("a\n");
                Client behind = new Client(upstream.accept()).hears("a");
                Takeover successor = bareSuccessor()) {
            try (Offer offer = Stage.offer(successor)) {
                assertEquals("upstream", offer.companions().get(0).name());
                client.say("b\n");
                behind.say("c\n");
                offer.refuse("no");
            }
            Stage.goesOn(successor);
            behind.hears("b").say("d\n");
            client.hears("c").hears("d");
            assertEquals(1, proxies.size());
        }
    }

    @Test
    default void a_companion_that_ends_while_frozen_ends_its_connection_when_that_returns() throws Exception {
        try (ServerSocket upstream = upstream();
                Server server = proxy(upstream, new CopyOnWriteArrayList<>(), loop -> loop);
                Client client = new Client(server.port()).say("a\n")) {
            try (Client behind = new Client(upstream.accept()).hears("a");
                    Takeover successor = bareSuccessor()) {
                try (Offer offer = Stage.offer(successor)) {
                    behind.close();
                    offer.refuse("no");
                }
                Stage.goesOn(successor);
                assertNull(client.hear());
            }
        }
    }

    @Test
    default void a_connection_with_a_companion_that_nobody_takes_is_refused_and_served_on() throws Exception {
        try (ServerSocket upstream = upstream();
                Server first = proxy(upstream, new CopyOnWriteArrayList<>(), loop -> loop);
                Client client = new Client(first.port()).say("a\n");
                Client behind = new Client(upstream.accept()).hears("a");
                Server second = server().with(pipeline -> {
                            while (pipeline.last() != pipeline.get(Child.class)) {
                                pipeline.removeLast();
                            }
                            pipeline.addLast(new Careless());
                        })
                        .listen(Server.ANY_PORT)
                        .ready()) {
            client.say("b\n");
            behind.hears("b").say("c\n");
            client.hears("c");
        }
    }

    /** Takes the connection, and forgets about its companion. */
    final class Careless extends ChannelInboundHandlerAdapter implements Migratable {
        @Override
        public byte[] exportState() {
            return new byte[0];
        }

        @Override
        public void importState(int version, byte[] state) {}
    }

    @Test
    default void a_connection_whose_companion_is_on_another_event_loop_stays() throws Exception {
        List<Proxy> proxies = new CopyOnWriteArrayList<>();
        try (ServerSocket upstream = upstream();
                Server first = proxy(upstream, proxies, loop -> {
                    EventLoop next = loop.parent().next();
                    return next == loop ? loop.parent().next() : next;
                });
                Client client = new Client(first.port()).say("a\n");
                Client behind = new Client(upstream.accept()).hears("a");
                Server second = proxy(upstream, proxies, loop -> loop)) {
            Stage.until("it to stay", () -> first.netty.stayed() == 1);
            client.say("b\n");
            behind.hears("b").say("c\n");
            client.hears("c");
            assertSame(proxies.get(0), proxies.get(proxies.size() - 1));
        }
    }

    /** The connection waits on the event loop for its turn when its companion ends. */
    @Test
    default void a_companion_that_ends_on_its_way_out_of_the_poller_ends_its_connection() throws Exception {
        List<Proxy> proxies = new CopyOnWriteArrayList<>();
        try (ServerSocket upstream = upstream();
                Server first = proxy(upstream, proxies, loop -> loop);
                Client client = new Client(first.port()).say("a\n");
                Client behind = new Client(upstream.accept()).hears("a")) {
            Proxy proxy = proxies.get(0);
            FutureTask<Server> second = new FutureTask<>(() -> proxy(upstream, proxies, loop -> loop));
            EventLoop loop = proxy.downstream.eventLoop();
            loop.submit(() -> {
                        Stage.beginTakeover(second, first, proxy.downstream);
                        // Right behind the task in which it freezes, and as one ends that cannot be written to.
                        Channel ends = proxy.upstream;
                        loop.execute(() -> ends.unsafe().close(ends.newPromise()));
                    })
                    .sync();
            try (Server next = second.get()) {
                assertNull(client.hear());
                assertNull(behind.hear());
                first.awaitDone();
            }
        }
    }

    /** What the client says goes to both, what either of them says to the client. */
    final class Both extends ChannelInboundHandlerAdapter implements Migratable {
        private final int[] ports;
        private final Channel[] upstreams = new Channel[2];
        private Channel downstream;
        private int connected;

        Both(int... ports) {
            this.ports = ports;
        }

        @Override
        public void handlerAdded(ChannelHandlerContext ctx) {
            downstream = ctx.channel();
        }

        private ChannelHandler back() {
            Channel client = downstream;
            return new ChannelInboundHandlerAdapter() {
                @Override
                public void channelRead(ChannelHandlerContext ctx, Object bytes) {
                    client.writeAndFlush(bytes);
                }
            };
        }

        private void connected() {
            downstream.config().setAutoRead(++connected == 2);
        }

        @Override
        public void channelActive(ChannelHandlerContext ctx) {
            for (int i = 0; i < 2 && !TakeoverHandler.of(downstream).isAdopted(); i++) {
                downstream.config().setAutoRead(false); // until there is somebody to pass it on to
                upstreams[i] = Proxy.connect(downstream.eventLoop(), ports[i], back(), this::connected);
                TakeoverHandler.of(downstream).companion("upstream " + i, upstreams[i]);
            }
        }

        @Override
        public void channelRead(ChannelHandlerContext ctx, Object bytes) {
            upstreams[0].writeAndFlush(((ByteBuf) bytes).retainedDuplicate());
            upstreams[1].writeAndFlush(bytes);
        }

        @Override
        public byte[] exportState() {
            return new byte[0];
        }

        @Override
        public void importState(int version, byte[] state) {
            for (int i = 0; i < 2; i++) {
                upstreams[i] = TakeoverHandler.of(downstream).companion("upstream " + i);
                upstreams[i].pipeline().addLast(back());
            }
        }
    }

    private Server both(ServerSocket one, ServerSocket other) throws Exception {
        return server().with(pipeline -> {
                    while (pipeline.last() != pipeline.get(Child.class)) {
                        pipeline.removeLast();
                    }
                    pipeline.addLast(new Both(one.getLocalPort(), other.getLocalPort()));
                })
                .listen(Server.ANY_PORT)
                .ready();
    }

    @Test
    default void a_connection_moves_with_two_companions() throws Exception {
        try (ServerSocket one = upstream();
                ServerSocket other = upstream();
                Server first = both(one, other);
                Client client = new Client(first.port());
                Client oneBehind = new Client(one.accept());
                Client otherBehind = new Client(other.accept())) {
            client.say("a\n");
            oneBehind.hears("a").say("b\n");
            client.hears("b");
            otherBehind.hears("a").say("c\n");
            client.hears("c");
            try (Server second = both(one, other)) {
                first.awaitDone();
                client.say("d\n");
                oneBehind.hears("d").say("e\n");
                client.hears("e");
                otherBehind.hears("d").say("f\n");
                client.hears("f");
                assertEquals(1, second.netty.connections());
            }
        }
    }

    @Test
    default void a_companion_of_another_transport_is_told_so() throws Exception {
        try (Server server = start();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
            Channel channel = server.handlers.get(0).ctx.channel();
            Exception refused = channel.eventLoop()
                    .submit(() -> assertThrows(
                            IllegalArgumentException.class,
                            () -> TakeoverHandler.of(channel).companion("odd", new EmbeddedChannel())))
                    .get();
            assertTrue(refused.getMessage().contains("is not of the transport of"), refused.getMessage());
            client.say("b\n").hears("1 2 b");
        }
    }
}

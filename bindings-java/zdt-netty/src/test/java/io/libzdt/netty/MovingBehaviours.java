package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Adopted;
import io.libzdt.Descriptors;
import io.libzdt.Event;
import io.libzdt.Frozen;
import io.libzdt.Offer;
import io.libzdt.Takeover;
import io.libzdt.internal.NettyInternals;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.codec.LineBasedFrameDecoder;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What becomes of a connection. */
interface MovingBehaviours extends Stage {
    /** After so much time, and each so many tasks, an event loop of Netty's looks at its connections again. */
    int LOOPS_PATIENCE_MS = 1000;

    int LOOPS_PATIENCE_TASKS = 64;

    /** Frameworks ask for it. */
    @Test
    default void an_adopted_connection_has_the_listener_for_a_parent() throws Exception {
        try (Server first = start();
                Client client = new Client(first.port()).say("a\n").hears("1 1 a")) {
            assertFalse(TakeoverHandler.of(first.handlers.get(0).ctx.channel()).isAdopted());
            try (Server second = start()) {
                client.hears("resumed");
                Channel adopted = second.handlers.get(0).ctx.channel();
                assertSame(second.listener(), adopted.parent());
                assertTrue(TakeoverHandler.of(adopted).isAdopted());
            }
        }
    }

    @Test
    default void an_adopted_connection_writes_unsent_first_and_reads_unread_first() throws Exception {
        try (Takeover first = Takeover.open(path(), Server.config().build());
                ServerSocketChannel listener = first.listener("lines", Server.ANY_PORT)) {
            first.ready();
            int port = listener.socket().getLocalPort();
            try (Client client = new Client(port);
                    SocketChannel accepted = listener.accept()) {
                FutureTask<Server> second = new FutureTask<>(this::start);
                new Thread(second).start();
                Stage.next(first, Event.Drain.class);
                client.say("lo\n");
                assertTrue(first.migrate(Frozen.of(7, Descriptors.of(accepted), Server.PROTOCOL)
                        .state(1, "41".getBytes(StandardCharsets.US_ASCII))
                        .unread("one\nhel".getBytes(StandardCharsets.US_ASCII))
                        .unsent("what was said\n".getBytes(StandardCharsets.US_ASCII))));
                first.migratedAll();
                assertEquals(7, Stage.next(first, Event.Settled.class).id());
                client.hears("what was said").hears("resumed").hears("2 42 one").hears("2 43 hello");
                // We still have a copy; the client is told the end all the same.
                assertNull(client.saysNoMore().hear());
                second.get().close();
            }
        }
    }

    @Test
    default void a_connection_that_returns_goes_on_in_the_same_objects() throws Exception {
        try (Server server = start();
                Client client = new Client(server.port()).say("a\nb").hears("1 1 a");
                Takeover successor = bareSuccessor()) {
            try (Offer offer = Stage.offer(successor)) {
                assertArrayEquals(new byte[] {'b'}, offer.unread());
                client.say("c\n");
                offer.refuse("no");
            }
            Stage.goesOn(successor);
            client.hears("1 2 bc").say("d\n").hears("1 3 d");
            assertEquals(1, server.handlers.size());
            assertEquals(List.of("registered", "active", "Returned", "Drain"), server.handlers.get(0).told);
        }
    }

    /** Java.nio forgets what one waits for when a channel leaves its selector. */
    @Test
    default void a_connection_whose_handler_asked_for_one_read_is_still_read_from_when_it_returns() throws Exception {
        try (Server server = start();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
            Channel channel = server.handlers.get(0).ctx.channel();
            channel.eventLoop()
                    .submit(() -> {
                        channel.config().setAutoRead(false);
                        channel.read();
                    })
                    .sync();
            try (Takeover successor = bareSuccessor()) {
                Stage.offer(successor).refuse("no");
                Stage.goesOn(successor);
                client.say("b\n").hears("1 2 b");
            }
        }
    }

    @Test
    default void what_is_written_while_frozen_goes_out_when_it_returns() throws Exception {
        try (Server server = start();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a");
                Takeover successor = bareSuccessor()) {
            ChannelFuture written;
            ChannelFuture closed;
            try (Offer offer = Stage.offer(successor)) {
                Lines lines = server.handlers.get(0);
                written = lines.ctx.writeAndFlush("meanwhile\n");
                closed = lines.ctx.close();
                lines.ctx.channel().eventLoop().submit(() -> {}).sync();
                assertFalse(written.isDone() || closed.isDone());
            }
            Stage.goesOn(successor);
            client.hears("meanwhile");
            assertTrue(written.sync().isSuccess());
            assertNull(client.hear());
            assertTrue(closed.sync().isSuccess());
        }
    }

    @Test
    default void letting_go_sends_nothing_to_the_client() throws Exception {
        try (Server server = start();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a");
                Takeover successor = bareSuccessor()) {
            Lines lines = server.handlers.get(0);
            Channel channel = lines.ctx.channel();
            Offer offer = Stage.offer(successor);
            ChannelFuture written = lines.ctx.writeAndFlush("lost\n");
            Adopted adopted = offer.adopt().orElseThrow();
            Stage.goesOn(successor);
            server.awaitDone();
            assertInstanceOf(MigratedException.class, written.await().cause());
            channel.closeFuture().sync();
            Stage.until("the handler to be removed", () -> lines.told.contains("removed"));
            assertEquals(List.of("registered", "active", "Settled", "inactive", "unregistered", "removed"), lines.told);
            try (SocketChannel ours = adopted.channel()) {
                ours.write(ByteBuffer.wrap("ours\n".getBytes(StandardCharsets.US_ASCII)));
                client.hears("ours");
            }
            assertNull(client.hear());
        }
    }

    /** A decoder under pressure holds back whole requests; the end of the connection here is not their turn. */
    @Test
    default void what_a_decoder_holds_back_is_carried_out_by_the_successor_alone() throws Exception {
        AtomicBoolean pressure = new AtomicBoolean();
        Consumer<ChannelPipeline> change =
                pipeline -> pipeline.replace(LineBasedFrameDecoder.class, null, new LineBasedFrameDecoder(1024) {
                    @Override
                    protected Object decode(ChannelHandlerContext ctx, ByteBuf in) throws Exception {
                        return pressure.get() ? null : super.decode(ctx, in);
                    }
                });
        try (Server server = server().with(change).listen(Server.ANY_PORT).ready();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
            pressure.set(true);
            client.say("b\n");
            Lines lines = server.handlers.get(0);
            ByteToMessageDecoder decoder = lines.ctx.pipeline().get(LineBasedFrameDecoder.class);
            Stage.until(
                    "the decoder to have it", () -> ((ByteBuf) NettyInternals.internalBuffer(decoder)).isReadable());
            try (Takeover successor = bareSuccessor()) {
                Offer offer = Stage.offer(successor);
                assertArrayEquals(new byte[] {'b', '\n'}, offer.unread());
                pressure.set(false);
                Descriptors.shutdownAndClose(offer.adopt().orElseThrow().descriptor());
                Stage.goesOn(successor);
                server.awaitDone();
                Stage.until("the handler to be removed", () -> lines.told.contains("removed"));
                assertEquals(List.of("a"), lines.said);
            }
        }
    }

    @Test
    default void a_busy_connection_moves_at_its_next_idle_point() throws Exception {
        try (Server first = start();
                Client busy = new Client(first.port()).say("busy\n").hears("1 1 busy");
                Client idle = new Client(first.port()).say("a\n").hears("1 1 a");
                Server second = start()) {
            idle.hears("resumed").say("b\n").hears("2 2 b");
            busy.say("still\n").hears("1 2 still");
            assertEquals(1, first.netty.toMove());
            busy.say("idle\n").hears("1 3 idle").hears("resumed").say("b\n").hears("2 4 b");
            first.awaitDone();
            assertEquals(0, first.netty.stayed());
        }
    }

    @Test
    default void state_that_cannot_be_exported_stays_and_is_served() throws Exception {
        try (Server first = start();
                Client client = new Client(first.port()).say("mute\n").hears("1 1 mute");
                Server second = start()) {
            Lines lines = first.handlers.get(0);
            Stage.until("the handler to be told", () -> lines.told.contains("Drain"));
            client.say("a\n").hears("1 2 a");
            assertEquals(1, first.netty.stayed());
            client.close();
            first.awaitDone();
        }
    }

    @Test
    default void state_that_cannot_be_imported_is_refused_and_goes_on() throws Exception {
        try (Server first = start();
                Client client = new Client(first.port()).say("odd\n").hears("1 1 odd");
                Server second = start()) {
            Lines lines = first.handlers.get(0);
            Stage.until("it to return", () -> lines.told.contains("Returned"));
            client.say("a\n").hears("1 2 a");
            Lines made = second.handlers.get(0);
            Stage.until("what was made for it to be taken apart", () -> made.told.contains("removed"));
            assertEquals(List.of("removed"), made.told);
            client.close();
            first.awaitDone();
        }
    }

    @Test
    default void a_client_that_leaves_while_its_connection_is_frozen_is_noticed() throws Exception {
        try (Server server = start();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a");
                Takeover successor = bareSuccessor()) {
            try (Offer offer = Stage.offer(successor)) {
                client.close();
            }
            Stage.goesOn(successor);
            server.awaitDone();
            Lines lines = server.handlers.get(0);
            Stage.until("the handler to be removed", () -> lines.told.contains("removed"));
            assertEquals(
                    List.of("registered", "active", "Returned", "Drain", "inactive", "unregistered", "removed"),
                    lines.told);
        }
    }

    /** A flush that has had its share of the event loop's time goes on in a task: one of the two processes writes that. */
    @Test
    default void a_reply_that_is_being_written_moves_without_a_gap() throws Exception {
        int pieces = 200_000;
        try (Server first = start();
                Client client = new Client(first.port()).say("a\n").hears("1 1 a")) {
            Lines lines = first.handlers.get(0);
            FutureTask<Server> starting = new FutureTask<>(this::start);
            lines.ctx.channel().eventLoop().execute(() -> {
                new Thread(starting).start();
                while (first.netty.toMove() == 0) {
                    Thread.onSpinWait(); // its turn to move comes right behind this task
                }
                for (int piece = 0; piece < pieces; piece++) {
                    lines.ctx.write(Unpooled.copyInt(piece));
                }
                lines.ctx.flush();
            });
            byte[] heard = client.bytes().readNBytes(4 * pieces);
            for (int piece = 0; piece < pieces; piece++) {
                assertEquals(piece, ByteBuffer.wrap(heard, 4 * piece, 4).getInt());
            }
            try (Server second = starting.get()) {
                first.awaitDone();
                client.hears("resumed").say("b\n").hears("2 2 b");
            }
        }
    }

    /** It is frozen as soon as its first reply is flushed, with the second request already in its handlers' hands. */
    @Test
    default void what_is_answered_while_it_freezes_moves_with_it() throws Exception {
        AtomicReference<Server> server = new AtomicReference<>();
        FutureTask<Server> starting = new FutureTask<>(this::start);
        Consumer<ChannelPipeline> change = pipeline ->
                pipeline.addBefore(pipeline.context(Lines.class).name(), null, new ChannelInboundHandlerAdapter() {
                    @Override
                    public void channelRead(ChannelHandlerContext ctx, Object line) {
                        if (line.equals("a")) {
                            Stage.beginTakeover(starting, server.get(), ctx.channel());
                        }
                        ctx.fireChannelRead(line);
                    }
                });
        try (Server first = server().with(change).listen(Server.ANY_PORT).ready()) {
            server.set(first);
            try (Client client = new Client(first.port()).say("a\nb\nc\n");
                    Server second = starting.get()) {
                client.hears("1 1 a").hears("1 2 b").hears("1 3 c").hears("resumed");
                client.say("d\n").hears("2 4 d");
                first.awaitDone();
            }
        }
    }

    /** An event loop that is busy for long looks at its connections before it comes to take this one out of its poller. */
    @Test
    default void what_is_read_on_the_way_out_of_the_poller_is_answered() throws Exception {
        FutureTask<Server> starting = new FutureTask<>(this::start);
        try (Server first = start();
                Client client = new Client(first.port()).say("a\n").hears("1 1 a")) {
            Channel channel = first.handlers.get(0).ctx.channel();
            channel.eventLoop().submit(() -> {
                Stage.beginTakeover(starting, first, channel);
                channel.eventLoop().submit(() -> {
                    Thread.sleep(LOOPS_PATIENCE_MS);
                    return client.say("b\n");
                });
                for (int task = 0; task < LOOPS_PATIENCE_TASKS; task++) {
                    channel.eventLoop().execute(() -> {});
                }
            });
            client.hears("1 2 b");
            try (Server second = starting.get()) {
                client.hears("resumed").say("c\n").hears("2 3 c");
                first.awaitDone();
            }
        }
    }

    /** The successor hung, so we accepted again; then it answers, and we are to drain once more. */
    @Test
    default void a_connection_on_offer_when_the_drain_begins_again_has_its_turn_when_it_returns() throws Exception {
        try (Server server = new Server(path(), transport(), Server.config().hang(Duration.ofMillis(200)))
                        .listen(Server.ANY_PORT)
                        .ready();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a");
                Client other = new Client(server.port()).say("a\n").hears("1 1 a");
                Takeover successor = bareSuccessor()) {
            Offer first = Stage.offer(successor);
            Offer second = Stage.offer(successor);
            try (Client newcomer = new Client(server.port()).say("a\n").hears("1 1 a")) {
                first.refuse("awake");
                // What was accepted meanwhile, and what has returned, each in its turn.
                List<Offer> again = List.of(Stage.offer(successor), Stage.offer(successor));
                second.refuse("awake");
                try (Offer last = Stage.offer(successor)) {
                    assertEquals(0, server.netty.toMove());
                }
                again.forEach(Offer::close);
                Stage.goesOn(successor);
                for (Client each : List.of(client, other, newcomer)) {
                    each.say("b\n").hears("1 2 b");
                }
            }
        }
    }

    /** What other threads have written counts from when it is on its way, and Netty tells in a task when it is not any more. */
    @Test
    default void a_handler_that_waits_until_it_may_write_hears_of_it_when_its_connection_returns() throws Exception {
        AtomicBoolean writable = new AtomicBoolean(true);
        Consumer<ChannelPipeline> change = pipeline -> pipeline.addLast(new ChannelInboundHandlerAdapter() {
            @Override
            public void channelWritabilityChanged(ChannelHandlerContext ctx) {
                writable.set(ctx.channel().isWritable());
            }
        });
        FutureTask<Takeover> starting = new FutureTask<>(this::bareSuccessor);
        try (Server server = server().with(change).listen(Server.ANY_PORT).ready();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
            Channel channel = server.handlers.get(0).ctx.channel();
            // More than Netty's high water mark, the last two less than its low one: it is frozen in the flush of the
            // fourth.
            Runnable piece = () -> channel.writeAndFlush(Unpooled.wrappedBuffer(new byte[16 << 10]));
            Thread writer = new Thread(() -> {
                Stream.of(piece, piece, piece).forEach(Runnable::run);
                channel.eventLoop().execute(() -> Stage.beginTakeover(starting, server, channel));
                Stream.of(piece, piece).forEach(Runnable::run);
            });
            channel.eventLoop().submit(() -> {
                writer.start();
                writer.join();
                return null;
            });
            try (Takeover successor = starting.get()) {
                Offer offer = Stage.offer(successor);
                assertFalse(writable.get());
                offer.refuse("no");
                Stage.goesOn(successor);
                Stage.until("the handler to hear of it", writable::get);
            }
        }
    }
}

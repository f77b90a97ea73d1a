package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.libzdt.Config;
import io.libzdt.ErrorKind;
import io.libzdt.Event;
import io.libzdt.Offer;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.LineBasedFrameDecoder;
import io.netty.handler.codec.json.JsonObjectDecoder;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import io.netty.util.concurrent.DefaultEventExecutor;
import io.netty.util.concurrent.EventExecutor;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Who stays, who leaves, and what is left behind. */
interface LeavingBehaviours extends Stage {
    @Test
    default void whoever_had_ended_when_the_drain_began_holds_it_up_no_longer() throws Exception {
        try (Server server = start();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
            Child ended = server.handlers.get(0).ctx.pipeline().get(Child.class);
            client.close();
            Stage.until("the connection to end", () -> server.netty.connections() == 0);
            Event.Drain drain = new Event.Drain(Optional.empty(), PATIENCE, List.of(), List.of());
            Migration migration = new Migration(server.takeover, drain, List.of(ended), new LongAdder());
            migration.goOn();
            assertEquals(0, migration.toMove());
        }
    }

    @Test
    default void a_successor_that_dies_gives_everything_back_and_we_accept_again() throws Exception {
        try (Server server = start();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
            try (Jvm doomed = Jvm.start(Doomed.class, path().toString())) {
                assertEquals("offered", doomed.line());
            }
            client.say("b\n").hears("1 2 b");
            try (Client newcomer = new Client(server.port())) {
                newcomer.say("c\n").hears("1 1 c");
                try (Server next = start()) {
                    client.hears("resumed").say("d\n").hears(next.takeover.generation() + " 3 d");
                    server.awaitDone();
                }
            }
        }
    }

    /** More of them than there are event loops. */
    @Test
    default void a_refusal_that_fails_holds_up_no_other_offer() throws Exception {
        final class Speechless extends ChannelInboundHandlerAdapter implements Migratable {
            @Override
            public byte[] exportState() {
                return null;
            }

            @Override
            public void importState(int version, byte[] state) {
                throw new IllegalStateException() {
                    @Override
                    public String getMessage() {
                        throw new UnsupportedOperationException("there are no words for it");
                    }
                };
            }
        }
        List<Client> clients = new ArrayList<>();
        try (Log log = new Log();
                Server first = start()) {
            for (int number = 0; number < 6; number++) {
                clients.add(new Client(first.port()).say("a\n").hears("1 1 a"));
            }
            try (Server second = server().with(pipeline -> pipeline.replace(Lines.class, null, new Speechless()))
                    .listen(Server.ANY_PORT)
                    .ready()) {
                log.says("which stays with the predecessor");
                Stage.until(
                        "all of them to return",
                        () -> first.handlers.stream().allMatch(lines -> lines.told.contains("Returned")));
                for (Client client : clients) {
                    client.say("b\n").hears("1 2 b").close();
                }
                first.awaitDone();
            }
        }
    }

    @Test
    default void an_event_loop_shut_down_half_way_loses_nothing() throws Exception {
        try (Server first = start();
                Client client = new Client(first.port()).say("a\n").hears("1 1 a")) {
            // The successor's: what it is offered goes back.
            Server second = server().listen(Server.ANY_PORT);
            second.group.shutdownGracefully(0, 20, TimeUnit.SECONDS).sync();
            second.ready();
            assertThrows(Exception.class, second::awaitDone);
            client.say("b\n").hears("1 2 b");

            // The predecessor's: what is on offer moves all the same.
            try (Takeover third = bareSuccessor();
                    Offer offer = Stage.offer(third)) {
                first.group.shutdownGracefully(0, 20, TimeUnit.SECONDS).sync();
                try (SocketChannel adopted = offer.adopt().orElseThrow().channel()) {
                    Stage.goesOn(third);
                    first.awaitDone();
                    adopted.write(ByteBuffer.wrap(new byte[] {'c', '\n'}));
                    client.hears("c");
                }
            }
        }
    }

    @Test
    default void whoever_was_too_late_to_be_ready_is_told_why() throws Exception {
        Config.Builder impatient = Server.config().ready(Duration.ofMillis(100));
        try (Server first = new Server(path(), transport(), impatient)
                        .listen(Server.ANY_PORT)
                        .ready();
                Client client = new Client(first.port()).say("a\n").hears("1 1 a");
                Server late = server().listen(Server.ANY_PORT)) {
            Stage.until("the attempt to be off", () -> !late.listener().isRegistered());
            ZdtException why = assertThrows(ZdtException.class, late::ready);
            assertEquals(ErrorKind.ATTEMPT_LOST, why.kind());
            client.say("b\n").hears("1 2 b");
        }
    }

    /** The first drain is not over, and must not come to its end as long as its predecessor accepts. */
    @Test
    default void who_accepts_for_a_successor_that_hangs_offers_nothing_until_it_stops_again() throws Exception {
        Config.Builder watchful = Server.config().hang(Duration.ofMillis(200));
        try (Server first = new Server(path(), transport(), watchful)
                        .listen(Server.ANY_PORT)
                        .ready();
                Client client = new Client(first.port()).say("busy\n").hears("1 1 busy");
                Takeover second = bareSuccessor()) {
            Stage.until("the drain to begin", () -> first.netty.toMove() == 1);
            try (Client newcomer = new Client(first.port()).say("a\n").hears("1 1 a")) {
                assertEquals(0, first.netty.toMove());
                client.say("idle\n").hears("1 2 idle");
                List<Offer> offers = List.of(Stage.offer(second), Stage.offer(second));
                offers.forEach(offer -> offer.refuse("the test is over"));
                Stage.goesOn(second);
                newcomer.say("b\n").hears("1 2 b");
                client.say("c\n").hears("1 3 c");
            }
        }
    }

    @Test
    default void draining_without_a_successor_serves_to_the_end() throws Exception {
        try (Server server = start();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
            server.takeover.drain();
            Lines lines = server.handlers.get(0);
            Stage.until("the handler to be told", () -> lines.told.contains("Drain"));
            try (Client newcomer = new Client(server.port()).say("x\n")) {
                client.say("b\n").hears("1 2 b");
                client.close();
                server.awaitDone();
                assertEquals(1, server.handlers.size(), "the newcomer was not accepted");
            }
        }
    }

    @Test
    default void what_outlives_the_drain_deadline_is_ended() throws Exception {
        try (Server server = new Server(path(), transport(), Server.config().drain(Duration.ofMillis(200)))
                        .listen(Server.ANY_PORT)
                        .ready();
                Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
            server.takeover.drain();
            assertNull(client.hear());
            server.awaitDone();
        }
    }

    @Test
    default void a_tls_connection_is_drained_and_said() throws Exception {
        X509Bundle certificate = new CertificateBuilder()
                .subject("CN=localhost")
                .setIsCertificateAuthority(true)
                .buildSelfSigned();
        SslContext ours = SslContextBuilder.forServer(
                        certificate.getKeyPair().getPrivate(), certificate.getCertificatePath())
                .build();
        Consumer<ChannelPipeline> secure = pipeline -> {
            String decoder = pipeline.context(LineBasedFrameDecoder.class).name();
            pipeline.addBefore(
                    decoder, "tls", ours.newHandler(pipeline.channel().alloc()));
        };
        try (Log log = new Log();
                Server first = server().with(secure).listen(Server.ANY_PORT).ready();
                Client client =
                        Client.secure(first.port(), certificate).say("a\n").hears("1 1 a");
                Server second = server().with(secure).listen(Server.ANY_PORT).ready()) {
            log.says("1 (SslHandler keeps what cannot be exported: end TLS in front of this process to have it move)");
            assertEquals(1, first.netty.stayed());
            client.say("b\n").hears("1 2 b");
            try (Client newcomer = Client.secure(second.port(), certificate)) {
                newcomer.say("c\n").hears("2 1 c");
            }
            client.close();
            first.awaitDone();
        }
    }

    @Test
    @SuppressWarnings("deprecation") // as long as Netty has other executors in pipelines
    default void a_pipeline_that_cannot_move_says_why() throws Exception {
        EventExecutor other = new DefaultEventExecutor();
        Map<String, Consumer<ChannelPipeline>> cases = Map.of(
                "a handler was put before libzdt's (use addLast, not addFirst)",
                pipeline -> pipeline.addFirst(new ChannelDuplexHandler()),
                "no handler is Migratable",
                pipeline -> pipeline.replace(Lines.class, null, new ChannelDuplexHandler()),
                "more than one handler is Migratable",
                pipeline -> pipeline.addLast(new Lines(0)),
                "JsonObjectDecoder keeps what cannot be exported",
                pipeline -> pipeline.addLast(new JsonObjectDecoder() {}),
                "io.netty.channel.ChannelDuplexHandler runs outside of the event loop",
                pipeline -> pipeline.addLast(other, new ChannelDuplexHandler()));
        for (Map.Entry<String, Consumer<ChannelPipeline>> one : cases.entrySet()) {
            try (Log log = new Log();
                    Server first = server().with(one.getValue())
                            .listen(Server.ANY_PORT)
                            .ready();
                    Client client = new Client(first.port())) {
                Stage.until("it to be accepted", () -> first.handlers.size() == 1 && first.netty.connections() == 1);
                try (Server second = start()) {
                    log.says("1 (" + one.getKey() + ")");
                    client.close();
                    first.awaitDone();
                    Lines lines = first.handlers.get(0);
                    Stage.until("the pipeline to be empty", () -> lines.told.contains("removed"));
                }
            }
        }
        other.shutdownGracefully(0, 20, TimeUnit.SECONDS).sync();
    }

    @Test
    default void fifty_takeovers_leave_nothing_behind() throws Exception {
        Server server = start();
        try (Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
            long descriptors = 0;
            long threads = 0;
            for (int generation = 2; generation <= 51; generation++) {
                Server next = start();
                client.hears("resumed").say("a\n").hears(generation + " " + generation + " a");
                server.awaitDone();
                server.close();
                server = next;
                if (generation == 3) {
                    descriptors = descriptors();
                    threads = threads();
                }
            }
            long before = descriptors;
            Stage.until("the descriptors to be closed", () -> {
                System.gc(); // a closed handle's own three go with it
                return descriptors() <= before;
            });
            long least = threads;
            Stage.until("the threads to end", () -> threads() <= least);
        } finally {
            server.close();
        }
    }

    private static long descriptors() throws Exception {
        try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
            return all.count();
        }
    }

    private static long threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().contains("libzdt-dispatch")
                        || thread.getName().contains("EventLoop"))
                .count();
    }
}

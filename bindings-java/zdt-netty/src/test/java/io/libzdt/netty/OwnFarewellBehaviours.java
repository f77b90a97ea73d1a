package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Event;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;

/** Who takes leave in words that only the application knows, or in none. */
interface OwnFarewellBehaviours extends Stage {
    @Test
    default void goodbyes_of_an_application_are_spread_over_time() throws Exception {
        Queue<Long> leavings = new ConcurrentLinkedQueue<>();
        List<Client> clients = new ArrayList<>();
        // The lines' own handler is the last, and keeps the events to itself.
        try (Server server = server().with(pipeline -> pipeline.addLast(new Leaver(leavings)))
                .listen(Server.ANY_PORT)
                .ready()) {
            server.netty.spread(Duration.ofSeconds(2));
            for (int number = 0; number < 40; number++) {
                clients.add(new Client(server.port()).say("a\n").hears("1 1 a"));
            }
            long began = System.nanoTime();
            server.takeover.drain();
            for (Client client : clients) {
                client.hears("bye");
                assertNull(client.hear());
                client.close();
            }
            server.awaitDone();
            long early =
                    leavings.stream().filter(at -> at - began < 200_000_000).count();
            assertTrue(early <= 8, early + " of 40 in the first tenth");
            assertTrue(leavings.stream().anyMatch(at -> at - began >= 1_700_000_000), "nobody in the last tenths");
            assertEquals(Map.of("Leaver", 40L), server.netty.counters().goodbyes());
        }
    }

    /** Knows what to say, and remembers when it did. */
    final class Leaver extends ChannelInboundHandlerAdapter implements Farewell {
        private final Queue<Long> leavings;

        Leaver(Queue<Long> leavings) {
            this.leavings = leavings;
        }

        @Override
        public void leave(ChannelHandlerContext ctx, Event.Drain drain) {
            leavings.add(System.nanoTime());
            ctx.writeAndFlush("bye\n").addListener(ChannelFutureListener.CLOSE);
        }
    }

    @Test
    default void whom_the_successor_refuses_takes_leave() throws Exception {
        Queue<Long> leavings = new ConcurrentLinkedQueue<>();
        try (Log log = new Log();
                Server first = server().with(pipeline -> pipeline.addLast(new Leaver(leavings)))
                        .listen(Server.ANY_PORT)
                        .ready();
                Client client = new Client(first.port()).say("odd\n").hears("1 1 odd")) {
            first.netty.spread(Duration.ZERO);
            try (Server second = start()) {
                client.hears("bye");
                assertNull(client.hear());
                first.awaitDone();
                log.says("have the pipeline here take version");
                assertEquals(0, second.netty.connections());
                assertEquals(
                        new Counters(0, Map.of("the successor refused it", 1L), Map.of("Leaver", 1L), 0),
                        first.netty.counters());
            }
        }
    }

    @Test
    default void without_nettys_codecs_connections_are_drained_all_the_same() throws Exception {
        List<String> jars = List.of("netty-codec-http", "netty-handler");
        try (Jvm poor = Jvm.startWithout(jars, Poor.class, path().toString())) {
            assertEquals("null", poor.line());
            assertEquals(0, poor.process().waitFor());
        }
    }
}

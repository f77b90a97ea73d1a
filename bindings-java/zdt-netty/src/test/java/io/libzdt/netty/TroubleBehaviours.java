package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Takeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.DefaultEventLoopGroup;
import io.netty.channel.EventLoopGroup;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What becomes of connections when the ground gives way under one of the two in the middle of a takeover. */
interface TroubleBehaviours extends Stage {
    Duration A_LONG_PAUSE = Duration.ofSeconds(2);

    /** So many connections, each of which has said one line. */
    private static List<Client> crowd(int port, int size) throws Exception {
        List<Client> crowd = new ArrayList<>();
        for (int number = 0; number < size; number++) {
            crowd.add(new Client(port).say("a\n").hears("1 1 a"));
        }
        return crowd;
    }

    /** The first generation serves all of them, and newcomers, and moves them to the next one that can. */
    private void isWhole(Server first, List<Client> crowd) throws Exception {
        for (Client client : crowd) {
            client.say("b\n").hears("1 2 b");
        }
        crowd.add(new Client(first.port()).say("a\n").hears("1 1 a").say("b\n").hears("1 2 b"));
        try (Server next = start()) {
            for (Client client : crowd) {
                client.hears("resumed").say("c\n").hears(next.takeover.generation() + " 3 c");
                client.close();
            }
            first.awaitDone();
        }
    }

    @Test
    default void a_framework_whose_event_loops_end_before_anything_comes_gives_all_of_it_back() throws Exception {
        try (Server first = start()) {
            List<Client> crowd = crowd(first.port(), 3);
            Server second = server();
            new ServerBootstrap()
                    .group(second.group)
                    .channelFactory(
                            second.netty.channelFactory(second.group, "lines", Server.ANY_PORT, Server.PROTOCOL))
                    .childHandler(new ChannelInitializer<Channel>() {
                        @Override
                        protected void initChannel(Channel channel) {
                            throw new IllegalStateException("nobody is here");
                        }
                    })
                    .bind("0.0.0.0", 1)
                    .sync();
            second.group.shutdownGracefully(0, 20, TimeUnit.SECONDS).sync();
            second.ready();
            isWhole(first, crowd);
        }
    }

    /** Fewer than are decided on at a time, and more. */
    @ParameterizedTest
    @ValueSource(ints = {3, 200})
    default void event_loops_that_end_when_the_first_offer_is_looked_at_give_all_of_them_back(int size)
            throws Exception {
        AtomicReference<Server> successor = new AtomicReference<>();
        Consumer<ChannelPipeline> ending = pipeline -> {
            synchronized (successor) { // nobody else decides before
                successor.get().group.shutdownGracefully(0, 20, TimeUnit.SECONDS);
            }
        };
        try (Server first = start()) {
            List<Client> crowd = crowd(first.port(), size);
            successor.set(server().with(ending).listen(Server.ANY_PORT));
            successor.get().ready();
            try {
                successor.get().awaitDone();
            } catch (CompletionException loopsEnded) {
                assertInstanceOf(RejectedExecutionException.class, loopsEnded.getCause());
            }
            isWhole(first, crowd);
        }
    }

    /** Each says a line, which whoever serves it answers as the second one. */
    private static void saysAnother(List<Client> crowd) throws Exception {
        for (Client client : crowd) {
            client.say("b\n");
        }
        for (Client client : crowd) {
            String reply = client.hearsReply();
            assertTrue(reply != null && reply.matches("[12] 2 b"), reply);
        }
    }

    private static void areServedByTheSecond(List<Client> crowd) throws Exception {
        for (Client client : crowd) {
            client.say("c\n");
            assertEquals("2 3 c", client.hearsReply());
            client.close();
        }
    }

    @Test
    default void a_successor_that_pauses_for_two_seconds_in_the_middle_loses_nothing() throws Exception {
        try (Server first = start()) {
            List<Client> crowd = crowd(first.port(), 300);
            try (Jvm second =
                    Jvm.start(Standing.class, path().toString(), transport().name())) {
                Stage.until(
                        "the first ones to move", () -> first.netty.counters().moved() > 0);
                second.pauses(A_LONG_PAUSE);
                saysAnother(crowd);
                first.awaitDone();
                areServedByTheSecond(crowd);
            }
        }
    }

    @Test
    default void a_predecessor_that_pauses_for_two_seconds_in_the_middle_loses_nothing() throws Exception {
        try (Jvm first =
                Jvm.start(Standing.class, path().toString(), transport().name())) {
            List<Client> crowd = crowd(Integer.parseInt(first.line()), 300);
            try (Server second = start()) {
                Stage.until("the first ones to come", () -> second.netty.connections() > 0);
                first.pauses(A_LONG_PAUSE);
                saysAnother(crowd);
                assertEquals(0, first.process().waitFor());
                areServedByTheSecond(crowd);
            }
        }
    }

    @Test
    default void whoever_cannot_give_or_take_a_state_is_named() throws Exception {
        try (Server first = start();
                Client mute = new Client(first.port()).say("mute\n").hears("1 1 mute");
                Client odd = new Client(first.port()).say("odd\n").hears("1 1 odd");
                Takeover second = bareSuccessor()) {
            Stage.offer(second).refuse("it is odd");
            Stage.goesOn(second);
            String gave = "io.libzdt.netty.Lines did not give its state: java.lang.IllegalStateException: mute";
            String refused = "the successor refused it";
            Stage.until("both to stay", () -> first.netty.counters().stayed().equals(Map.of(gave, 1L, refused, 1L)));
            mute.say("a\n").hears("1 2 a");
            odd.say("a\n").hears("1 2 a");
        }
    }

    @Test
    @SuppressWarnings("deprecation") // on 4.2; 4.1 has no other
    default void event_loops_of_another_kind_are_told_so_and_nothing_is_bound() throws Exception {
        EventLoopGroup other = new DefaultEventLoopGroup(1);
        try (Takeover takeover = Takeover.open(path())) {
            NettyTakeover netty = NettyTakeover.of(takeover);
            Exception refused = assertThrows(
                    IllegalArgumentException.class,
                    () -> netty.serverChannel(other, "lines", Server.ANY_PORT, Server.PROTOCOL));
            assertTrue(refused.getMessage().contains("neither of Netty's NIO nor of its epoll"), refused.getMessage());
        } finally {
            other.shutdownGracefully(0, 20, TimeUnit.SECONDS).sync();
        }
    }
}

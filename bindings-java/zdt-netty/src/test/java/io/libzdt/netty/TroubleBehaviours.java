package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelPipeline;
import java.util.ArrayList;
import java.util.List;
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
}

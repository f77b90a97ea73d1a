package io.libzdt.netty;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What becomes of a WebSocket, with Netty's handlers as they come and no help of the application. */
interface WebSocketBehaviours extends Stage {
    default Chats chats() throws Exception {
        return new Chats(this, Chats.STOCK);
    }

    private static void closeAll(List<Chatter> chatters) throws Exception {
        for (Chatter chatter : chatters) {
            chatter.close();
        }
    }

    /** With what they said before the takeover and after it, wherever that is cut. */
    private void moveAtEveryByte(byte[] said, String heard) throws Exception {
        List<Chatter> chatters = new ArrayList<>();
        try (Chats first = chats()) {
            for (int cut = 0; cut < said.length; cut++) {
                Chatter chatter = new Chatter(first.port(), "/chat").hears("welcome 1");
                long before = first.read.get();
                chatters.add(chatter.say(Arrays.copyOf(said, cut)));
                int bytes = cut;
                Stage.until("it to be read", () -> first.read.get() == before + bytes);
            }
            try (Chats second = chats()) {
                first.awaitDone();
                assertEquals(0, first.server.netty.stayed());
                for (int cut = 0; cut < said.length; cut++) {
                    chatters.get(cut)
                            .say(Arrays.copyOfRange(said, cut, said.length))
                            .hears(heard);
                }
            }
        } finally {
            closeAll(chatters);
        }
    }

    @Test
    default void a_websocket_moves_wherever_a_frame_is_cut() throws Exception {
        moveAtEveryByte(
                Chatter.frame(Chatter.FINAL | Chatter.TEXT, "hello".repeat(30).getBytes(UTF_8)),
                "2 " + "hello".repeat(30));
    }

    @Test
    default void a_fragmented_message_moves_wherever_it_is_cut() throws Exception {
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        said.writeBytes(Chatter.frame(Chatter.TEXT, "one ".getBytes(UTF_8)));
        said.writeBytes(Chatter.frame(Chatter.CONTINUATION, "two ".getBytes(UTF_8)));
        said.writeBytes(Chatter.frame(Chatter.FINAL | Chatter.CONTINUATION, "three".getBytes(UTF_8)));
        moveAtEveryByte(said.toByteArray(), "2 one two three");
    }

    @Test
    default void a_websocket_moves_and_is_not_greeted_again() throws Exception {
        try (Chats first = chats();
                Chatter chatter = new Chatter(first.port(), "/chat", "Sec-WebSocket-Protocol: plain\r\n")) {
            chatter.hears("welcome 1").say("a").hears("1 a");
            try (Chats second = chats()) {
                first.awaitDone();
                chatter.say("b").hears("2 b");
                chatter.say(Chatter.frame(Chatter.FINAL | Chatter.PING, "are you there".getBytes(UTF_8)));
                chatter.hears(Chatter.FINAL | Chatter.PONG, "are you there");
                try (Chats third = chats()) {
                    second.awaitDone();
                    chatter.say("c").hears("3 c");
                }
            }
        }
    }
}

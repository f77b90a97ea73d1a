package io.libzdt.netty;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.MessageToMessageDecoder;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.ContinuationWebSocketFrame;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketServerProtocolHandler;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
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

    /** What a client says a second time it says by pointing at the first. */
    @Test
    default void a_client_that_compresses_may_refer_to_what_its_predecessor_heard() throws Exception {
        String text = "the quick brown fox jumps over the lazy dog ".repeat(10);
        String noise = noise(100_000);
        try (Chats first = new Chats(this, Chats.COMPRESSED, false);
                Chatter chatter =
                        new Chatter(first.port(), "/chat", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
                Chatter silent =
                        new Chatter(first.port(), "/chat", "Sec-WebSocket-Extensions: permessage-deflate\r\n")) {
            for (int i = 0; i < 100_000; i += 10_000) {
                String part = noise.substring(i, i + 10_000);
                chatter.sayCompressed(part).hears("1 " + part);
            }
            chatter.sayCompressed(text).hears("1 " + text);
            try (Chats second = new Chats(this, Chats.COMPRESSED, false)) {
                first.awaitDone();
                String again = noise.substring(80_000, 90_000);
                chatter.sayCompressed(text)
                        .hears("2 " + text)
                        .sayCompressed(again)
                        .hears("2 " + again);
                silent.sayCompressed(text).hears("2 " + text);
                try (Chats third = new Chats(this, Chats.COMPRESSED, false)) {
                    second.awaitDone();
                    chatter.sayCompressed(text)
                            .hears("3 " + text)
                            .sayCompressed(again)
                            .hears("3 " + again);
                    silent.sayCompressed(text).hears("3 " + text);
                }
            }
        }
    }

    private static String noise(int length) {
        return new Random(1)
                .ints(length, 'a', 'z' + 1)
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }

    /** The successor's compressor knows the greeting, and the client does not. */
    @Test
    default void a_compressed_websocket_that_is_greeted_again_stays_where_it_is() throws Exception {
        try (Chats first = new Chats(this, Chats.patient(Chats.COMPRESSED));
                Chatter chatter =
                        new Chatter(first.port(), "/chat", "Sec-WebSocket-Extensions: permessage-deflate\r\n")) {
            chatter.hears("welcome 1");
            try (Chats second = new Chats(this, Chats.COMPRESSED)) {
                returnsTo(first);
                chatter.sayCompressed("a").hears("1 a");
                Stage.until("what was made for it to be told the end", () -> second.ended.get() > 0);
                second.pipelines.get(0).channel().closeFuture().sync();
                assertEquals(1, second.ended.get());
            }
        }
    }

    private static void returnsTo(Site first) throws Exception {
        Stage.until("it to return", () -> first.returned.get() == 1);
    }

    /** While the goodbye is under way the connection is not moved, nor is the other side's goodbye held back. */
    @Test
    default void a_websocket_that_says_goodbye_ends_where_it_is() throws Exception {
        try (Chats first = chats();
                Chatter chatter = new Chatter(first.port(), "/chat").hears("welcome 1")) {
            first.pipelines.get(0).writeAndFlush(new CloseWebSocketFrame()).sync();
            chatter.hears(Chatter.FINAL | Chatter.CLOSE, "");
            try (Chats second = chats()) {
                Stage.until("its turn to move", () -> first.watch().isHolding());
                chatter.say(Chatter.frame(Chatter.FINAL | Chatter.CLOSE, new byte[0]))
                        .hearsTheEnd();
                first.awaitDone();
                assertEquals(0, second.pipelines.size());
            }
        }
    }

    /** A message of the server's that has begun. */
    @Test
    default void a_websocket_moves_when_what_it_is_being_told_is_whole() throws Exception {
        try (Chats first = new Chats(this, Chats.CHUNKED);
                Chatter chatter = new Chatter(first.port(), "/chat").hears("welcome 1")) {
            first.pipelines
                    .get(0)
                    .writeAndFlush(new TextWebSocketFrame(false, 0, "one"))
                    .sync();
            try (Chats second = new Chats(this, Chats.CHUNKED)) {
                Stage.until("its turn to move", () -> first.watch().isHolding());
                chatter.hears(Chatter.TEXT, "one").say(Chatter.frame(Chatter.FINAL | Chatter.PING, new byte[0]));
                chatter.hears(Chatter.FINAL | Chatter.PONG, "");
                first.pipelines.get(0).writeAndFlush(new ContinuationWebSocketFrame(true, 0, "two"));
                chatter.hears(Chatter.FINAL | Chatter.CONTINUATION, "two");
                first.awaitDone();
                chatter.say("b").hears("2 b");
            }
        }
    }

    /** The application has seen the first part, and may have answered it. */
    @Test
    default void a_message_that_the_application_hears_in_parts_is_heard_to_its_end_by_one() throws Exception {
        try (Chats first = new Chats(this, Chats.BY_HAND);
                Chatter chatter = new Chatter(first.port(), "/chat")) {
            chatter.say(Chatter.frame(Chatter.TEXT, "one".getBytes(UTF_8))).hears("1 one");
            try (Chats second = new Chats(this, Chats.BY_HAND)) {
                Stage.until("its turn to move", () -> first.watch().isHolding());
                assertEquals(1, first.server.netty.toMove());
                chatter.say(Chatter.frame(Chatter.FINAL | Chatter.CONTINUATION, "two".getBytes(UTF_8)));
                first.awaitDone();
                chatter.say("b").hears("2 b");
            }
        }
    }

    @Test
    default void a_frame_that_is_too_large_to_be_kept_is_read_to_its_end() throws Exception {
        byte[] frame = Chatter.frame(
                Chatter.FINAL | Chatter.TEXT, "x".repeat(Stretch.LIMIT + 100).getBytes(UTF_8));
        try (Chats first = new Chats(this, Chats.LARGE, false);
                Chatter chatter = new Chatter(first.port(), "/chat")) {
            long before = first.read.get();
            chatter.say(Arrays.copyOf(frame, frame.length - 1));
            Stage.until("it to be read", () -> first.read.get() == before + frame.length - 1);
            try (Chats second = new Chats(this, Chats.LARGE, false)) {
                Stage.until("its turn to move", () -> first.watch().isHolding());
                assertEquals(1, first.server.netty.toMove());
                chatter.say(Arrays.copyOfRange(frame, frame.length - 1, frame.length))
                        .hears("1 " + (Stretch.LIMIT + 100));
                first.awaitDone();
                chatter.say("b").hears("2 b");
            }
        }
    }

    @Test
    default void a_state_that_was_mutilated_is_refused() throws Exception {
        byte[] state = new WebSocketState(new byte[3], new byte[1], new byte[0], new byte[2]).toBytes();
        byte[] mark = Arrays.copyOf(state, 11);
        assertTrue(WebSocketState.is(mark));
        for (int length = mark.length; length < state.length; length++) {
            byte[] part = Arrays.copyOf(state, length);
            assertThrows(IOException.class, () -> WebSocketState.of(part));
        }
        assertThrows(IOException.class, () -> WebSocketState.of(Arrays.copyOf(state, state.length + 1)));
        assertArrayEquals(state, WebSocketState.of(state).toBytes());
    }

    @Test
    default void a_websocket_whose_path_the_successor_does_not_have_is_served_on() throws Exception {
        try (Chats first = new Chats(this, Chats.patient(Chats.STOCK));
                Chatter chatter = new Chatter(first.port(), "/chat").hears("welcome 1");
                Pages second = new Pages(this, HttpBehaviours.STOCK)) {
            returnsTo(first);
            chatter.say("a").hears("1 a");
        }
    }

    @Test
    default void a_websocket_is_served_on_where_the_successor_does_not_speak_http() throws Exception {
        try (Chats first = new Chats(this, Chats.patient(Chats.STOCK));
                Chatter chatter = new Chatter(first.port(), "/chat").hears("welcome 1");
                Server second = start()) {
            returnsTo(first);
            chatter.say("a").hears("1 a");
        }
    }

    /** Which number the last message had is its state. */
    final class Numbers extends MessageToMessageDecoder<TextWebSocketFrame> implements Migratable {
        private int count;

        @Override
        protected void decode(ChannelHandlerContext ctx, TextWebSocketFrame frame, List<Object> out) {
            out.add(new TextWebSocketFrame(++count + frame.text()));
        }

        @Override
        public byte[] exportState() {
            return new byte[] {(byte) count};
        }

        @Override
        public void importState(int version, byte[] state) {
            count = state[0];
        }
    }

    private void moveWithState(Consumer<ChannelPipeline> codec) throws Exception {
        try (Chats first = new Chats(this, codec);
                Chatter chatter = new Chatter(first.port(), "/chat")) {
            chatter.hears("welcome 1").say("a").hears("1 1a");
            try (Chats second = new Chats(this, codec)) {
                first.awaitDone();
                chatter.say("b").hears("2 2b");
            }
        }
    }

    @Test
    default void a_websocket_moves_with_the_state_of_its_application() throws Exception {
        moveWithState(pipeline -> {
            Chats.STOCK.accept(pipeline);
            pipeline.addLast(new Numbers());
        });
    }

    @Test
    default void a_websocket_moves_with_the_state_of_a_handler_that_came_with_the_handshake() throws Exception {
        moveWithState(pipeline -> {
            Chats.STOCK.accept(pipeline);
            pipeline.addLast(new ChannelInboundHandlerAdapter() {
                @Override
                public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
                    if (event instanceof WebSocketServerProtocolHandler.HandshakeComplete) {
                        ctx.pipeline().addAfter(ctx.name(), null, new Numbers());
                    }
                    ctx.fireUserEventTriggered(event);
                }
            });
        });
    }

    @Test
    default void a_websocket_whose_codec_came_with_the_first_bytes_moves() throws Exception {
        Consumer<ChannelPipeline> sniffing = SwitchingBehaviours.sniffing(
                0,
                () -> List.of(
                        new HttpServerCodec(),
                        new HttpObjectAggregator(1 << 16),
                        new WebSocketServerProtocolHandler("/chat")));
        try (Chats first = new Chats(this, sniffing);
                Chatter chatter = new Chatter(first.port(), "/chat").hears("welcome 1");
                Chats second = new Chats(this, sniffing)) {
            first.awaitDone();
            chatter.say("b").hears("2 b");
        }
    }

    @Test
    default void a_websocket_whose_handshake_the_application_made_moves() throws Exception {
        try (Chats first = new Chats(this, Chats.BY_HAND);
                Chatter chatter = new Chatter(first.port(), "/chat").say("a").hears("1 a");
                Chats second = new Chats(this, Chats.BY_HAND)) {
            first.awaitDone();
            chatter.say("b").hears("2 b");
        }
    }
}

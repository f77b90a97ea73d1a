package io.libzdt.examples.relay;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

final class SessionTest {
    private final Session session = new Session();
    private final ByteBuf input = Unpooled.buffer();

    /** What it replies to {@code requests}. */
    private String ask(String requests) {
        return ask(session, input, requests);
    }

    private static String ask(Session session, ByteBuf input, String requests) {
        input.writeCharSequence(requests, StandardCharsets.ISO_8859_1);
        StringBuilder replies = new StringBuilder();
        while (!session.isEnding()) {
            ByteBuf reply = session.serve(input, "7 java 3", UnpooledByteBufAllocator.DEFAULT);
            if (reply == null) {
                break;
            }
            replies.append(reply.toString(StandardCharsets.ISO_8859_1));
        }
        return replies.toString();
    }

    private static String crc(String... parts) {
        CRC32 crc = new CRC32();
        crc.update(String.join("", parts).getBytes(StandardCharsets.ISO_8859_1));
        return "%08x".formatted(crc.getValue());
    }

    private static String line(int counter, int number) {
        return "%016x %08x %s\n".formatted(counter, number, ".".repeat(37));
    }

    @Test
    void every_request_is_answered_with_its_counter() {
        String pad = line(4, 0) + "0";
        assertEquals(
                "HELLO 1 a\nECHO 2 3\na\nbWHO 3 7 java 3\nPAD 4 65\nPAD? 5 65 " + crc(pad)
                        + "\nTAG 6 refuse-me\nBIG 7 66\n" + line(7, 0) + "00ECHO 8 0\nBYE 9\n",
                ask("HELLO a\nECHO 3\na\nbWHO\nPAD 65\nPAD?\nTAG refuse-me\nBIG 66\nECHO 0\nBYE\nWHO\n"));
        assertTrue(session.wantsRefusal() && session.isEnding());
    }

    @Test
    void sums_cover_requests_up_to_and_replies_before_the_sum() {
        String hello = ask("HELLO a\n");
        String sum = ask("SUM\n");
        assertEquals("SUM 2 " + crc("HELLO a\nSUM\n") + " " + crc(hello) + "\n", sum);
        assertEquals("SUM 3 " + crc("HELLO a\nSUM\nSUM\n") + " " + crc(hello, sum) + "\n", ask("SUM\nSU"));
        assertEquals(2, input.readableBytes());
    }

    @Test
    void a_session_that_moves_at_any_byte_gives_the_same_replies() {
        String requests = "HELLO a\nPAD 100\nECHO 5\nab\ncdBIG 3\nSUM\nPAD?\nBYE\n";
        String whole = ask(requests);
        for (int cut = 0; cut < requests.length(); cut++) {
            Session before = new Session();
            ByteBuf unread = Unpooled.buffer();
            String first = ask(before, unread, requests.substring(0, cut));
            Session after = Session.restore(before.state());
            assertEquals(whole, first + ask(after, unread, requests.substring(cut)), "moved at " + cut);
        }
    }

    @Test
    void wrong_requests_are_named_and_end_the_connection() {
        Map<String, String> cases = Map.of(
                "NONSENSE\n",
                "line",
                "SUM 1\n",
                "line",
                "ECHO -1\n",
                "line",
                "ECHO\n",
                "line",
                "\u00ff\n",
                "line",
                "x".repeat(128),
                "line",
                "HELLO b\n",
                "hello",
                "ECHO 65537\n",
                "size",
                "BIG 1048577\n",
                "size",
                "PAD 1000001\n",
                "size");
        cases.forEach((request, reason) -> {
            Session greeted = new Session();
            ByteBuf unread = Unpooled.buffer();
            ask(greeted, unread, "HELLO a\n");
            assertEquals("ERR 1 " + reason + "\n", ask(greeted, unread, request), request);
            assertTrue(greeted.isEnding());
        });
        assertEquals("ERR 0 hello\n", ask("SUM\n"));
    }

    @Test
    void the_state_is_the_one_of_the_page() {
        byte[] state = HexFormat.of().parseHex("00000000000000020102030405060708000100000000000061");
        Session restored = Session.restore(state);
        assertEquals("a", restored.name());
        assertArrayEquals(state, restored.state());
    }

    @Test
    void a_state_that_is_not_exact_is_refused() {
        ask("HELLO a\n");
        byte[] good = session.state();
        int[][] changes = {{16, 4}, {17, 2}, {17, 65}, {18, 1}, {19, 1}, {20, 1}, {23, 1}, {24, ' '}};
        for (int[] change : changes) {
            byte[] bad = good.clone();
            bad[change[0]] = (byte) change[1];
            assertThrows(IllegalArgumentException.class, () -> Session.restore(bad), "byte " + change[0]);
        }
        for (int length : new int[] {0, good.length - 1, good.length + 1}) {
            assertThrows(IllegalArgumentException.class, () -> Session.restore(Arrays.copyOf(good, length)));
        }
        assertDoesNotThrow(() -> Session.restore(good));
    }

    @Test
    void a_pattern_says_in_every_line_where_it_is() {
        String text = new String(Pattern.of(0x1234567890abcdefL, 64 * 300), StandardCharsets.ISO_8859_1);
        assertEquals("1234567890abcdef 0000012b " + ".".repeat(37) + "\n", text.substring(64 * 299));
    }
}

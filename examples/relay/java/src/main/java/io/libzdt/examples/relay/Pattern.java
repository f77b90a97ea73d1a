package io.libzdt.examples.relay;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** The bytes of {@code BIG} and {@code PAD}: lines of 64 bytes, each of which says where it belongs. */
final class Pattern {
    private static final int LINE = 64;

    private Pattern() {}

    static byte[] of(long counter, int length) {
        byte[] text = new byte[(length + LINE - 1) / LINE * LINE];
        byte[] first = "%016x %08x %s\n".formatted(counter, 0, ".".repeat(37)).getBytes(StandardCharsets.ISO_8859_1);
        for (int line = 0; line < text.length / LINE; line++) {
            System.arraycopy(first, 0, text, line * LINE, LINE);
            for (int digit = 0, rest = line; rest != 0; digit++, rest >>>= 4) {
                text[line * LINE + 24 - digit] = (byte) Character.forDigit(rest & 0xf, 16);
            }
        }
        return Arrays.copyOf(text, length);
    }
}

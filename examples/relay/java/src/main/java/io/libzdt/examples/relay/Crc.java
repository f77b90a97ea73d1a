package io.libzdt.examples.relay;

/** CRC-32 that goes on from a carried value, as {@code java.util.zip.CRC32} does not. */
final class Crc {
    private static final int[] TABLE = new int[256];

    static {
        for (int i = 0; i < TABLE.length; i++) {
            int word = i;
            for (int bit = 0; bit < 8; bit++) {
                word = (word >>> 1) ^ ((word & 1) == 0 ? 0 : 0xEDB88320);
            }
            TABLE[i] = word;
        }
    }

    private Crc() {}

    static int add(int crc, byte[] bytes) {
        int word = ~crc;
        for (byte b : bytes) {
            word = (word >>> 8) ^ TABLE[(word ^ b) & 0xff];
        }
        return ~word;
    }
}

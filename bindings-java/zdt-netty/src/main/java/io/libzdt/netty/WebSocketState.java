package io.libzdt.netty;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;

/**
 * The state of a connection that speaks WebSocket. In bytes: {@link #MARK}, then four times a length (32 bits, big-endian)
 * and so many bytes: the request for the upgrade as the client sent it; extensions and subprotocol that were agreed upon,
 * a newline between them, in UTF-8; the last 32 KiB that the client has said compressed, which it may refer to; the state of
 * the application's {@link Migratable}. The last two may be empty.
 *
 * @param upgrade the request as it came
 * @param agreed what the client was told
 * @param window what the client may refer to when it compresses
 * @param inner the application's
 */
record WebSocketState(byte[] upgrade, byte[] agreed, byte[] window, byte[] inner) {
    /** No application's state begins like this. The last byte is the version. */
    private static final byte[] MARK = {0, 'w', 'e', 'b', 's', 'o', 'c', 'k', 'e', 't', 1};

    static boolean is(byte[] state) {
        return state.length >= MARK.length && Arrays.equals(state, 0, MARK.length, MARK, 0, MARK.length);
    }

    byte[] toBytes() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.write(MARK);
            for (byte[] part : new byte[][] {upgrade, agreed, window, inner}) {
                out.writeInt(part.length);
                out.write(part);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e); // into memory?
        }
        return bytes.toByteArray();
    }

    static WebSocketState of(byte[] state) throws IOException {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(state))) {
            in.skipNBytes(MARK.length);
            WebSocketState read = new WebSocketState(part(in), part(in), part(in), part(in));
            if (in.read() != -1) {
                throw new IOException("there is more than the state of a WebSocket in it");
            }
            return read;
        }
    }

    private static byte[] part(DataInputStream in) throws IOException {
        int length = in.readInt();
        if (length < 0 || length > in.available()) {
            throw new IOException("the state of a WebSocket is cut off");
        }
        return in.readNBytes(length);
    }
}

package io.libzdt.netty;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** A client that speaks WebSocket, byte by byte (RFC 6455, with RFC 7692 for what is compressed). */
final class Chatter implements AutoCloseable {
    static final int CONTINUATION = 0;
    static final int TEXT = 1;
    static final int CLOSE = 8;
    static final int PING = 9;
    static final int PONG = 10;
    static final int FINAL = 0x80;
    static final int COMPRESSED = 0x40;

    private static final int MASK = 0x17_2A_3C_41;

    private final Socket socket;
    private final DataInputStream in;
    private final Deflater deflater = new Deflater(Deflater.BEST_COMPRESSION, true);
    private final Inflater inflater = new Inflater(true);

    /** The answer to its request for the upgrade. */
    final String head;

    Chatter(int port, String uri, String... headers) throws IOException {
        socket = new Socket(InetAddress.getLoopbackAddress(), port);
        socket.setSoTimeout((int) Stage.PATIENCE.toMillis());
        in = new DataInputStream(socket.getInputStream());
        say(("GET " + uri + " HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                        + String.join("", headers) + "\r\n")
                .getBytes(UTF_8));
        StringBuilder lines = new StringBuilder();
        while (lines.indexOf("\r\n\r\n") < 0) {
            lines.append((char) in.readUnsignedByte());
        }
        head = lines.toString();
        assertEquals(
                "HTTP/1.1 101 Switching Protocols", head.lines().findFirst().orElseThrow());
    }

    Chatter say(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
        return this;
    }

    /** Says a text. */
    Chatter say(String text) throws IOException {
        return say(frame(FINAL | TEXT, text.getBytes(UTF_8)));
    }

    /** Says it as it becomes with what it has said before. */
    Chatter sayCompressed(String text) throws IOException {
        deflater.setInput(text.getBytes(UTF_8));
        byte[] room = new byte[text.length() + 1024];
        int length = deflater.deflate(room, 0, room.length, Deflater.SYNC_FLUSH);
        byte[] compressed = new byte[length - 4]; // without 00 00 FF FF
        System.arraycopy(room, 0, compressed, 0, compressed.length);
        return say(frame(FINAL | COMPRESSED | TEXT, compressed));
    }

    /** It forgets what it has said before. */
    void forgets() {
        deflater.reset();
    }

    /** As a client sends it, that is masked. */
    static byte[] frame(int first, byte[] payload) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeByte(first);
            if (payload.length < 126) {
                out.writeByte(0x80 | payload.length);
            } else {
                out.writeByte(0x80 | (payload.length < 1 << 16 ? 126 : 127));
                if (payload.length < 1 << 16) {
                    out.writeShort(payload.length);
                } else {
                    out.writeLong(payload.length);
                }
            }
            out.writeInt(MASK);
            for (int i = 0; i < payload.length; i++) {
                out.writeByte(payload[i] ^ MASK >>> 24 - 8 * (i % 4));
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return bytes.toByteArray();
    }

    /** Sees that the next frame has this first byte and this text; if it is compressed, together with what came before. */
    Chatter hears(int first, String text) throws Exception {
        int got = in.readUnsignedByte();
        int length = in.readUnsignedByte();
        byte[] payload = new byte[length == 126 ? in.readUnsignedShort() : length];
        in.readFully(payload);
        if ((got & COMPRESSED) != 0) {
            payload = inflate(payload);
        }
        assertEquals(text, new String(payload, UTF_8));
        assertEquals(first, got & ~COMPRESSED);
        return this;
    }

    private byte[] inflate(byte[] payload) throws Exception {
        byte[] whole = new byte[payload.length + 4];
        System.arraycopy(payload, 0, whole, 0, payload.length);
        whole[payload.length + 2] = whole[payload.length + 3] = (byte) 0xFF;
        inflater.setInput(whole);
        byte[] room = new byte[1 << 16];
        int length = inflater.inflate(room);
        byte[] text = new byte[length];
        System.arraycopy(room, 0, text, 0, length);
        return text;
    }

    /** Whatever comes before it: Netty may say goodbye twice. */
    void hearsTheEnd() throws IOException {
        in.readAllBytes();
    }

    Chatter hears(String text) throws Exception {
        return hears(FINAL | TEXT, text);
    }

    @Override
    public void close() throws IOException {
        socket.close();
        deflater.end();
        inflater.end();
    }
}

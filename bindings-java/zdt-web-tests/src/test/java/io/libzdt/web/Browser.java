package io.libzdt.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;

/** One connection of a client of HTTP/1.1: it notices whatever happens to it, and does not wait for ever. */
final class Browser implements AutoCloseable {
    /** How long anything that must happen may take, on a machine that is busy with other things. */
    static final Duration PATIENCE = Duration.ofSeconds(30);

    static final String GET = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";

    static String post(String body) {
        return "POST / HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\nContent-Length: " + body.length()
                + "\r\n\r\n" + body;
    }

    /** What came back. */
    record Answer(int status, Map<String, String> fields, String body) {
        /** Whether the server has said that the connection ends with this. */
        boolean isLast() {
            return "close".equalsIgnoreCase(fields.get("connection"));
        }
    }

    private final Socket socket;
    private final InputStream in;

    Browser(int port) throws IOException {
        socket = new Socket(InetAddress.getLoopbackAddress(), port);
        socket.setSoTimeout((int) PATIENCE.toMillis());
        in = socket.getInputStream();
    }

    Browser say(String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
        return this;
    }

    /** Asks who serves. */
    Answer ask() throws IOException {
        return say(GET).hear();
    }

    /** Asks until it is told that this connection ends, and sees that it does; every answer comes, and says {@code who}. */
    void askToTheEnd(String who) throws IOException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        for (boolean last = false; !last; ) {
            assertTrue(System.nanoTime() < deadline, "it is not told to go");
            Answer answer = ask();
            assertEquals(who, answer.body());
            last = answer.isLast();
        }
        assertTrue(ends());
    }

    /** Sends a request but for the {@code length} bytes of its body, and is back when the application waits for them. */
    Browser beginPost(int length) throws IOException {
        say("POST / HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\nContent-Length: "
                + length + "\r\n\r\n");
        Answer answer = hear();
        if (answer.status() != 100) {
            throw new IOException("not awaited, but answered: " + answer);
        }
        return this;
    }

    /** The next answer, whole. */
    Answer hear() throws IOException {
        int status = Integer.parseInt(line().split(" ")[1]);
        Map<String, String> fields = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            fields.put(line.substring(0, colon), line.substring(colon + 1).trim());
        }
        return new Answer(status, fields, status == 100 ? "" : body(fields));
    }

    private String body(Map<String, String> fields) throws IOException {
        if (!fields.containsKey("transfer-encoding")) {
            return bytes(Integer.parseInt(fields.get("content-length")));
        }
        StringBuilder body = new StringBuilder();
        for (int length; (length = Integer.parseInt(line(), 16)) > 0; line()) {
            body.append(bytes(length));
        }
        line();
        return body.toString();
    }

    private String bytes(int length) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new EOFException("a body of " + length + " bytes ends after " + bytes.length);
        }
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int next; (next = in.read()) != '\n'; ) {
            if (next < 0) {
                throw new EOFException("the connection ends after \"" + line + "\"");
            }
            line.write(next);
        }
        return line.toString(StandardCharsets.ISO_8859_1).stripTrailing();
    }

    /** Whether nothing comes any more, and the connection ends as it should. */
    boolean ends() throws IOException {
        return in.read() < 0;
    }

    /** Whether nothing has come within a moment. */
    boolean hearsNothing() throws IOException {
        socket.setSoTimeout(300);
        try {
            in.read();
            return false;
        } catch (SocketTimeoutException e) {
            return true;
        } finally {
            socket.setSoTimeout((int) PATIENCE.toMillis());
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}

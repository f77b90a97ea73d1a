package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.pkitesting.X509Bundle;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLContext;

/** A client that says lines, and does not wait for ever. */
final class Client implements AutoCloseable {
    private final Socket socket;
    private final BufferedReader in;

    Client(int port) throws IOException {
        this(new Socket(InetAddress.getLoopbackAddress(), port));
    }

    Client(Socket socket) throws IOException {
        this.socket = socket;
        socket.setSoTimeout((int) Stage.PATIENCE.toMillis());
        in = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII));
    }

    /** One that speaks TLS, and trusts this certificate. */
    static Client secure(int port, X509Bundle certificate) throws Exception {
        return secure(new Socket(InetAddress.getLoopbackAddress(), port), certificate);
    }

    /** The same, on a connection that is there. */
    static Client secure(Socket plain, X509Bundle certificate) throws Exception {
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, certificate.toTrustManagerFactory().getTrustManagers(), null);
        return new Client(tls.getSocketFactory().createSocket(plain, "localhost", plain.getPort(), true));
    }

    Client say(String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
        return this;
    }

    Client saysNoMore() throws IOException {
        socket.shutdownOutput();
        return this;
    }

    /** The next line; null: the end. */
    String hear() throws IOException {
        return in.readLine();
    }

    /** The next line but for the one that says that it has moved, which may come before any reply. */
    String hearsReply() throws IOException {
        String line = hear();
        return "resumed".equals(line) ? hear() : line;
    }

    /** Sees that the next line is this one. */
    Client hears(String line) throws IOException {
        assertEquals(line, hear());
        return this;
    }

    /** The next character, after lines. */
    int hearByte() throws IOException {
        return in.read();
    }

    InputStream bytes() throws IOException {
        return socket.getInputStream();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}

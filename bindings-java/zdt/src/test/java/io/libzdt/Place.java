package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.stream.Stream;

/** A directory of our own that goes when the test ends, and sockets. */
record Place(Path directory) implements AutoCloseable {
    /** How long anything that must happen may take, on a machine that is busy with other things. */
    static final Duration PATIENCE = Duration.ofSeconds(20);

    static Place fresh() throws IOException {
        return new Place(Files.createTempDirectory("zdt-"));
    }

    Path socket() {
        return directory.resolve("zdt.sock");
    }

    @Override
    public void close() throws IOException {
        try (Stream<Path> all = Files.walk(directory)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    /** Two ends of a TCP connection: the client's, which does not wait for ever, and the server's. */
    record Pair(Socket client, SocketChannel server) implements AutoCloseable {
        static Pair tcp() throws IOException {
            try (ServerSocketChannel listener = ServerSocketChannel.open()) {
                listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
                Socket client = connect(listener);
                return new Pair(client, listener.accept());
            }
        }

        int descriptor() throws ZdtException {
            return Descriptors.of(server);
        }

        @Override
        public void close() throws IOException {
            client.close();
            server.close();
        }
    }

    static Socket connect(ServerSocketChannel listener) throws IOException {
        Socket client = new Socket();
        client.connect(listener.getLocalAddress());
        client.setSoTimeout((int) PATIENCE.toMillis());
        return client;
    }

    /** Sees that {@code text} goes to the client. */
    static void goes(SocketChannel from, Socket to, String text) throws IOException {
        write(from, text);
        assertEquals(text, read(to, text.length()));
    }

    /** Sees that {@code text} comes from the client. */
    static void goes(Socket from, SocketChannel to, String text) throws IOException {
        from.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
        ByteBuffer got = ByteBuffer.allocate(text.length());
        while (got.hasRemaining() && to.read(got) >= 0) {}
        assertEquals(text, new String(got.array(), 0, got.position(), StandardCharsets.UTF_8));
    }

    static void write(SocketChannel to, String text) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            to.write(bytes);
        }
    }

    static String read(Socket from, int length) throws IOException {
        return new String(from.getInputStream().readNBytes(length), StandardCharsets.UTF_8);
    }
}

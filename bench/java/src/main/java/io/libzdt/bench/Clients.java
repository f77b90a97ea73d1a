package io.libzdt.bench;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;

/** The other ends of the connections: of the conductor, whose time is not counted. */
final class Clients implements AutoCloseable {
    private final List<SocketChannel> connections = new ArrayList<>();

    /** As fast as one thread can. */
    Clients(int count, int port) throws IOException {
        InetSocketAddress address = new InetSocketAddress("127.0.0.1", port);
        while (connections.size() < count) {
            SocketChannel connection = SocketChannel.open(address);
            connection.setOption(StandardSocketOptions.SO_LINGER, 0); // no port is left in TIME_WAIT
            connections.add(connection);
        }
    }

    /** A byte goes to the server on each of them and comes back. */
    void echo() throws IOException {
        for (int i = 0; i < connections.size(); i++) {
            connections.get(i).write(ByteBuffer.wrap(new byte[] {(byte) i}));
        }
        for (int i = 0; i < connections.size(); i++) {
            ByteBuffer answer = ByteBuffer.allocate(2);
            if (connections.get(i).read(answer) != 1 || answer.get(0) != (byte) i) {
                throw new IOException("connection " + i + " is lost");
            }
        }
    }

    @Override
    public void close() throws IOException {
        for (SocketChannel connection : connections) {
            connection.close();
        }
    }
}

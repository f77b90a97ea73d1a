package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.Test;

/** Descriptors out of sockets of java.net. */
class SocketsTest {
    private static ServerSocket listener() throws IOException {
        return new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
    }

    @Test
    void a_connection_of_java_net_goes_on_over_its_descriptor_and_letting_go_sends_nothing() throws IOException {
        try (ServerSocket listener = listener();
                Socket client = new Socket(listener.getInetAddress(), listener.getLocalPort())) {
            client.setSoTimeout((int) Place.PATIENCE.toMillis());
            Socket served = listener.accept();
            try (SocketChannel elsewhere = Descriptors.socketChannel(Descriptors.dup(Descriptors.of(served)))) {
                assertEquals(client.getLocalSocketAddress(), elsewhere.getRemoteAddress());
                Descriptors.letGo(served);
                assertTrue(served.isClosed());
                Place.goes(elsewhere, client, "still alive");
                Place.goes(client, elsewhere, "both ways");
            }
        }
    }

    @Test
    void a_listener_of_java_net_accepts_over_its_descriptor() throws IOException {
        try (ServerSocket listener = listener()) {
            ServerSocketChannel channel = Descriptors.serverSocketChannel(Descriptors.dup(Descriptors.of(listener)));
            // Its own copy does not end the service.
            listener.close();
            try (channel;
                    Socket client = Place.connect(channel);
                    SocketChannel served = channel.accept()) {
                Place.goes(served, client, "accepted");
            }
        }
    }

    @Test
    void the_adaptors_of_channels_have_the_descriptor_of_their_channel() throws IOException {
        try (ServerSocketChannel listener = ListenerSpec.tcp("127.0.0.1:0").bind();
                Socket client = Place.connect(listener);
                SocketChannel served = listener.accept()) {
            assertEquals(Descriptors.of(listener), Descriptors.of(listener.socket()));
            assertEquals(Descriptors.of(served), Descriptors.of(served.socket()));
            Place.goes(served, client, "as before");
        }
    }

    @Test
    void what_has_no_descriptor_or_cannot_move_says_so() throws IOException {
        Socket unconnected = new Socket();
        ServerSocket closed = listener();
        closed.close();
        ServerSocket unbound = new ServerSocket();
        assertThrows(ZdtArgumentException.class, () -> Descriptors.of(unconnected));
        assertThrows(ZdtArgumentException.class, () -> Descriptors.of(closed));
        assertThrows(ZdtArgumentException.class, () -> Descriptors.of(unbound));
        try (Socket tls = SSLSocketFactory.getDefault().createSocket()) {
            ZdtArgumentException error = assertThrows(ZdtArgumentException.class, () -> Descriptors.of(tls));
            assertTrue(error.getMessage().contains("is of TLS, which cannot move"), error.getMessage());
        }
    }
}

package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.examples.Smallest;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The example of the README, as processes of their own. */
class SmallestTest {
    private static Process start(Place place, InetSocketAddress address) throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Smallest.class.getName(),
                        place.socket().toString(),
                        ListenerSpec.tcp(address).toString().replace("tcp://", ""))
                .inheritIO()
                .start();
    }

    private static void echoes(List<Socket> clients, String text) throws IOException {
        for (Socket client : clients) {
            client.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
        }
        for (Socket client : clients) {
            assertEquals(text, Place.read(client, text.length()));
        }
    }

    @Test
    void every_connection_outlives_the_process_that_accepted_it() throws Exception {
        // An address of our own, so that nobody else takes the port before the server does.
        byte[] loopback = {127, 0, 0, 0};
        for (int i = 1; i < 4; i++) {
            loopback[i] = (byte) ThreadLocalRandom.current().nextInt(1, 250);
        }
        InetSocketAddress address;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getByAddress(loopback))) {
            address = (InetSocketAddress) free.getLocalSocketAddress();
        }
        List<Socket> clients = new ArrayList<>();
        try (Place place = Place.fresh()) {
            Process first = start(place, address);
            Process second = null;
            try {
                for (int i = 0; i < 50; i++) {
                    clients.add(connect(address));
                }
                echoes(clients, "hello");
                second = start(place, address);
                while (first.isAlive()) {
                    echoes(clients, "during");
                }
                assertEquals(0, first.waitFor());
                echoes(clients, "after");
            } finally {
                first.destroyForcibly().waitFor();
                if (second != null) {
                    assertTrue(second.isAlive());
                    second.destroyForcibly().waitFor();
                }
            }
        }
        for (Socket client : clients) {
            client.close();
        }
    }

    /** The server may only just be on its way. */
    private static Socket connect(InetSocketAddress address) throws IOException, InterruptedException {
        long until = System.nanoTime() + Place.PATIENCE.toNanos();
        while (true) {
            Socket client = new Socket();
            try {
                client.connect(address);
                client.setSoTimeout((int) Place.PATIENCE.toMillis());
                return client;
            } catch (ConnectException e) {
                client.close();
                assertTrue(System.nanoTime() < until, "nobody listens");
                TimeUnit.MILLISECONDS.sleep(20);
            }
        }
    }
}

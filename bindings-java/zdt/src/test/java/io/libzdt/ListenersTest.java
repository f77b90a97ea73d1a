package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What tests/behaviours.txt promises of listeners that are not TCP, that move, are renamed or retired. */
class ListenersTest {
    private static final ListenerSpec ANYWHERE = ListenerSpec.tcp("127.0.0.1:0");

    private Place place;
    private Takeover first;

    @BeforeEach
    void begin() throws Exception {
        place = Place.fresh();
        first = Takeover.open(place.socket(), Two.quick().build());
    }

    @AfterEach
    void end() throws Exception {
        first.close();
        place.close();
    }

    private Two beside(Config.Builder config) throws Exception {
        return new Two(first, Two.openBeside(first, place.socket(), config));
    }

    /** The successor is ready; what it left to the predecessor. */
    private static List<String> drained(Two two) throws Exception {
        two.second.ready();
        return two.firstGets(Event.Drain.class).retired();
    }

    private static void complete(Two two) throws Exception {
        two.first.migratedAll();
        two.secondGets(Event.Committed.class);
        two.firstGets(Event.Done.class);
    }

    private static void served(ServerSocketChannel listener, Socket client) throws Exception {
        try (SocketChannel connection = listener.accept()) {
            Place.goes(connection, client, "served");
        }
        client.close();
    }

    private static String datagram(int descriptor) throws ZdtException {
        return new String(Descriptors.receive(descriptor, 8).data(), StandardCharsets.UTF_8);
    }

    @Test
    void datagrams_that_wait_are_read_by_the_successor_once() throws Exception {
        ListenerSpec spec = ListenerSpec.udp("127.0.0.1:0");
        assertEquals(spec, ListenerSpec.udp(new InetSocketAddress("127.0.0.1", 0)));
        ZdtException error = assertThrows(ZdtException.class, () -> first.listener("dns", spec));
        assertEquals(ErrorKind.UNSUPPORTED, error.kind());
        int before = first.listenerDescriptor("dns", spec);
        first.ready();
        try (DatagramSocket client = new DatagramSocket();
                Two two = beside(Two.quick())) {
            client.connect(Descriptors.local(before));
            send(client, "1");
            send(client, "2");
            assertEquals("1", datagram(before));
            int after = two.second.listenerDescriptor("dns", spec);
            assertEquals(List.of(), drained(two));
            send(client, "3");
            complete(two);
            Descriptors.close(before);
            send(client, "4");
            for (String expected : List.of("2", "3", "4")) {
                assertEquals(expected, datagram(after));
            }
            assertFalse(Descriptors.isUnserved(after));
            Descriptors.close(after);
        }
    }

    private static void send(DatagramSocket from, String text) throws Exception {
        from.send(new DatagramPacket(text.getBytes(StandardCharsets.UTF_8), text.length()));
    }

    @Test
    void an_abstract_name_is_inherited_with_whoever_waits_there() throws Exception {
        String name = "zdt-java-" + ProcessHandle.current().pid();
        ListenerSpec spec = ListenerSpec.abstractUnix(name.getBytes(StandardCharsets.UTF_8));
        assertEquals("unix://@" + name, spec.toString());
        assertEquals(spec, ListenerSpec.parse(spec.toString()));
        ServerSocketChannel before = first.listener("bus", spec);
        first.ready();
        // Java itself cannot name it.
        String script = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0" + name
                + "'); s.sendall(b'here'); s.recv(1)";
        Process client = new ProcessBuilder("python3", "-c", script).inheritIO().start();
        try (Two two = beside(Two.quick());
                ServerSocketChannel after = two.second.listener("bus", spec)) {
            assertEquals(List.of(), drained(two));
            complete(two);
            before.close();
            try (SocketChannel connection = after.accept()) {
                ByteBuffer got = ByteBuffer.allocate(4);
                while (got.hasRemaining() && connection.read(got) >= 0) {}
                assertEquals("here", new String(got.array(), StandardCharsets.UTF_8));
            }
        } finally {
            client.waitFor(Place.PATIENCE.toSeconds(), TimeUnit.SECONDS);
            client.destroyForcibly();
        }
    }

    @Test
    void a_retired_listener_is_served_by_its_predecessor() throws Exception {
        ServerSocketChannel listener = first.listener("http", ANYWHERE);
        first.ready();
        Socket early = Place.connect(listener);
        try (Two two = beside(Two.quick())) {
            assertThrows(ZdtArgumentException.class, () -> two.second.retire("other"));
            two.second.retire("http");
            assertEquals(List.of(), two.second.unclaimed());
            assertEquals(List.of("http"), drained(two));
            served(listener, early);
            Socket late = Place.connect(listener);
            complete(two);
            served(listener, late);
            listener.close();
        }
    }

    @Test
    void what_is_not_what_was_asked_for_is_bound_beside_it_if_so_configured() throws Exception {
        ServerSocketChannel before = first.listener("http", ANYWHERE);
        first.ready();
        Socket early = Place.connect(before);
        ListenerSpec elsewhere = ListenerSpec.tcp("127.0.0.2:0");
        try (Two two = beside(Two.quick().onMismatch(OnMismatch.BIND))) {
            ServerSocketChannel after = two.second.listener("http", elsewhere);
            assertNotEquals(before.getLocalAddress(), after.getLocalAddress());
            assertEquals(List.of("http"), drained(two));
            served(after, Place.connect(after));
            served(before, early);
            before.close();
            after.close();
        }
    }

    @Test
    void a_listener_is_inherited_by_its_address_under_a_new_name() throws Exception {
        ServerSocketChannel before = first.listener("http", ANYWHERE);
        first.ready();
        Socket client = Place.connect(before);
        try (Two two = beside(Two.quick())) {
            ServerSocketChannel after = two.second.listener("web", (InetSocketAddress) before.getLocalAddress());
            assertEquals(List.of(), drained(two));
            before.close();
            served(after, client);
            after.close();
        }
    }
}

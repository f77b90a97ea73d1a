package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Servers with a thread in accept(), whose connections stay. */
@Timeout(60)
class NioTakeoverTest {
    private Place place;

    @BeforeEach
    void begin() throws Exception {
        place = Place.fresh();
    }

    @AfterEach
    void end() throws Exception {
        place.close();
    }

    /** Answers each byte with its name; one that is a '!' only when it is told to. */
    private static final class Echo implements Drainable, AutoCloseable {
        final Takeover takeover;
        final ServerSocketChannel listener;
        final BlockingQueue<String> told = new LinkedBlockingQueue<>();
        private final Set<SocketChannel> idle = ConcurrentHashMap.newKeySet();
        private final BlockingQueue<Byte> answers = new LinkedBlockingQueue<>();
        private final byte name;

        Echo(Path path, String address, char name, Config.Builder config) throws ZdtException {
            this.name = (byte) name;
            takeover = Takeover.open(path, config.build());
            listener = NioTakeover.of(takeover).listen("echo", ListenerSpec.tcp(address), this);
            start(this::accept);
        }

        private void accept() throws IOException {
            while (true) {
                SocketChannel connection = listener.accept();
                idle.add(connection);
                start(() -> serve(connection));
            }
        }

        private void serve(SocketChannel connection) throws Exception {
            ByteBuffer one = ByteBuffer.allocate(1);
            try (connection) {
                while (connection.read(one.clear()) > 0) {
                    idle.remove(connection);
                    byte answer = one.get(0) == '!' ? answers.take() : name;
                    idle.add(connection);
                    connection.write(ByteBuffer.wrap(new byte[] {answer}));
                }
            }
        }

        private interface Task {
            void run() throws Exception;
        }

        private static void start(Task task) {
            Thread thread = new Thread(() -> {
                try {
                    task.run();
                } catch (Exception e) {
                    // It is over.
                }
            });
            thread.setDaemon(true);
            thread.start();
        }

        void answer() {
            answers.add(name);
        }

        @Override
        public void drain() {
            told.add("drain");
        }

        @Override
        public void resume() {
            told.add("resume");
        }

        @Override
        public int closeIdle(int atMost) {
            int closed = 0;
            for (SocketChannel connection : idle) {
                if (closed < atMost && connection.isOpen()) {
                    try {
                        connection.close();
                        closed++;
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                }
            }
            return closed;
        }

        String told() throws InterruptedException {
            return told.poll(Place.PATIENCE.toSeconds(), TimeUnit.SECONDS);
        }

        @Override
        public void close() throws IOException {
            takeover.close();
            listener.close();
        }
    }

    private Echo echo(char name, Config.Builder config) throws ZdtException {
        return new Echo(place.socket(), "127.0.0.1:0", name, config);
    }

    private static void says(Socket client, char ask, char answer) throws IOException {
        client.getOutputStream().write(ask);
        assertEquals(answer, client.getInputStream().read());
    }

    @Test
    void nothingIsAcceptedBeforeReady() throws Exception {
        try (Echo first = echo('1', Two.quick());
                Socket client = Place.connect(first.listener)) {
            client.getOutputStream().write('a');
            client.setSoTimeout(300);
            assertThrows(
                    java.net.SocketTimeoutException.class,
                    () -> client.getInputStream().read());
            client.setSoTimeout((int) Place.PATIENCE.toMillis());
            first.takeover.ready();
            assertEquals('1', client.getInputStream().read());
        }
    }

    @Test
    void aConnectionIsServedToItsEndWhereItIsWhileTheSuccessorAccepts() throws Exception {
        Config.Builder config = Two.quick().drain(Duration.ofSeconds(6));
        try (Echo first = echo('1', config)) {
            first.takeover.ready();
            try (Socket stays = Place.connect(first.listener)) {
                says(stays, 'a', '1');
                stays.getOutputStream().write('!'); // in flight from here on
                try (Echo second = echo('2', Two.quick())) {
                    second.takeover.ready();
                    assertEquals("drain", first.told());
                    try (Socket fresh = Place.connect(second.listener)) {
                        says(fresh, 'a', '2');
                        first.answer();
                        assertEquals('1', stays.getInputStream().read());
                        assertEquals(-1, stays.getInputStream().read(), "idle: closed before the deadline");
                        first.takeover.awaitDone();
                        says(fresh, 'a', '2');
                    }
                }
            }
            assertFalse(first.listener.isOpen());
        }
    }

    @Test
    void withoutASuccessorWhatIsInFlightIsFinishedAndTheHandleCloses() throws Exception {
        try (Echo first = echo('1', Two.quick())) {
            first.takeover.ready();
            try (Socket busy = Place.connect(first.listener);
                    Socket idle = Place.connect(first.listener)) {
                says(idle, 'a', '1');
                says(busy, 'a', '1');
                busy.getOutputStream().write('!');
                Thread.sleep(50); // let it be read
                first.takeover.drain();
                assertEquals(-1, idle.getInputStream().read());
                first.answer();
                assertEquals('1', busy.getInputStream().read());
                assertEquals(-1, busy.getInputStream().read());
                first.takeover.awaitDone();
            }
        }
    }

    @Test
    void aPredecessorAcceptsAgainWhenItsSuccessorIsKilled() throws Exception {
        try (Echo first = echo('1', Two.quick().probation(Place.PATIENCE))) {
            first.takeover.ready();
            Process successor = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-cp",
                            System.getProperty("java.class.path"),
                            Successor.class.getName(),
                            place.socket().toString())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            try {
                BufferedReader says = new BufferedReader(new InputStreamReader(successor.getInputStream()));
                assertEquals("ready", says.readLine());
                assertEquals("drain", first.told());
                try (Socket client = Place.connect(first.listener)) {
                    says(client, 'a', '2');
                }
            } finally {
                successor.destroyForcibly().waitFor();
            }
            assertEquals("resume", first.told());
            try (Socket client = Place.connect(first.listener)) {
                says(client, 'a', '1');
            }
        }
    }

    /** Another process, which serves until it is killed. */
    static final class Successor {
        public static void main(String[] arguments) throws Exception {
            Echo second = new Echo(Path.of(arguments[0]), "127.0.0.1:0", '2', Two.quick());
            second.takeover.ready();
            System.out.println("ready");
            second.takeover.awaitDone();
        }
    }

    @Test
    void acceptEndsWhereTheListenerIsClosedOrTheThreadInterrupted() throws Exception {
        try (Echo first = echo('1', Two.quick())) {
            FutureTask<SocketChannel> accepting = new FutureTask<>(first.listener::accept);
            new Thread(accepting).start();
            first.listener.close();
            ExecutionException closed = assertThrows(ExecutionException.class, accepting::get);
            assertTrue(closed.getCause() instanceof java.nio.channels.ClosedChannelException, closed.toString());
        }
        try (Echo first = echo('1', Two.quick())) {
            Thread.currentThread().interrupt();
            assertThrows(ClosedByInterruptException.class, first.listener::accept);
            assertTrue(Thread.interrupted());
        }
    }

    @Test
    void theSharedSocketStaysNonBlockingWhateverTheServerAsksOfItsChannel() throws Exception {
        try (Echo first = echo('1', Two.quick())) {
            first.listener.configureBlocking(true); // as Jetty and Tomcat do
            assertTrue(first.listener.isBlocking());
            assertThrows(UnsupportedOperationException.class, () -> first.listener.configureBlocking(false));
            assertTrue(
                    Descriptors.nonBlocking(descriptor(first.listener)), "O_NONBLOCK was cleared for both processes");
        }
    }

    private static int descriptor(ServerSocketChannel gated) throws Exception {
        var inner = GatedListener.class.getDeclaredField("listener");
        inner.setAccessible(true);
        return Descriptors.of((ServerSocketChannel) inner.get(gated));
    }
}

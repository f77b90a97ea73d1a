package io.libzdt.examples;

import io.libzdt.ErrorKind;
import io.libzdt.Gate;
import io.libzdt.ListenerSpec;
import io.libzdt.ReuseportGroup;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * The classic way without its loss: the next process binds the same port and signals this one, which stops accepting,
 * finishes what is in flight and ends. It echoes, on two sockets that share the port; each connection has a thread.
 *
 * <pre>java -cp ... io.libzdt.examples.Classic /tmp/classic.pid tcp://127.0.0.1:7007</pre>
 *
 * The examples in C and Python do the same: each can follow each other one.
 */
public final class Classic {
    private static final int WORKERS = 2;

    private final Gate gate = new Gate();
    private volatile boolean told;
    private int status = 1;

    public static void main(String[] arguments) throws IOException {
        new Classic().run(Path.of(arguments[0]), ListenerSpec.parse(arguments[1]));
    }

    private void run(Path pidfile, ListenerSpec spec) throws IOException {
        try (Selector selector = Selector.open();
                ReuseportGroup group = ReuseportGroup.bind(spec, WORKERS)) { // beside the predecessor's
            stopWhenTold(selector);
            for (ServerSocketChannel listener : group.listeners().values()) {
                listener.register(selector, SelectionKey.OP_ACCEPT);
            }
            tell(pidfile);
            writePid(pidfile);
            while (!told) {
                selector.select();
                selector.selectedKeys().clear();
                for (ServerSocketChannel listener : group.listeners().values()) {
                    serve(listener);
                }
            }
            try {
                group.retire(1, null, this::serve);
            } catch (ZdtException e) { // nobody there: this was a plain stop
                System.err.println("classic: " + e.getMessage());
            }
        }
        gate.close();
        gate.await(null); // what is in flight
        status = 0;
    }

    /** A JVM that gets a SIGHUP or SIGTERM runs its hooks, while all threads go on, and ends with the last of them. */
    private void stopWhenTold(Selector selector) {
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            told = true;
            selector.wakeup();
            try {
                main.join();
            } catch (InterruptedException e) {
                status = 1;
            }
            Runtime.getRuntime().halt(status);
        }));
    }

    /** Accepts until that would block. */
    private void serve(ServerSocketChannel listener) throws IOException {
        for (SocketChannel connection; (connection = listener.accept()) != null; ) {
            SocketChannel accepted = connection;
            gate.enter();
            new Thread(() -> echo(accepted)).start();
        }
    }

    private void echo(SocketChannel connection) {
        ByteBuffer bytes = ByteBuffer.allocate(4096);
        try (connection) {
            while (connection.read(bytes.clear()) >= 0) {
                bytes.flip();
                while (bytes.hasRemaining()) {
                    connection.write(bytes);
                }
            }
        } catch (IOException e) {
            // The client has left.
        } finally {
            gate.leave();
        }
    }

    /** Java has no SIGHUP to send; a SIGTERM says the same here, and goes by a pidfd to no other process. */
    private static void tell(Path pidfile) throws IOException {
        try {
            Takeover.signalDrain(Integer.parseInt(Files.readString(pidfile).strip()));
        } catch (NoSuchFileException e) {
            // We are the first.
        } catch (ZdtException e) {
            if (e.kind() != ErrorKind.PEER_GONE) {
                throw e;
            }
        }
    }

    private static void writePid(Path pidfile) throws IOException {
        long pid = ProcessHandle.current().pid();
        Path temporary = Path.of(pidfile + "." + pid);
        Files.writeString(temporary, pid + "\n");
        Files.move(temporary, pidfile, StandardCopyOption.ATOMIC_MOVE);
    }
}

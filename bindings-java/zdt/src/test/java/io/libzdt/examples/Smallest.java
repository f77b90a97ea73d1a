package io.libzdt.examples;

import io.libzdt.Adopted;
import io.libzdt.Descriptors;
import io.libzdt.Event;
import io.libzdt.Frozen;
import io.libzdt.ListenerSpec;
import io.libzdt.Offer;
import io.libzdt.Takeover;
import io.libzdt.ZdtArgumentException;
import io.libzdt.ZdtException;
import io.libzdt.ZdtStateException;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;

/**
 * The smallest server that can be taken over, with java.nio: it echoes. Start it, connect, start it again: the second one
 * goes on with the same connections, and the first one ends. Those in Rust (core/examples/smallest.rs) and in C
 * (bindings-c/examples/smallest.c) can take over too.
 *
 * <pre>java -cp ... io.libzdt.examples.Smallest /tmp/smallest.sock 127.0.0.1:7007</pre>
 *
 * It looks at its sockets every millisecond; a real server has a selector, and {@code dispatch} tell it what happens.
 */
public final class Smallest {
    public static void main(String[] arguments) throws IOException {
        Path path = Path.of(arguments[0]);
        String address = arguments[1];
        // README: begin
        Takeover takeover = Takeover.open(path); // finds a predecessor, or is the first
        Smallest echo = new Smallest(takeover.listener("echo", ListenerSpec.tcp(address))); // inherited, or bound
        takeover.ready(); // from here on we accept, and a predecessor offers its connections
        while (!echo.isOver()) {
            Event event = takeover.nextEvent(Duration.ofMillis(1));
            if (event == null) echo.serve(); // nothing happened: serve for a moment
            else if (event instanceof Offer offer) echo.adopt(offer); // a live connection of the predecessor's
            else if (event instanceof Event.Drain || event instanceof Event.Room) echo.migrate(takeover);
            else if (event instanceof Event.Settled settled) echo.letGo(settled.id()); // adopted over there
            else if (event instanceof Event.Returned back) echo.thaw(back.connection()); // still ours, as it was
            else if (event instanceof Event.Resume || event instanceof Event.Accept) echo.accepting = true;
            else if (!(event instanceof Event.Committed)) echo.leave(); // Done, Relieved, Aborted
        }
        // README: end
        takeover.close();
    }

    /** Null: the service is somebody else's for good. */
    private ServerSocketChannel listener;

    private boolean accepting = true;
    private final Map<Long, Live> all = new HashMap<>();
    private long last;

    private static final class Live {
        final SocketChannel channel;
        /** Read, and not written back yet. */
        final ByteBuffer unsent;
        /** On offer: not to be touched. */
        boolean frozen;

        Live(SocketChannel channel, byte[] unsent) {
            this.channel = channel;
            this.unsent = ByteBuffer.allocate(Math.max(4096, unsent.length)).put(unsent);
        }

        /** Reads and writes back until it would have to wait; an error where the connection is at its end. */
        void echo() throws IOException {
            while (true) {
                unsent.flip();
                boolean stuck = unsent.hasRemaining() && channel.write(unsent) == 0;
                unsent.compact();
                int read = stuck || unsent.position() > 0 ? 0 : channel.read(unsent);
                if (read < 0) {
                    throw new EOFException();
                }
                if (stuck || unsent.position() == 0) {
                    return;
                }
            }
        }

        byte[] unsent() {
            return Arrays.copyOf(unsent.array(), unsent.position());
        }

        /** Whoever uses a connection ends it with shutdown: another process may still hold a copy. */
        void end() throws IOException {
            Descriptors.shutdownAndClose(Descriptors.dup(Descriptors.of(channel)));
            channel.close();
        }
    }

    private Smallest(ServerSocketChannel listener) throws IOException {
        this.listener = listener;
        listener.configureBlocking(false);
    }

    private void add(SocketChannel channel, byte[] unsent) throws IOException {
        channel.configureBlocking(false);
        all.put(++last, new Live(channel, unsent));
    }

    /** Whatever can be done without waiting. */
    private void serve() throws IOException {
        while (accepting && listener != null) {
            SocketChannel channel = listener.accept();
            if (channel == null) {
                break;
            }
            add(channel, new byte[0]);
        }
        for (Iterator<Live> each = all.values().iterator(); each.hasNext(); ) {
            Live live = each.next();
            try {
                if (!live.frozen) {
                    live.echo();
                }
            } catch (IOException over) {
                live.end();
                each.remove();
            }
        }
    }

    /** What was half-way comes along: it is written before anything else. */
    private void adopt(Offer offer) throws IOException {
        Optional<Adopted> adopted = offer.adopt();
        if (adopted.isPresent()) {
            add(adopted.get().channel(), adopted.get().unsent());
        }
    }

    /** Freezes and offers every connection, as far as there is room. */
    private void migrate(Takeover takeover) throws IOException {
        accepting = false;
        for (Map.Entry<Long, Live> each : all.entrySet()) {
            Live live = each.getValue();
            if (live.frozen) {
                continue;
            }
            Frozen frozen = Frozen.of(each.getKey(), Descriptors.of(live.channel), "echo");
            try {
                live.frozen = takeover.migrate(frozen.unsent(live.unsent()));
                if (!live.frozen) {
                    return; // until there is room
                }
            } catch (ZdtException | ZdtArgumentException | ZdtStateException cannot) {
                // It stays, and ends with us.
            }
        }
        takeover.migratedAll();
    }

    /** Another process uses it: closed without a word to the client. */
    private void letGo(long id) throws IOException {
        Descriptors.letGo(all.remove(id).channel);
    }

    /** It was refused, or the successor is gone: on we go. */
    private void thaw(Frozen connection) {
        all.get(connection.id()).frozen = false;
    }

    /** The service goes on elsewhere; what is left here is served to its end. */
    private void leave() throws IOException {
        if (listener != null) {
            listener.close();
            listener = null;
        }
    }

    private boolean isOver() {
        return listener == null && all.isEmpty();
    }
}

package io.libzdt;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;

/**
 * Some sockets at one address (SO_REUSEPORT, socket(7)), one for each worker: TCP listeners or UDP sockets. The kernel
 * spreads what arrives over them and over those of a successor, which binds the same address, as many as it likes. None of
 * this knows of a takeover.
 *
 * <p>A listener that is closed resets whoever waits in its queue and every handshake that is under way. {@link #retire}
 * does not: the kernel is told to give all that is new to the successor's sockets (classic BPF, no privilege needed), what
 * is left is accepted here, and only then is each closed.
 *
 * <pre>{@code
 * ReuseportGroup group = ReuseportGroup.bind(ListenerSpec.tcp("0.0.0.0:8080"), 4);
 * // ... serve, until a successor says that its 4 sockets listen there too
 * group.retire(4, null, this::serve);
 * }</pre>
 *
 * <p>All sockets of a process at an address belong in one group. One thread at a time may call a group; its sockets may be
 * used from any thread meanwhile. Keep the group as long as its sockets. {@link #close} closes what is left at once, with
 * the loss that this means.
 */
public final class ReuseportGroup implements AutoCloseable {
    /**
     * How long is waited for the slowest handshake, where nothing else is said: SYN-ACKs are sent again after 1 and 3
     * seconds (RFC 6298), so two that get lost in a row are within it.
     */
    public static final Duration WAIT = Duration.ofSeconds(5);

    /** How soon one looks again where something could not be accepted, for lack of descriptors as a rule. */
    private static final Duration AGAIN = Duration.ofMillis(10);

    /** How often one looks whether a predecessor has left. */
    private static final Duration LOOK = Duration.ofMillis(50);

    /** Accepts. */
    @FunctionalInterface
    public interface Server {
        /**
         * Accepts until {@code accept} gives null.
         *
         * @param listener where somebody waits; non-blocking, and the group's to close
         * @throws IOException ends {@link #retire}
         */
        void serve(ServerSocketChannel listener) throws IOException;
    }

    /**
     * How it went.
     *
     * @param closed how many of our sockets were closed
     * @param successors how many of the successor's stay
     * @param waits how often was waited: once, again whenever the group's members changed, and once more where one socket
     *     of a successor's takes the place of several
     */
    public record Retired(int closed, int successors, int waits) {}

    /**
     * What the kernel itself does for connections on their way to a listener that is closed, in this network namespace
     * (ip-sysctl.rst). Nothing here relies on it, and a library cannot switch it on, since that needs CAP_NET_ADMIN.
     *
     * @param migrates net.ipv4.tcp_migrate_req (Linux 5.14): whoever waits in the queue of a TCP listener that is closed,
     *     and whoever is half connected to it, moves to another one of its group
     * @param syncookies net.ipv4.tcp_syncookies: 0 never; 1 (the default) where a queue overflows; 2 always
     */
    public record Kernel(boolean migrates, int syncookies) {}

    private final long handle;
    private final boolean udp;
    /** Made when they are first asked for; each has a descriptor of its own. */
    private SortedMap<Integer, ServerSocketChannel> listeners;
    /** What is to be closed with the next step; one at most. */
    private final SortedMap<Integer, ServerSocketChannel> leaving = new TreeMap<>();

    private ReuseportGroup(long handle, boolean udp) {
        this.handle = handle;
        this.udp = udp;
        Native.CLEANER.register(this, () -> Native.groupForget(handle));
    }

    /**
     * Binds sockets at the same address, in a group with whoever is there already. A steering that an earlier generation
     * left behind ends. Does not block.
     *
     * @param spec TCP or UDP; port 0: any, the same for all
     * @param count how many
     * @return the group
     * @throws ZdtException {@link ErrorKind#ADDRESS_IN_USE}: somebody is there without SO_REUSEPORT, or as another user;
     *     {@code SYSTEM}. Nothing is left behind
     * @throws ZdtArgumentException {@link ErrorKind#INVALID_ARGUMENT}: a count of less than 1, a Unix path
     */
    public static ReuseportGroup bind(ListenerSpec spec, int count) throws ZdtException {
        String text = spec.toString();
        return new ReuseportGroup(Native.group(text, count), text.startsWith("udp://"));
    }

    /** {@return what the kernel does beside; does not block} */
    public static Kernel kernel() {
        int[] found = Native.kernel();
        return new Kernel(found[0] != 0, found[1]);
    }

    /** {@return where the sockets are bound} */
    public InetSocketAddress address() {
        return (InetSocketAddress) Addresses.read(Native.groupAddress(handle));
    }

    /**
     * The TCP listeners that are still open, by index, as channels in non-blocking mode: they stay so. The group closes
     * them; see {@link ReuseportStep.Closed}.
     *
     * @return the same channels each time
     * @throws ZdtException {@link ErrorKind#UNSUPPORTED}: as {@link Descriptors#serverSocketChannel}, or the sockets are of
     *     UDP: use {@link #descriptor}. {@code SYSTEM}: no descriptors were left; nothing was opened, call again
     * @throws IOException as {@code configureBlocking}
     */
    public SortedMap<Integer, ServerSocketChannel> listeners() throws IOException {
        if (udp) {
            throw Fault.of(
                            ErrorKind.UNSUPPORTED,
                            "a ServerSocketChannel is for what accepts connections, not for UDP",
                            "nothing was opened; use descriptor")
                    .told();
        }
        if (listeners == null) {
            listeners = channels();
        }
        return Collections.unmodifiableSortedMap(new TreeMap<>(listeners));
    }

    private SortedMap<Integer, ServerSocketChannel> channels() throws IOException {
        NioChannels.check();
        SortedMap<Integer, ServerSocketChannel> made = new TreeMap<>();
        boolean whole = false;
        try {
            for (int index : Native.groupIndexes(handle)) {
                int copy = Native.dup(Native.groupSocket(handle, index));
                ServerSocketChannel listener = NioChannels.own(copy, Descriptors::serverSocketChannel);
                made.put(index, listener);
                listener.configureBlocking(false);
            }
            whole = true;
            return made;
        } finally {
            if (!whole) {
                letGo(made);
            }
        }
    }

    /**
     * The group's own descriptor of a socket (non-blocking, close-on-exec), for UDP and for pollers of one's own. It stays
     * the group's: make a copy ({@link Descriptors#dup}) for whoever closes what he uses.
     *
     * @param index from 0 on
     * @return the descriptor
     * @throws ZdtArgumentException there is no such socket (any more)
     */
    public int descriptor(int index) {
        return Native.groupSocket(handle, index);
    }

    /**
     * Takes our listeners out of the group while the sockets of a successor stay: nobody is refused, reset or left in a
     * queue. Blocks until all is done, {@code wait} and a little more; where a predecessor of ours has not left yet, first
     * until it has. Interrupting the thread does not end it.
     *
     * <p>Meanwhile nobody else may accept from them, unless he stops when his listener is to be closed: for accept loops
     * that go on, and for UDP, there is {@link #startRetiring}.
     *
     * @param successors how many sockets the successor has, at least
     * @param wait for the slowest handshake: a shorter one loses that; null: {@link #WAIT}
     * @param server is called with a listener from which something can be accepted
     * @return how it went
     * @throws ZdtException as {@link #startRetiring}, but for {@code BUSY}, and {@link #step}; also {@code UNSUPPORTED}, as {@link #listeners}
     * @throws IOException of the server; or there was no selector to be had, and then nothing was changed. What the server
     *     throws leaves the group retiring, and {@link #step} goes on with it
     */
    public Retired retire(int successors, Duration wait, Server server) throws IOException {
        listeners();
        // First, since later there may be no descriptor left for it.
        try (Selector selector = Selector.open()) {
            for (ServerSocketChannel listener : listeners.values()) {
                listener.register(selector, SelectionKey.OP_ACCEPT);
            }
            while (isBusy(successors, wait)) {
                serveFor(LOOK, selector, server);
            }
            while (true) {
                ReuseportStep step = step();
                if (step instanceof ReuseportStep.Wait next) {
                    serveFor(next.time(), selector, server);
                } else if (step instanceof ReuseportStep.Accept next) {
                    serveOne(listeners.get(next.index()), server);
                } else if (step instanceof ReuseportStep.Done done) {
                    return done.retired();
                }
            }
        }
    }

    /**
     * Begins to retire, for accept loops or selectors of one's own: from here on everything new goes to the successor's
     * sockets. Then call {@link #step} until {@link ReuseportStep.Done}. Does not block, but for the moment (milliseconds at
     * most, as a rule) that it takes to find out which socket is where: packets are sent over loopback that no application
     * sees (on UDP, successors that joined while a predecessor of ours was there may read an empty datagram).
     *
     * @param successors how many sockets the successor has, at least
     * @param wait as for {@link #retire}; on UDP there is no handshake, so zero will do
     * @throws ZdtException {@link ErrorKind#PEER_GONE}: the kernel lists fewer sockets of others at the address (bound with
     *     SO_REUSEPORT, by the same user). {@code BUSY}: a predecessor of ours has not left yet. {@code SYSTEM}. Here and
     *     below nothing was changed, and all of ours serve on
     * @throws ZdtStateException {@link ErrorKind#WRONG_STATE}: begun already, or which socket is where cannot be found out:
     *     ours have filters, or loopback is down or closed to us; {@code CLOSED}
     * @throws ZdtArgumentException {@link ErrorKind#INVALID_ARGUMENT}: no successors
     */
    public void startRetiring(int successors, Duration wait) throws ZdtException {
        Native.groupStart(handle, successors, wait == null ? -1 : Native.nanos(wait));
    }

    /**
     * What to do next. Looks at who is in the group first: whoever joined or left meanwhile, all is steered and waited for
     * again. Does not block, but for a look as in {@link #startRetiring} if somebody left.
     *
     * @return what is next
     * @throws ZdtException {@link ErrorKind#PEER_GONE}: none of a successor's sockets is left: those of ours that are
     *     not closed yet serve on, and one can begin again. {@code SYSTEM} (no descriptor was left, for instance): call
     *     again
     * @throws ZdtStateException {@link ErrorKind#WRONG_STATE}: not begun; somebody holds a copy of a socket that was
     *     closed, for longer than a second: close it, then call again; or one cannot find out which socket is where: call
     *     again. {@code CLOSED}
     */
    public ReuseportStep step() throws ZdtException {
        letGo(leaving);
        ReuseportStep step = Native.groupStep(handle);
        if (step instanceof ReuseportStep.Closed closed && listeners != null) {
            leaving.put(closed.index(), listeners.remove(closed.index()));
        }
        return step;
    }

    /** Closes the sockets that are left, at once, with the loss that this means. Closing twice is fine. */
    @Override
    public void close() throws ZdtException {
        Native.groupForget(handle);
        letGo(leaving);
        if (listeners != null) {
            letGo(listeners);
        }
    }

    /** Begins to retire, unless a predecessor of ours has not left yet. */
    private boolean isBusy(int successors, Duration wait) throws ZdtException {
        try {
            startRetiring(successors, wait);
            return false;
        } catch (ZdtException e) {
            if (e.kind() != ErrorKind.BUSY) {
                throw e;
            }
            return true;
        }
    }

    private static void serveFor(Duration time, Selector selector, Server server) throws IOException {
        long until = System.nanoTime() + time.toNanos();
        boolean interrupted = false;
        try {
            for (long left; (left = until - System.nanoTime()) > 0; ) {
                // Rounded up; 0 would be for ever.
                selector.select(left / 1_000_000 + 1);
                interrupted |= Thread.interrupted();
                for (SelectionKey key : selector.selectedKeys()) {
                    serveOne((ServerSocketChannel) key.channel(), server);
                }
                selector.selectedKeys().clear();
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Lets the caller accept; where he could not, gives him a moment to become able to. */
    private static void serveOne(ServerSocketChannel listener, Server server) throws IOException {
        server.serve(listener);
        if (Descriptors.isUnserved(Descriptors.of(listener))) {
            LockSupport.parkNanos(AGAIN.toNanos());
        }
    }

    /** Closes the channels' copies of their sockets at once: one that is in a selector would keep its until it selects. */
    private static void letGo(SortedMap<Integer, ServerSocketChannel> gone) throws ZdtException {
        for (ServerSocketChannel listener : gone.values()) {
            if (listener.isOpen()) {
                Descriptors.neuter(Descriptors.of(listener));
            }
            try {
                listener.close();
            } catch (IOException e) {
                throw Fault.of(ErrorKind.SYSTEM, "close: " + e.getMessage(), "its socket is closed all the same")
                        .told();
            }
        }
        gone.clear();
    }
}

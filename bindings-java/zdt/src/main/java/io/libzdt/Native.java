package io.libzdt;

import io.libzdt.internal.NativeLibrary;
import java.lang.ref.Cleaner;
import java.net.InetSocketAddress;
import java.net.ProtocolFamily;
import java.net.SocketAddress;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;

/**
 * The calls into native code. Handles are numbers that native code looks up, and never pointers: a stale one is an error
 * ({@link ErrorKind#CLOSED} or {@link ErrorKind#WRONG_STATE}).
 */
final class Native {
    static final Cleaner CLEANER = Cleaner.create();

    static {
        NativeLibrary.load();
        prepare();
        Made.prepare();
    }

    private Native() {}

    /** As native code takes a duration; for ever long ones it is 292 years. */
    static long nanos(Duration duration) {
        try {
            return Math.max(0, duration.toNanos());
        } catch (ArithmeticException e) {
            return duration.isNegative() ? 0 : Long.MAX_VALUE;
        }
    }

    /** Looks up the classes that native code makes objects of. */
    private static native void prepare();

    // Takeover
    static native long open(byte[] path, Config config) throws ZdtException;

    static native void forget(long handle);

    static native long generation(long handle);

    static native Peer predecessor(long handle);

    static native int listener(long handle, String name, String spec) throws ZdtException;

    static native String[] unclaimed(long handle);

    static native void retire(long handle, String name) throws ZdtException;

    static native void ready(long handle) throws ZdtException;

    static native Event nextEvent(long handle, long nanos) throws ZdtException;

    static native int eventFd(long handle);

    /** The fields of a {@link Parcel}; arrays are null where there is nothing in them. */
    static native boolean migrate(
            long handle,
            long id,
            int descriptor,
            String protocol,
            int stateVersion,
            byte[] state,
            byte[] unread,
            byte[] unsent,
            byte[] local,
            byte[] peer,
            boolean dialled,
            Companion[] companions)
            throws ZdtException;

    static native void migratedAll(long handle) throws ZdtException;

    static native void drain(long handle) throws ZdtException;

    static native void setConnections(long handle, long count);

    static native Progress progress(long handle);

    static native void close(long handle);

    static native void signalDrain(int pid) throws ZdtException;

    // Offer; given: its descriptors are the caller's already
    static native boolean offerAdopted(long key, boolean given);

    static native void offerRefused(long key, boolean given, String why);

    static native void offerDropped(long key, boolean given);

    // ListenerSpec
    /** Parses, and sets one option if its name is not null. */
    static native String spec(String text, String option, int value);

    static native String unixSpec(byte[] path);

    static native String abstractSpec(byte[] name);

    static native int bind(String spec) throws ZdtException;

    // Gate
    static native long gate();

    static native boolean gateEnter(long gate);

    static native boolean gateLeave(long gate);

    static native void gateClose(long gate);

    static native void gateOpen(long gate);

    static native boolean gateWait(long gate, long nanos);

    static native long gateInFlight(long gate);

    static native void gateForget(long gate);

    // ReuseportGroup
    static native long group(String spec, int count) throws ZdtException;

    /** In the form of {@link Addresses}. */
    static native byte[] groupAddress(long group);

    static native int[] groupIndexes(long group);

    static native int groupSocket(long group, int index);

    static native void groupStart(long group, int successors, long nanos) throws ZdtException;

    static native ReuseportStep groupStep(long group) throws ZdtException;

    static native void groupForget(long group);

    /** Whether it migrates (1), and its SYN cookies. */
    static native int[] kernel();

    // Descriptors
    static native int dup(int descriptor) throws ZdtException;

    static native void closeDescriptor(int descriptor) throws ZdtException;

    static native void shutdown(int descriptor) throws ZdtException;

    static native void neuter(int descriptor) throws ZdtException;

    static native boolean isUnserved(int descriptor) throws ZdtException;

    static native boolean nonBlocking(int descriptor) throws ZdtException;

    static native int[] pair() throws ZdtException;

    /** '4', '6' or 'U'; 0: something else. */
    static native char family(int descriptor) throws ZdtException;

    /** Whether a socket is one of datagrams. */
    static native boolean isDatagram(int descriptor) throws ZdtException;

    /** In the form of {@link Addresses}; null where there is none. */
    static native byte[] address(int descriptor, boolean peer) throws ZdtException;

    static native void send(int socket, byte[] data, int[] descriptors) throws ZdtException;

    static native Received receive(int socket, int room) throws ZdtException;

    // java.nio, past its module's walls
    static native SocketChannel socketChannel(int descriptor, ProtocolFamily family, SocketAddress remote)
            throws ZdtException;

    static native ServerSocketChannel serverSocketChannel(int descriptor, ProtocolFamily family) throws ZdtException;

    /** The descriptor is one of UDP; {@code remote} is null where the socket is not connected. */
    static native DatagramChannel datagramChannel(int descriptor, ProtocolFamily family, InetSocketAddress remote)
            throws ZdtException;

    /** Of a {@code Socket} or {@code ServerSocket}; -1: it has none, or none any more. */
    static native int descriptorOfSocket(Object socket) throws ZdtException;

    static native int descriptorOf(SelectableChannel channel) throws ZdtException;

    /** One line for each error: number, word, whether a retry helps, with tabs between them. */
    static native String[] errors();
}

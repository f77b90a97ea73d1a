package io.libzdt;

import java.io.IOException;
import java.net.ProtocolFamily;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/**
 * Whether java.nio channels can be made from descriptors in this JVM: through constructors of the JDK's own that are no
 * part of its face. It is tried once, when the first channel is asked for; what needs no such channel works either way.
 */
final class NioChannels {
    private static final Fault UNUSABLE = tried(NioChannels::works);

    private NioChannels() {}

    /** Throws where channels cannot be made. */
    static void check() throws ZdtException {
        if (UNUSABLE != null) {
            throw UNUSABLE.told();
        }
    }

    interface Wrap<C> {
        C apply(int descriptor) throws ZdtException;
    }

    /** What {@code wrap} makes of a descriptor that is ours; closed if it makes nothing. */
    static <C> C own(int descriptor, Wrap<C> wrap) throws ZdtException {
        boolean made = false;
        try {
            C channel = wrap.apply(descriptor);
            made = true;
            return channel;
        } finally {
            if (!made) {
                Native.closeDescriptor(descriptor);
            }
        }
    }

    static ProtocolFamily family(int descriptor) throws ZdtException {
        return switch (Native.family(descriptor)) {
            case '4' -> StandardProtocolFamily.INET;
            case '6' -> StandardProtocolFamily.INET6;
            case 'U' -> StandardProtocolFamily.UNIX;
            default ->
                throw new ZdtArgumentException(Fault.of(
                        ErrorKind.INVALID_ARGUMENT,
                        "descriptor " + descriptor + " is no socket of IP or Unix",
                        "it is still yours"));
        };
    }

    interface Trial {
        boolean works() throws IOException;
    }

    /** Null where it works; else what to throw whenever somebody needs it. */
    static Fault tried(Trial trial) {
        try {
            return trial.works() ? null : unsupported("java.nio channels made from descriptors do not work");
        } catch (SystemException e) {
            return e.kind() == ErrorKind.UNSUPPORTED
                    ? unsupported(e.what())
                    : new Fault(
                            e.kind(),
                            "trying out java.nio: " + e.what(),
                            e.state(),
                            e.errno().orElse(0),
                            0);
        } catch (IOException | RuntimeException e) {
            return unsupported("java.nio channels made from descriptors do not work: " + e);
        }
    }

    /** A byte goes through a pair of channels, and a listener tells its address: then the constructors are as we know. */
    private static boolean works() throws IOException {
        int[] pair = Native.pair();
        try (SocketChannel one = own(pair[0], NioChannels::unix);
                SocketChannel other = own(pair[1], NioChannels::unix);
                ServerSocketChannel listener = own(Native.bind("tcp://127.0.0.1:0"), NioChannels::listener)) {
            // Blocking ones would be closed where this thread is interrupted.
            one.configureBlocking(false);
            other.configureBlocking(false);
            one.write(ByteBuffer.wrap(new byte[] {7}));
            ByteBuffer read = ByteBuffer.allocate(1);
            return other.read(read) == 1
                    && read.get(0) == 7
                    && Native.descriptorOf(one) == pair[0]
                    && listener.getLocalAddress() != null;
        }
    }

    private static SocketChannel unix(int descriptor) throws ZdtException {
        return Native.socketChannel(descriptor, StandardProtocolFamily.UNIX, UnixDomainSocketAddress.of(""));
    }

    private static ServerSocketChannel listener(int descriptor) throws ZdtException {
        return Native.serverSocketChannel(descriptor, StandardProtocolFamily.INET);
    }

    private static Fault unsupported(String what) {
        String jvm = System.getProperty("java.version") + " of " + System.getProperty("java.vendor");
        return Fault.of(
                ErrorKind.UNSUPPORTED,
                "java " + jvm + ": " + what,
                "use a JDK from 17 to 25, or descriptors with Netty's epoll transport, which needs none of this");
    }
}

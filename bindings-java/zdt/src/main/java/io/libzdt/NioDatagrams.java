package io.libzdt;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ProtocolFamily;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;

/** As {@link NioChannels}, for UDP; tried apart, so that a JDK where only this fails keeps the other channels. */
final class NioDatagrams {
    private static final Fault UNUSABLE = NioChannels.tried(NioDatagrams::works);

    private NioDatagrams() {}

    /** Throws where channels of UDP cannot be made. */
    static void check() throws ZdtException {
        if (UNUSABLE != null) {
            throw UNUSABLE.told();
        }
    }

    /** A channel that owns the descriptor; it is still the caller's if this throws. */
    static DatagramChannel made(int descriptor) throws ZdtException {
        ProtocolFamily family = NioChannels.family(descriptor);
        // java.nio has no datagrams over Unix sockets.
        if (family == StandardProtocolFamily.UNIX || !Native.isDatagram(descriptor)) {
            throw new ZdtArgumentException(Fault.of(
                    ErrorKind.INVALID_ARGUMENT,
                    "descriptor " + descriptor + " is no socket of UDP",
                    "it is still yours"));
        }
        return Native.datagramChannel(descriptor, family, (InetSocketAddress) Descriptors.peer(descriptor));
    }

    /** A datagram goes to its own sender, and a connected socket is known to be one. */
    private static boolean works() throws IOException {
        try (DatagramChannel one = NioChannels.own(Native.bind("udp://127.0.0.1:0"), NioDatagrams::made)) {
            one.configureBlocking(false);
            one.connect(one.getLocalAddress());
            try (DatagramChannel same = NioChannels.own(Native.dup(Native.descriptorOf(one)), NioDatagrams::made)) {
                same.configureBlocking(false);
                ByteBuffer read = ByteBuffer.allocate(1);
                return same.isConnected()
                        && same.write(ByteBuffer.wrap(new byte[] {7})) == 1
                        && same.read(read) == 1
                        && read.get(0) == 7;
            }
        }
    }
}

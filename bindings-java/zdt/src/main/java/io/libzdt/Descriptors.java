package io.libzdt;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ProtocolFamily;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketAddress;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import javax.net.ssl.SSLSocket;

/**
 * Plain descriptors, and the way from them to java.nio's channels and back. None of this knows of a takeover.
 *
 * <p>Every method throws {@link ZdtArgumentException} for a descriptor that is negative or not open, and
 * {@link ErrorKind#SYSTEM} where the system refuses. Nothing blocks but {@link #send} and {@link #receive}, as the socket
 * does. O_NONBLOCK belongs to the socket and so to both processes: it is never cleared here, and must not be elsewhere.
 */
public final class Descriptors {
    private Descriptors() {}

    /**
     * The descriptor of a channel, which stays the channel's.
     *
     * @param channel of java.nio, open
     * @return its descriptor
     * @throws ZdtException {@link ErrorKind#UNSUPPORTED}: in this JVM it cannot be found out
     */
    public static int of(SelectableChannel channel) throws ZdtException {
        NioChannels.check();
        return Native.descriptorOf(channel);
    }

    /**
     * The descriptor of a socket of java.net, which stays the socket's.
     *
     * @param socket connected, and not of TLS: what {@code SSLSocket} knows of its connection cannot move
     * @return its descriptor
     * @throws ZdtException {@link ErrorKind#UNSUPPORTED}: in this JVM it cannot be found out
     * @throws ZdtArgumentException it is of TLS, not connected or closed
     */
    public static int of(Socket socket) throws ZdtException {
        if (socket instanceof SSLSocket) {
            throw invalid(socket + " is of TLS, which cannot move", "nothing was done; serve it here to its end");
        }
        return socket.getChannel() != null ? of(socket.getChannel()) : ofSocket(socket, socket.isClosed());
    }

    /**
     * The descriptor of a listener of java.net, which stays the listener's.
     *
     * @param listener bound
     * @return its descriptor
     * @throws ZdtException {@link ErrorKind#UNSUPPORTED}: in this JVM it cannot be found out
     * @throws ZdtArgumentException it is not bound, or closed
     */
    public static int of(ServerSocket listener) throws ZdtException {
        return listener.getChannel() != null ? of(listener.getChannel()) : ofSocket(listener, listener.isClosed());
    }

    private static int ofSocket(Object socket, boolean closed) throws ZdtException {
        // One that is closed may still know the number, which is somebody else's by now.
        int descriptor = closed ? -1 : Native.descriptorOfSocket(socket);
        if (descriptor < 0) {
            throw invalid(socket + " has no descriptor", "nothing was done; it is not open yet, or closed");
        }
        return descriptor;
    }

    private static ZdtArgumentException invalid(String what, String state) {
        return new ZdtArgumentException(Fault.of(ErrorKind.INVALID_ARGUMENT, what, state));
    }

    /**
     * A channel over a connected stream socket (TCP or Unix).
     *
     * @param descriptor the socket; the channel's from here on, and still the caller's if this throws
     * @return the channel, in what java.nio calls blocking mode
     * @throws ZdtException {@link ErrorKind#UNSUPPORTED}: in this JVM it cannot be made; the message says why, and what to do
     */
    public static SocketChannel socketChannel(int descriptor) throws ZdtException {
        NioChannels.check();
        byte[] peer = Native.address(descriptor, true);
        // A connection that was reset has no peer any more; reading from it will say so.
        SocketAddress remote = peer == null ? new InetSocketAddress(0) : Addresses.read(peer);
        ProtocolFamily family = peer == null ? NioChannels.family(descriptor) : Addresses.family(peer);
        return Native.socketChannel(descriptor, family, remote);
    }

    /**
     * A channel over a listening socket (TCP or Unix).
     *
     * @param descriptor the socket; the channel's from here on, and still the caller's if this throws
     * @return the channel, in what java.nio calls blocking mode
     * @throws ZdtException as {@link #socketChannel}
     */
    public static ServerSocketChannel serverSocketChannel(int descriptor) throws ZdtException {
        NioChannels.check();
        return Native.serverSocketChannel(descriptor, NioChannels.family(descriptor));
    }

    /**
     * A channel over a socket of UDP, connected (connect(2)) or not; it is that in the channel, too. Its {@code socket()}
     * works as ever.
     *
     * @param descriptor the socket; the channel's from here on, and still the caller's if this throws
     * @return the channel, in what java.nio calls blocking mode
     * @throws ZdtException as {@link #socketChannel}
     * @throws ZdtArgumentException it is not of UDP: datagrams over Unix sockets are none of java.nio's
     */
    public static DatagramChannel datagramChannel(int descriptor) throws ZdtException {
        NioDatagrams.check();
        return NioDatagrams.made(descriptor);
    }

    /**
     * Another descriptor for the same socket, close-on-exec.
     *
     * @param descriptor which; stays open
     * @return the copy, which is the caller's
     * @throws ZdtException {@link ErrorKind#SYSTEM}: too many are open
     */
    public static int dup(int descriptor) throws ZdtException {
        return Native.dup(descriptor);
    }

    /**
     * Closes a descriptor without a word to the peer, if another process still has the socket: so one lets go.
     *
     * @param descriptor the caller's
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     */
    public static void close(int descriptor) throws ZdtException {
        Native.closeDescriptor(descriptor);
    }

    /**
     * Ends a connection, also where another process still has a copy, and closes the descriptor: so one who uses it ends it.
     *
     * @param descriptor the caller's
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     */
    public static void shutdownAndClose(int descriptor) throws ZdtException {
        Native.shutdown(descriptor);
        Native.closeDescriptor(descriptor);
    }

    /**
     * Puts a dead socket in the descriptor's place: whatever its owner does to it afterwards (close with linger, a
     * shutdown, a last record of TLS) no longer reaches the peer. Take it out of every poller first, or epoll goes on
     * telling what happens on the socket that was there. The number stays the owner's to close.
     *
     * @param descriptor of a socket that another process uses from here on
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     */
    public static void neuter(int descriptor) throws ZdtException {
        Native.neuter(descriptor);
    }

    /**
     * Closes a channel without a word to the peer, after {@link Event.Settled}. A plain {@code close()} would shut the
     * connection down in some states of the channel, for the successor too.
     *
     * @param channel out of its selector: its key cancelled and {@code selectNow()} called
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     * @throws ZdtStateException it is still registered with a selector; nothing was done
     */
    public static void letGo(SocketChannel channel) throws ZdtException {
        if (channel.isRegistered()) {
            throw new ZdtStateException(Fault.of(
                    ErrorKind.WRONG_STATE,
                    channel + " is registered with a selector",
                    "cancel its key and call selectNow() first"));
        }
        neuter(of(channel));
        try {
            channel.close();
        } catch (IOException e) {
            throw Fault.of(ErrorKind.SYSTEM, "close: " + e.getMessage(), "the peer was told nothing")
                    .told();
        }
    }

    /**
     * Closes a socket of java.net without a word to the peer, after {@link Event.Settled}. Its own {@code close()} would
     * shut the connection down, for the successor too.
     *
     * @param socket which no thread reads from or writes to
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     * @throws ZdtArgumentException as {@link #of(Socket)}
     */
    public static void letGo(Socket socket) throws ZdtException {
        neuter(of(socket));
        try {
            socket.close();
        } catch (IOException e) {
            throw Fault.of(ErrorKind.SYSTEM, "close: " + e.getMessage(), "the peer was told nothing")
                    .told();
        }
    }

    /**
     * Whether a connection waits to be accepted from a listener, or a datagram to be read.
     *
     * @param descriptor of the listener
     * @return whether one does at this moment
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     */
    public static boolean isUnserved(int descriptor) throws ZdtException {
        return Native.isUnserved(descriptor);
    }

    /**
     * Sets O_NONBLOCK.
     *
     * @param descriptor which
     * @return whether it was set before
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     */
    public static boolean nonBlocking(int descriptor) throws ZdtException {
        return Native.nonBlocking(descriptor);
    }

    /**
     * The socket's own address (getsockname).
     *
     * @param descriptor of a socket of TCP or Unix
     * @return an {@code InetSocketAddress} or a {@code UnixDomainSocketAddress}; null for a socket of another family
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     */
    public static SocketAddress local(int descriptor) throws ZdtException {
        return Addresses.read(Native.address(descriptor, false));
    }

    /**
     * The peer's address (getpeername).
     *
     * @param descriptor of a socket of TCP or Unix
     * @return an {@code InetSocketAddress} or a {@code UnixDomainSocketAddress}; null where there is no peer (any more)
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     */
    public static SocketAddress peer(int descriptor) throws ZdtException {
        return Addresses.read(Native.address(descriptor, true));
    }

    /**
     * Sends bytes and copies of descriptors over a Unix socket; both arrive together. Blocks as the socket does; on a
     * stream socket all of the data is sent. The descriptors stay open here.
     *
     * @param socket a connected Unix socket
     * @param data at least one byte
     * @param descriptors at most 253
     * @throws ZdtException {@link ErrorKind#PEER_GONE}: nobody reads at the other end; {@code SYSTEM}: also where the socket
     *     is non-blocking and full. Nothing was sent then
     */
    public static void send(int socket, byte[] data, int... descriptors) throws ZdtException {
        Native.send(socket, data, descriptors);
    }

    /**
     * Receives what one {@link #send} sent, or on a stream socket as much of it as there is. Blocks as the socket does.
     *
     * @param socket a connected Unix socket
     * @param room for how many bytes
     * @return bytes and descriptors; neither: the other end was closed
     * @throws ZdtException each closes the descriptors that did arrive. {@link ErrorKind#DESCRIPTOR_LIMIT}: not all could be
     *     installed, and the message is lost; {@code PEER_GONE}; {@code SYSTEM}: also where nothing has come on a
     *     non-blocking socket
     * @throws ZdtArgumentException {@link ErrorKind#TOO_LARGE}: the message is longer than there is room
     */
    public static Received receive(int socket, int room) throws ZdtException {
        return Native.receive(socket, room);
    }
}

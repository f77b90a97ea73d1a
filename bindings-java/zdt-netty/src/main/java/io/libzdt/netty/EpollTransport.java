package io.libzdt.netty;

import io.libzdt.Descriptors;
import io.libzdt.ErrorKind;
import io.libzdt.ZdtException;
import io.libzdt.internal.NettyInternals;
import io.netty.channel.Channel;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.EpollDatagramChannel;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.unix.Socket;
import io.netty.channel.unix.UnixChannel;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.Optional;

/** Over Netty's own epoll. Touched only where that is on the class path. */
final class EpollTransport implements Transport {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");
    private static final Class<?> SOCKET = socket();

    private static Class<?> socket() {
        try {
            return Class.forName(
                    "io.netty.channel.epoll.LinuxSocket", false, EpollSocketChannel.class.getClassLoader());
        } catch (ClassNotFoundException unknown) {
            return EpollSocketChannel.class; // which has no constructor like its
        }
    }

    @Override
    public ServerChannel server(int descriptor) throws ZdtException {
        return Transport.make(
                descriptor,
                (tcp, nobody) -> new EpollServerSocketChannel(tcp),
                (unix, nobody) -> new EpollServerDomainSocketChannel(unix));
    }

    @Override
    public DatagramChannel datagrams(int descriptor) {
        return new EpollDatagramChannel(descriptor);
    }

    /** With its parent, which frameworks ask for; where this Netty cannot do that, without. */
    @Override
    public Channel connection(Channel parent, int descriptor) throws ZdtException {
        return Transport.<Channel>make(
                descriptor,
                (tcp, peer) -> connected(EpollSocketChannel.class, parent, tcp, remote(peer))
                        .orElseGet(() -> new EpollSocketChannel(tcp)),
                (unix, peer) -> connected(EpollDomainSocketChannel.class, parent, unix, null)
                        .orElseGet(() -> new EpollDomainSocketChannel(unix)));
    }

    private static InetSocketAddress remote(SocketAddress peer) {
        // A connection that was reset has no peer any more; reading from it will say so.
        return peer instanceof InetSocketAddress inet ? inet : new InetSocketAddress(0);
    }

    /** O_NONBLOCK is the socket's: a predecessor that blocks must not have found it set. */
    @Override
    public void adopted(int descriptor) {
        try {
            Descriptors.nonBlocking(descriptor);
        } catch (ZdtException e) {
            LOG.log(System.Logger.Level.WARNING, "the connection is served all the same", e);
        }
    }

    private static Optional<Channel> connected(Class<?> type, Channel parent, int descriptor, InetSocketAddress remote)
            throws ZdtException {
        try {
            return Optional.of((Channel) NettyInternals.epollChannel(type, SOCKET, parent, descriptor, remote));
        } catch (ZdtException e) {
            if (e.kind() != ErrorKind.UNSUPPORTED) {
                throw e;
            }
            return Optional.empty();
        }
    }

    @Override
    public boolean has(Channel channel) {
        return channel instanceof UnixChannel;
    }

    @Override
    public int descriptor(Channel channel) {
        return ((UnixChannel) channel).fd().intValue();
    }

    @Override
    public boolean hasLeftItsPoller(Channel channel) {
        return true;
    }

    /** It leaves the poller and is closed, and that is all. */
    @Override
    public void discard(Channel channel) {
        channel.unsafe().close(channel.newPromise());
    }

    /** Only what is sent: Netty does not close a channel whose input has been shut down before it read the end. */
    @Override
    public void shutdown(Channel channel) {
        try {
            ((Socket) ((UnixChannel) channel).fd()).shutdown(false, true);
        } catch (IOException gone) {
            // Then there is nobody left to tell.
        }
    }
}

package io.libzdt.netty;

import io.libzdt.Descriptors;
import io.libzdt.ZdtException;
import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.socket.DatagramChannel;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.util.concurrent.TimeUnit;

/** What differs between Netty's transports: how a channel is made from a descriptor, and how it is let go. */
interface Transport {
    /** The one of these event loops; they need not run yet. */
    static Transport of(EventLoopGroup group) {
        if (Groups.areNio(group)) {
            return new NioTransport();
        }
        try {
            if (Groups.areEpoll(group)) {
                return new EpollTransport();
            }
        } catch (NoClassDefFoundError noEpoll) {
            // Not on the class path, so the group is of a third kind.
        }
        throw new IllegalArgumentException(
                group + " is neither of Netty's NIO nor of its epoll transport; nothing else can take descriptors");
    }

    /** A listening channel. The descriptor is its own from here on; closed if there is an exception. */
    ServerChannel server(int descriptor) throws ZdtException;

    /** A channel of UDP. The descriptor is its own from here on; closed if there is an exception. */
    DatagramChannel datagrams(int descriptor) throws ZdtException;

    /** An established channel. The descriptor is its own from here on; closed if there is an exception. */
    Channel connection(Channel parent, int descriptor) throws ZdtException;

    /** The connection with this descriptor is ours. */
    void adopted(int descriptor);

    /** Whether a channel is of this transport. */
    boolean has(Channel channel);

    /** The descriptor of a channel of this transport, which stays the channel's. */
    int descriptor(Channel channel) throws ZdtException;

    /** Whether a channel that was deregistered has left the poller, too. */
    boolean hasLeftItsPoller(Channel channel);

    /** Runs {@code then} as soon as a channel that was deregistered has left the poller. On its event loop. */
    default void onceOutOfItsPoller(Channel channel, Runnable then) {
        EventLoop loop = channel.eventLoop();
        if (hasLeftItsPoller(channel) || loop.isShuttingDown()) {
            then.run();
        } else {
            loop.schedule(() -> onceOutOfItsPoller(channel, then), 1, TimeUnit.MILLISECONDS);
        }
    }

    /** Closes a channel that is registered and not ours, without a word to the peer. */
    void discard(Channel channel);

    /** The peer is told the end, which a close alone does not where another process holds a copy. */
    void shutdown(Channel channel);

    /** What {@code tcp} or {@code unix} makes of a socket; closed if it makes nothing. */
    static <C> C make(int descriptor, Maker<C> tcp, Maker<C> unix) throws ZdtException {
        try {
            // Of its own address or its peer's: a connection that was reset has no peer any more.
            SocketAddress peer = Descriptors.peer(descriptor);
            SocketAddress address = peer == null ? Descriptors.local(descriptor) : peer;
            return (address instanceof UnixDomainSocketAddress ? unix : tcp).make(descriptor, peer);
        } catch (NoClassDefFoundError absent) {
            Descriptors.close(descriptor);
            throw new IllegalArgumentException(
                    "NIO of Netty 4.1 has no sockets of Unix: use its epoll, or Netty 4.2", absent);
        } catch (ZdtException | RuntimeException | LinkageError e) {
            Descriptors.close(descriptor);
            throw e;
        }
    }

    /** A constructor; {@code peer} is null where there is none. */
    interface Maker<C> {
        C make(int descriptor, SocketAddress peer) throws ZdtException;
    }
}

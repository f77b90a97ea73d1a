package io.libzdt.netty;

import io.libzdt.Descriptors;
import io.libzdt.ZdtException;
import io.netty.channel.Channel;
import io.netty.channel.ChannelPromise;
import io.netty.channel.ServerChannel;
import io.netty.channel.nio.AbstractNioChannel.NioUnsafe;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.socket.nio.NioDatagramChannel;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.nio.channels.SelectableChannel;

/** Over java.nio. */
final class NioTransport implements Transport {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");

    @Override
    public ServerChannel server(int descriptor) throws ZdtException {
        return Transport.<ServerChannel>make(
                descriptor,
                (tcp, nobody) -> new NioServerSocketChannel(Descriptors.serverSocketChannel(tcp)),
                (unix, nobody) -> new NioServerDomainSocketChannel(Descriptors.serverSocketChannel(unix)));
    }

    @Override
    public DatagramChannel datagrams(int descriptor) throws ZdtException {
        try {
            return new NioDatagramChannel(Descriptors.datagramChannel(descriptor));
        } catch (ZdtException | RuntimeException e) {
            Descriptors.close(descriptor);
            throw e;
        }
    }

    @Override
    public Channel connection(Channel parent, int descriptor) throws ZdtException {
        return Transport.<Channel>make(
                descriptor,
                (tcp, peer) -> new NioSocketChannel(parent, Descriptors.socketChannel(tcp)),
                (unix, peer) -> new NioDomainSocketChannel(parent, Descriptors.socketChannel(unix)));
    }

    /** The channel has set O_NONBLOCK when it was made. */
    @Override
    public void adopted(int descriptor) {}

    @Override
    public boolean has(Channel channel) {
        return channel.unsafe() instanceof NioUnsafe;
    }

    @Override
    public int descriptor(Channel channel) throws ZdtException {
        return Descriptors.of(nio(channel));
    }

    /** A cancelled key stays until its selector selects the next time. */
    @Override
    public boolean hasLeftItsPoller(Channel channel) {
        return !nio(channel).isRegistered();
    }

    /** Java.nio shuts down what it closes while it is registered with a selector. */
    @Override
    public void discard(Channel channel) {
        Runnable close = () -> {
            if (!hasLeftItsPoller(channel)) { // its event loop ends, and does not select any more
                neuter(channel);
            }
            channel.unsafe().close(channel.newPromise());
            channel.pipeline().fireChannelUnregistered(); // which removes the handlers
        };
        ChannelPromise out = channel.newPromise();
        channel.unsafe().deregister(out);
        out.addListener(done -> onceOutOfItsPoller(channel, close));
    }

    private void neuter(Channel channel) {
        try {
            Descriptors.neuter(descriptor(channel));
        } catch (ZdtException e) {
            LOG.log(System.Logger.Level.WARNING, () -> channel + " is closed as it is, which its client may see", e);
        }
    }

    /** Java.nio does so itself when it closes a channel that is registered with a selector. */
    @Override
    public void shutdown(Channel channel) {}

    private static SelectableChannel nio(Channel channel) {
        return ((NioUnsafe) channel.unsafe()).ch();
    }
}

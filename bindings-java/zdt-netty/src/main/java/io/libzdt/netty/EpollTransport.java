package io.libzdt.netty;

import io.libzdt.ZdtException;
import io.netty.channel.Channel;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.Socket;
import io.netty.channel.unix.UnixChannel;
import java.io.IOException;

/** Over Netty's own epoll. Touched only where that is on the class path. */
final class EpollTransport implements Transport {
    @Override
    public ServerChannel server(int descriptor) throws ZdtException {
        return Transport.make(descriptor, EpollServerSocketChannel::new, EpollServerDomainSocketChannel::new);
    }

    /** No constructor takes both a descriptor and a parent: such a channel has none. */
    @Override
    public Channel connection(Channel parent, int descriptor) throws ZdtException {
        return Transport.make(descriptor, EpollSocketChannel::new, EpollDomainSocketChannel::new);
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

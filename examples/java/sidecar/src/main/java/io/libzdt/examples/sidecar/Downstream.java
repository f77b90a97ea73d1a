package io.libzdt.examples.sidecar;

import io.libzdt.netty.Migratable;
import io.libzdt.netty.TakeoverHandler;
import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.net.SocketAddress;

/** A client's end. The upstream's is its companion: they move together, or not at all. */
final class Downstream extends Tunnel implements Migratable {
    private static final String UPSTREAM = "upstream";

    private final Channel channel;
    private final SocketAddress upstream;

    Downstream(Channel channel, SocketAddress upstream) {
        super(null);
        this.channel = channel;
        this.upstream = upstream;
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        if (other != null) {
            return; // it came with us
        }
        channel.config().setAutoRead(false); // until there is somebody to pass it on to
        other = new Bootstrap()
                .group(channel.eventLoop())
                .channel(channel instanceof EpollSocketChannel ? EpollSocketChannel.class : NioSocketChannel.class)
                .option(ChannelOption.ALLOW_HALF_CLOSURE, true)
                .handler(new Tunnel(channel))
                .connect(upstream)
                .addListener(connected -> {
                    if (connected.isSuccess()) {
                        channel.config().setAutoRead(true);
                    } else {
                        channel.close();
                    }
                })
                .channel();
        TakeoverHandler.of(channel).companion(UPSTREAM, other);
    }

    /** There is none: what one end has said and the other has not heard travels by itself. */
    @Override
    public byte[] exportState() {
        return new byte[0];
    }

    @Override
    public void importState(int version, byte[] state) {
        other = TakeoverHandler.of(channel).companion(UPSTREAM);
        other.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, true);
        other.pipeline().addLast(new Tunnel(channel));
    }
}

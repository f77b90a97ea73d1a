package io.libzdt.netty;

import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.net.InetSocketAddress;
import java.util.function.UnaryOperator;

/** Passes on what it reads from either side to the other one; its state is the port of its upstream. */
final class Proxy extends ChannelInboundHandlerAdapter implements Migratable {
    private final int port;
    private final UnaryOperator<EventLoop> loop;
    volatile Channel upstream;
    volatile Channel downstream;

    Proxy(int port, UnaryOperator<EventLoop> loop) {
        this.port = port;
        this.loop = loop;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
        downstream = ctx.channel();
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        if (upstream != null) {
            return; // it came with us
        }
        EventLoop with = loop.apply(ctx.channel().eventLoop());
        downstream.config().setAutoRead(false); // until there is somebody to pass it on to
        upstream = connect(
                with, port, new Side(downstream), () -> downstream.config().setAutoRead(true));
        TakeoverHandler.of(ctx.channel()).companion("upstream", upstream);
    }

    static Channel connect(EventLoop loop, int port, ChannelHandler handler, Runnable connected) {
        boolean epoll = Groups.areEpoll(loop);
        return new Bootstrap()
                .group(loop)
                .channel(epoll ? EpollSocketChannel.class : NioSocketChannel.class)
                .handler(handler)
                .connect(new InetSocketAddress("127.0.0.1", port))
                .addListener(done -> connected.run())
                .channel();
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object bytes) {
        upstream.writeAndFlush(bytes);
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        upstream.close();
    }

    @Override
    public byte[] exportState() {
        return new byte[0];
    }

    @Override
    public void importState(int version, byte[] state) {
        upstream = TakeoverHandler.of(downstream).companion("upstream");
        upstream.pipeline().addLast(new Side(downstream));
    }

    /** The upstream's. */
    private static final class Side extends ChannelInboundHandlerAdapter {
        private final Channel downstream;

        Side(Channel downstream) {
            this.downstream = downstream;
        }

        @Override
        public void channelRead(ChannelHandlerContext ctx, Object bytes) {
            downstream.writeAndFlush(bytes);
        }

        @Override
        public void channelInactive(ChannelHandlerContext ctx) {
            downstream.close();
        }
    }
}

package io.libzdt.examples.vertx;

import io.libzdt.ListenerSpec;
import io.libzdt.netty.NettyTakeover;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.ServerChannel;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.socket.InternetProtocolFamily;
import io.vertx.core.spi.transport.Transport;
import java.util.concurrent.ThreadFactory;

/** Vert.x's transport over java.nio, whose one server channel is libzdt's. */
final class TakeoverTransport implements Transport, io.vertx.core.transport.Transport {
    private final Transport nio = NIO.implementation();
    private final NettyTakeover netty;
    private final String name;
    private final ListenerSpec spec;
    private volatile EventLoopGroup acceptors;

    TakeoverTransport(NettyTakeover netty, String name, ListenerSpec spec) {
        this.netty = netty;
        this.name = name;
        this.spec = spec;
    }

    @Override
    public ChannelFactory<? extends ServerChannel> serverChannelFactory(boolean domainSocket) {
        return netty.channelFactory(acceptors, name, spec, name);
    }

    @Override
    public EventLoopGroup eventLoopGroup(int type, int threads, ThreadFactory factory, int ratio) {
        EventLoopGroup group = nio.eventLoopGroup(type, threads, factory, ratio);
        if (type == ACCEPTOR_EVENT_LOOP_GROUP) {
            acceptors = group;
        }
        return group;
    }

    @Override
    public IoHandlerFactory ioHandlerFactory() {
        return nio.ioHandlerFactory();
    }

    @Override
    public ChannelFactory<? extends Channel> channelFactory(boolean domainSocket) {
        return nio.channelFactory(domainSocket);
    }

    @Override
    @SuppressWarnings("deprecation") // as Vert.x has it
    public DatagramChannel datagramChannel(InternetProtocolFamily family) {
        return nio.datagramChannel(family);
    }

    @Override
    public ChannelFactory<? extends DatagramChannel> datagramChannelFactory() {
        return nio.datagramChannelFactory();
    }

    @Override
    public String name() {
        return "libzdt";
    }

    @Override
    public boolean available() {
        return true;
    }

    @Override
    public Throwable unavailabilityCause() {
        return null;
    }

    @Override
    public Transport implementation() {
        return this;
    }
}

package io.libzdt.spring;

import io.libzdt.ListenerSpec;
import io.libzdt.ZdtException;
import io.libzdt.netty.NettyTakeover;
import io.netty.channel.Channel;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.ServerSocketChannel;
import java.time.Duration;
import org.springframework.boot.web.server.AbstractConfigurableWebServerFactory;
import reactor.core.publisher.Mono;
import reactor.netty.resources.LoopResources;

/** reactor-netty's event loops, whose one server channel is libzdt's. */
final class TakeoverLoops implements LoopResources {
    private final NettyTakeover netty;
    private final String name;
    private final LoopResources loops = LoopResources.create("http");
    private volatile AbstractConfigurableWebServerFactory factory;

    TakeoverLoops(NettyTakeover netty, String name) {
        this.netty = netty;
        this.name = name;
    }

    /** The same, to listen where {@code factory} says when the server starts. */
    TakeoverLoops at(AbstractConfigurableWebServerFactory factory) {
        this.factory = factory;
        return this;
    }

    @Override
    public <C extends Channel> C onChannel(Class<C> type, EventLoopGroup group) {
        if (type != ServerSocketChannel.class) {
            return loops.onChannel(type, group);
        }
        try {
            return type.cast(netty.serverChannel(
                    group, name, ListenerSpec.tcp(factory.getAddress(), Math.max(0, factory.getPort())), name));
        } catch (ZdtException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    @Override
    public <C extends Channel> Class<? extends C> onChannelClass(Class<C> type, EventLoopGroup group) {
        return loops.onChannelClass(type, group);
    }

    @Override
    public EventLoopGroup onServer(boolean useNative) {
        return loops.onServer(useNative);
    }

    @Override
    public EventLoopGroup onServerSelect(boolean useNative) {
        return loops.onServerSelect(useNative);
    }

    @Override
    public EventLoopGroup onClient(boolean useNative) {
        return loops.onClient(useNative);
    }

    @Override
    public boolean daemon() {
        return loops.daemon();
    }

    @Override
    public boolean isDisposed() {
        return loops.isDisposed();
    }

    @Override
    public void dispose() {
        loops.dispose();
    }

    @Override
    public Mono<Void> disposeLater(Duration quiet, Duration timeout) {
        return loops.disposeLater(quiet, timeout);
    }
}

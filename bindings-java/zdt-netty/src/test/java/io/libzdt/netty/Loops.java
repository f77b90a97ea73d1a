package io.libzdt.netty;

import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;

/** Event loops of each transport, made as one makes them with the Netty that is there. */
enum Loops {
    NIO,
    EPOLL;

    private static final boolean IS_4_2 =
            Loops.class.getClassLoader().getResource("io/netty/channel/IoEventLoopGroup.class") != null;

    EventLoopGroup group(int threads) {
        return IS_4_2 ? Of42.group(this, threads) : Of41.group(this, threads);
    }

    private static final class Of42 {
        static EventLoopGroup group(Loops kind, int threads) {
            return new MultiThreadIoEventLoopGroup(
                    threads, kind == NIO ? NioIoHandler.newFactory() : EpollIoHandler.newFactory());
        }
    }

    @SuppressWarnings("deprecation")
    private static final class Of41 {
        static EventLoopGroup group(Loops kind, int threads) {
            return kind == NIO ? new NioEventLoopGroup(threads) : new EpollEventLoopGroup(threads);
        }
    }
}

package io.libzdt.netty;

import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoEventLoopGroup;
import io.netty.channel.epoll.EpollEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;

/** Of which transport event loops are: Netty 4.1 has a class of groups for each, 4.2 one for all. */
final class Groups {
    private static final boolean IS_4_2 = isThere("io.netty.channel.IoEventLoopGroup");

    private Groups() {}

    private static boolean isThere(String name) {
        try {
            Class.forName(name, false, Groups.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException absent) {
            return false;
        }
    }

    static boolean areNio(EventLoopGroup group) {
        return IS_4_2 ? Of42.areNio(group) : Of41.areNio(group);
    }

    /** Where Netty's epoll is not on the class path: {@link NoClassDefFoundError}. */
    static boolean areEpoll(EventLoopGroup group) {
        return IS_4_2 ? Of42.areEpoll(group) : Of41.areEpoll(group);
    }

    /** Touched only where Netty is 4.2. */
    private static final class Of42 {
        static boolean areNio(EventLoopGroup group) {
            return group instanceof IoEventLoopGroup io && io.isIoType(NioIoHandler.class);
        }

        static boolean areEpoll(EventLoopGroup group) {
            return group instanceof IoEventLoopGroup io && io.isIoType(EpollIoHandler.class);
        }
    }

    /** Touched only where Netty is 4.1. What is deprecated in 4.2 is all that there is. */
    @SuppressWarnings("deprecation")
    private static final class Of41 {
        static boolean areNio(EventLoopGroup group) {
            return whole(group) instanceof NioEventLoopGroup;
        }

        static boolean areEpoll(EventLoopGroup group) {
            return whole(group) instanceof EpollEventLoopGroup;
        }

        /** One event loop is a group, too. */
        private static EventLoopGroup whole(EventLoopGroup group) {
            return group instanceof EventLoop loop && loop.parent() != null ? loop.parent() : group;
        }
    }
}

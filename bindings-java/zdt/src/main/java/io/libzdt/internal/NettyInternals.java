package io.libzdt.internal;

import io.libzdt.Descriptors;
import io.libzdt.ZdtException;
import java.net.InetSocketAddress;
import java.nio.channels.SelectableChannel;

/**
 * Protected methods of Netty that a migration needs, reached through native code. For the module {@code io.libzdt.netty}
 * alone; nothing here is part of the face.
 */
public final class NettyInternals {
    static {
        NativeLibrary.load();
    }

    private NettyInternals() {}

    /**
     * What a decoder has read and not decoded: the same buffer, not a copy.
     *
     * @param decoder an {@code io.netty.handler.codec.ByteToMessageDecoder}
     * @return its {@code ByteBuf}
     * @throws ZdtException {@code UNSUPPORTED}: this Netty has no such method
     */
    public static native Object internalBuffer(Object decoder) throws ZdtException;

    /**
     * The decoder in a codec that is a decoder and an encoder.
     *
     * @param combined an {@code io.netty.channel.CombinedChannelDuplexHandler}
     * @return its {@code ChannelInboundHandler}
     * @throws ZdtException {@code UNSUPPORTED}: this Netty has no such method
     */
    public static native Object inboundHandler(Object combined) throws ZdtException;

    /**
     * A connected channel of Netty's epoll transport, with a parent.
     *
     * @param channel {@code EpollSocketChannel} or {@code EpollDomainSocketChannel}
     * @param socket {@code LinuxSocket}
     * @param parent the listening {@code Channel}
     * @param descriptor the socket; the channel's from here on, and still the caller's if this throws
     * @param remote the peer's address; null for a socket of Unix
     * @return the channel
     * @throws ZdtException {@code UNSUPPORTED}: this Netty has no such constructor
     */
    public static native Object epollChannel(
            Class<?> channel, Class<?> socket, Object parent, int descriptor, InetSocketAddress remote)
            throws ZdtException;

    /**
     * The descriptor of a channel of Netty's NIO transport.
     *
     * @param channel an {@code io.netty.channel.nio.AbstractNioChannel}
     * @return its descriptor, which stays the channel's
     * @throws ZdtException {@code UNSUPPORTED}: this Netty, or this JVM, has no such method
     */
    public static int descriptor(Object channel) throws ZdtException {
        return Descriptors.of((SelectableChannel) javaChannel(channel));
    }

    /**
     * The java.nio channel of a channel of Netty's NIO transport.
     *
     * @param channel an {@code io.netty.channel.nio.AbstractNioChannel}
     * @return its {@code SelectableChannel}
     * @throws ZdtException {@code UNSUPPORTED}: this Netty has no such method
     */
    public static native Object javaChannel(Object channel) throws ZdtException;
}

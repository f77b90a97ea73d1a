package io.libzdt.netty;

import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;

/**
 * libzdt's own handler, the first one in the pipeline of each connection of a listener of {@link NettyTakeover}. It is there
 * from the moment the connection is accepted or adopted; nobody adds it by hand, or puts another one before it.
 */
public abstract sealed class TakeoverHandler extends ChannelDuplexHandler permits Front {
    TakeoverHandler() {}

    /**
     * The handler of a connection, or of a companion.
     *
     * @param channel of the connection, open
     * @return its handler
     * @throws IllegalArgumentException the channel has none: it is neither, or has ended
     */
    public static TakeoverHandler of(Channel channel) {
        TakeoverHandler handler = channel.pipeline().get(TakeoverHandler.class);
        if (handler == null) {
            throw new IllegalArgumentException(
                    channel
                            + " is no connection of a listener of libzdt's, nor a companion of one, or has ended; it goes on as it was");
        }
        return handler;
    }

    /**
     * Whether the connection came from a predecessor; else it was accepted here. Any thread.
     *
     * @return already while its pipeline is being built
     */
    public abstract boolean isAdopted();

    /**
     * From here on {@code channel} moves with this connection, or neither does. It must be on the same event loop, and its
     * handlers must keep nothing: what there is to know of it is in the state of the connection's {@link Migratable}.
     * While they are frozen, what its handlers do waits, as with the connection. A channel that is closed is no companion
     * any more; that both are to end together is left to the handlers. On the event loop of the connection.
     *
     * @param name what it is to the connection, for instance {@code upstream}; at most 255 bytes
     * @param channel it; connected, or connecting: then the connection moves once it is connected
     * @throws IllegalArgumentException there is one of that name, or {@code channel} has such a handler already
     * @throws UnsupportedOperationException this is a companion itself
     */
    public abstract void companion(String name, Channel channel);

    /**
     * (successor) The companion that came with this connection: {@link Migratable#importState} adds its handlers to it, and
     * sets its options. They are told that it is active when the connection is ours, and nothing is read before.
     *
     * @param name what it is to the connection
     * @return its channel
     * @throws IllegalStateException there is none of that name; thrown on from {@code importState} it refuses the offer
     */
    public abstract Channel companion(String name);
}

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
     * The handler of a connection.
     *
     * @param channel of the connection, open
     * @return its handler
     * @throws IllegalArgumentException the channel has none: it is not of a listener of {@link NettyTakeover}, or has ended
     */
    public static TakeoverHandler of(Channel channel) {
        TakeoverHandler handler = channel.pipeline().get(TakeoverHandler.class);
        if (handler == null) {
            throw new IllegalArgumentException(
                    channel + " is no connection of a listener of libzdt's, or has ended; it goes on as it was");
        }
        return handler;
    }

    /**
     * Whether the connection came from a predecessor; else it was accepted here. Any thread.
     *
     * @return already while its pipeline is being built
     */
    public abstract boolean isAdopted();
}

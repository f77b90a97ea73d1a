package io.libzdt.netty;

import io.libzdt.Event;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;

/**
 * Implemented by a handler that knows how to take leave of the client, where its connection cannot move. Without one libzdt
 * does it for HTTP/1.1, HTTP/2 and WebSocket; any other connection is served until it ends or the drain deadline comes.
 *
 * <p>Unlike the user event {@link Event.Drain}, which every handler is sent at once, {@link #leave} is called when it is
 * this connection's turn: turns are spread over time, so that not all clients come back at the same moment
 * ({@link NettyTakeover#spread}).
 */
public interface Farewell extends ChannelHandler {
    /**
     * Tells the client, in the words of the protocol, to go elsewhere: a new connection is another process's. Ends the
     * connection, now or when what is in flight is done; at the drain deadline it is ended anyway. On the executor of this
     * handler; may not block.
     *
     * <p>Where the successor dies afterwards, the user event {@link Event.Resume} says that the connection may stay.
     *
     * @param ctx of this handler
     * @param drain why
     * @throws Exception is logged; the connection is then served to the drain deadline
     */
    void leave(ChannelHandlerContext ctx, Event.Drain drain) throws Exception;
}

package io.libzdt.netty;

/**
 * A handler that can write down what its connection needs to know, and read it back in another process, which may be
 * written in another language. At most one in a pipeline. A connection without one stays where it is, until it ends; but
 * one that speaks HTTP/1.1 or WebSocket through Netty's codecs moves without.
 *
 * <p>What a decoder has read and not decoded, and what is written and not in the socket yet, travels by itself. The
 * methods are called on the connection's event loop, while it is frozen: nothing is read or written meanwhile.
 */
public interface Migratable {
    /**
     * The state of the connection. It may still come back after this: change nothing.
     *
     * <p>It says "not now" while anything is under way that is in neither the state nor a decoder: a request at a
     * database, messages in a queue. It is asked again after the next read or flush, and now and then.
     *
     * @return the state, empty if there is none; null: not now
     * @throws Exception it cannot be exported: the connection stays here, which is logged and counted
     */
    byte[] exportState() throws Exception;

    /**
     * Takes the state over, in a handler that the child handler has just made. The connection is not ours yet:
     * {@code channelActive} follows when it is, then the bytes that travelled. A handler of a WebSocket that comes into
     * the pipeline only with the handshake is called after {@code channelActive}.
     *
     * @param version which form the state has
     * @param state what {@link #exportState} gave
     * @throws Exception it is not understood: the predecessor serves the connection on
     */
    void importState(int version, byte[] state) throws Exception;

    /** {@return which form {@link #exportState} gives the state; 1 where nothing else is said} */
    default int stateVersion() {
        return 1;
    }
}

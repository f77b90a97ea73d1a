package io.libzdt.netty;

import io.libzdt.ZdtException;
import io.netty.buffer.ByteBuf;

/**
 * What is spoken on a connection, as its decoder and encoder tell: where one message ends and the next one begins. On the
 * connection's event loop.
 */
interface Talk {
    /** The decoder has made this of what it read. Its stretch is cut where it may be. */
    void read(Object message, Stretch stretch) throws ZdtException;

    /** This goes to the encoder. Gives what is spoken after it. */
    Talk written(Object message, Stretch stretch) throws ZdtException;

    /** What the decoder has not looked at. */
    ByteBuf unread() throws ZdtException;

    /** Whether what is read now could have to travel. */
    default boolean keeps() {
        return true;
    }

    /** Whether what is read next may wait: not if a message has begun, nor if the handlers may be waiting for it. */
    boolean letsWait();

    /** Whether it could move now. */
    boolean isIdle();

    /** Why it never can; null: it can. */
    String whyNotMovable();

    /** Of a message that has begun: what its handlers have not seen of it, apart from the stretch. */
    default byte[] begun() {
        return new byte[0];
    }
}

package io.libzdt;

import java.nio.channels.SocketChannel;

/**
 * (successor) A connection that was adopted: its descriptors, companions' too, are the caller's to shut down and close.
 *
 * <p>Write {@link #unsent} before anything else and use {@link #unread} before reading on. End it with
 * {@link Descriptors#shutdownAndClose}, or a channel's {@code shutdownInput}, {@code shutdownOutput} and {@code close}: a
 * stopped predecessor may still hold a copy, and a bare close would tell the client nothing.
 */
public final class Adopted extends Connection {
    Adopted(Parcel parcel) {
        super(parcel);
    }

    /**
     * A java.nio channel over the descriptor, which it owns from here on: call this once, or use the descriptor.
     *
     * @return the channel, connected and blocking as java.nio sees it
     * @throws ZdtException as {@link Descriptors#socketChannel}; the descriptor is still the caller's then
     */
    public SocketChannel channel() throws ZdtException {
        return Descriptors.socketChannel(descriptor());
    }
}

package io.libzdt;

import java.util.Objects;

/**
 * A further descriptor that belongs to a connection and moves with it or not at all (a proxy's upstream socket, a pipe).
 *
 * <p>Whose the descriptor is, the connection says: of a {@link Frozen} one it is lent, of an {@link Adopted} one it is the
 * caller's to shut down and close. The arrays are not copied.
 *
 * @param name what it is to the connection, for instance {@code upstream}; at most 255 bytes
 * @param descriptor the descriptor
 * @param unread bytes that were read from it and not used yet
 * @param unsent bytes that were to be written to it and are not in it yet
 */
public record Companion(String name, int descriptor, byte[] unread, byte[] unsent) {
    /**
     * Nothing may be null.
     *
     * @param name what it is to the connection
     * @param descriptor the descriptor
     * @param unread bytes that were read from it and not used yet
     * @param unsent bytes that were to be written to it and are not in it yet
     */
    public Companion {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(unread, "unread");
        Objects.requireNonNull(unsent, "unsent");
    }

    /**
     * One with no bytes on their way.
     *
     * @param name what it is to the connection
     * @param descriptor the descriptor
     */
    public Companion(String name, int descriptor) {
        this(name, descriptor, Parcel.NOTHING, Parcel.NOTHING);
    }

    /** Lengths instead of bytes, which are the application's. */
    @Override
    public String toString() {
        return name + "[descriptor=" + descriptor + ", unread=" + unread.length + ", unsent=" + unsent.length + "]";
    }
}

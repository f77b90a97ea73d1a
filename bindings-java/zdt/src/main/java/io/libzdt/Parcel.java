package io.libzdt;

import java.util.Objects;

/**
 * What travels as one connection, as native code reads and makes it: the addresses are in the form of {@link Addresses},
 * null where they were not told.
 */
record Parcel(
        long id,
        int descriptor,
        String protocol,
        int stateVersion,
        byte[] state,
        byte[] unread,
        byte[] unsent,
        byte[] local,
        byte[] peer,
        boolean dialled,
        Companion[] companions) {
    static final byte[] NOTHING = new byte[0];
    static final Companion[] ALONE = new Companion[0];

    Parcel {
        Objects.requireNonNull(protocol, "protocol");
        Objects.requireNonNull(state, "state");
        Objects.requireNonNull(unread, "unread");
        Objects.requireNonNull(unsent, "unsent");
    }

    /** As native code tells it: null is an array with nothing in it, which costs it nothing. */
    static Parcel told(
            long id,
            int descriptor,
            String protocol,
            int stateVersion,
            byte[] state,
            byte[] unread,
            byte[] unsent,
            byte[] local,
            byte[] peer,
            boolean dialled,
            Companion[] companions) {
        return new Parcel(
                id,
                descriptor,
                protocol,
                stateVersion,
                some(state),
                some(unread),
                some(unsent),
                local,
                peer,
                dialled,
                companions == null ? ALONE : companions);
    }

    private static byte[] some(byte[] bytes) {
        return bytes == null ? NOTHING : bytes;
    }

    private static byte[] orNull(byte[] bytes) {
        return bytes.length == 0 ? null : bytes;
    }

    boolean migrate(long handle) throws ZdtException {
        return Native.migrate(
                handle,
                id,
                descriptor,
                protocol,
                stateVersion,
                orNull(state),
                orNull(unread),
                orNull(unsent),
                local,
                peer,
                dialled,
                companions.length == 0 ? null : companions);
    }

    Parcel state(int version, byte[] state) {
        return new Parcel(id, descriptor, protocol, version, state, unread, unsent, local, peer, dialled, companions);
    }

    Parcel bytes(byte[] unread, byte[] unsent) {
        return new Parcel(
                id, descriptor, protocol, stateVersion, state, unread, unsent, local, peer, dialled, companions);
    }

    Parcel addresses(byte[] local, byte[] peer) {
        return new Parcel(
                id, descriptor, protocol, stateVersion, state, unread, unsent, local, peer, dialled, companions);
    }

    Parcel dialled(boolean dialled) {
        return new Parcel(
                id, descriptor, protocol, stateVersion, state, unread, unsent, local, peer, dialled, companions);
    }

    Parcel companions(Companion[] companions) {
        return new Parcel(
                id, descriptor, protocol, stateVersion, state, unread, unsent, local, peer, dialled, companions);
    }

    /** Lengths instead of bytes, which are the application's. */
    String shown(String as) {
        return as + "[id=" + id + ", descriptor=" + descriptor + ", protocol=" + protocol + ", state=" + state.length
                + ", unread=" + unread.length + ", unsent=" + unsent.length + ", companions=" + companions.length
                + "]";
    }
}

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

package io.libzdt;

import java.net.SocketAddress;
import java.util.List;
import java.util.Optional;

/**
 * An established stream socket (TCP or Unix), accepted or dialled, with everything that must travel with it.
 *
 * <p>A predecessor gives {@link Frozen} ones to {@link Takeover#migrate}, a successor is shown an {@link Offer} and gets
 * an {@link Adopted} one. The arrays are not copied: whoever changes one changes what the connection holds.
 */
public abstract sealed class Connection permits Frozen, Offer, Adopted {
    private final Parcel parcel;

    Connection(Parcel parcel) {
        this.parcel = parcel;
    }

    Parcel parcel() {
        return parcel;
    }

    /**
     * The predecessor's own name for the connection, which does not travel; an offer's, and what was adopted from it, is a
     * number that the link gave.
     *
     * @return the name, unique among the connections of one process that are on offer
     */
    public long id() {
        return parcel.id();
    }

    /** {@return the socket's descriptor; the class says whose it is} */
    public int descriptor() {
        return parcel.descriptor();
    }

    /** {@return what is spoken on it, for instance {@code http/1.1}} */
    public String protocol() {
        return parcel.protocol();
    }

    /** {@return which form the state has; 0 where there is no state} */
    public int stateVersion() {
        return parcel.stateVersion();
    }

    /** {@return the application's own state; empty where there is none} */
    public byte[] state() {
        return parcel.state();
    }

    /** {@return bytes that were read from the socket and not used yet: the successor uses them before it reads on} */
    public byte[] unread() {
        return parcel.unread();
    }

    /** {@return bytes that are to be written and not in the socket yet: the successor writes them before anything else} */
    public byte[] unsent() {
        return parcel.unsent();
    }

    /** {@return the further descriptors that belong to it; of an offer without descriptors that may be used} */
    public List<Companion> companions() {
        return List.of(parcel.companions());
    }

    /** {@return the socket's own address, where it was told; else {@link Descriptors#local} knows it} */
    public Optional<SocketAddress> local() {
        return Optional.ofNullable(Addresses.read(parcel.local()));
    }

    /** {@return the peer's address, where it was told; else {@link Descriptors#peer} knows it} */
    public Optional<SocketAddress> peer() {
        return Optional.ofNullable(Addresses.read(parcel.peer()));
    }

    /** {@return whether it was dialled (connected); else it was accepted} */
    public boolean dialled() {
        return parcel.dialled();
    }

    /** Lengths instead of bytes, which are the application's. */
    @Override
    public String toString() {
        return parcel.shown(getClass().getSimpleName());
    }
}

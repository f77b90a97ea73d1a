package io.libzdt;

import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.List;

/**
 * A connection that its owner has frozen and lends to {@link Takeover#migrate}: out of the selector, nothing in flight,
 * every byte that was read or is to be written either in here or in the socket.
 *
 * <p>Immutable; each method that adds something gives another one. The descriptors stay the caller's, who keeps its own
 * objects as they are until {@link Event.Settled} or {@link Event.Returned} names the connection. The arrays are not
 * copied: leave them alone until {@code migrate} is back.
 */
public final class Frozen extends Connection {
    private Frozen(Parcel parcel) {
        super(parcel);
    }

    /** What came back. */
    static Frozen of(Parcel parcel) {
        return new Frozen(parcel);
    }

    /**
     * A connection with nothing else to carry.
     *
     * @param id the caller's own name for it, by which {@code Settled} and {@code Returned} name it; it does not travel
     * @param descriptor its socket, as {@link Descriptors#of} tells it
     * @param protocol what is spoken on it, for instance {@code http/1.1}; at most 255 bytes
     * @return the connection
     */
    public static Frozen of(long id, int descriptor, String protocol) {
        return new Frozen(new Parcel(
                id,
                descriptor,
                protocol,
                0,
                Parcel.NOTHING,
                Parcel.NOTHING,
                Parcel.NOTHING,
                null,
                null,
                false,
                Parcel.ALONE));
    }

    /**
     * With the application's own state.
     *
     * @param version which form it has
     * @param state the bytes; at most {@link Config.Builder#maxState}
     * @return the same connection with it
     */
    public Frozen state(int version, byte[] state) {
        return new Frozen(parcel().state(version, state));
    }

    /**
     * With bytes that were read from the socket and not used yet.
     *
     * @param bytes the bytes; at most {@link Config.Builder#maxBytes}
     * @return the same connection with them
     */
    public Frozen unread(byte[] bytes) {
        return new Frozen(parcel().bytes(bytes, unsent()));
    }

    /**
     * With bytes that are to be written and are not in the socket yet.
     *
     * @param bytes the bytes; at most {@link Config.Builder#maxBytes}
     * @return the same connection with them
     */
    public Frozen unsent(byte[] bytes) {
        return new Frozen(parcel().bytes(unread(), bytes));
    }

    /**
     * With one more descriptor that moves with it or not at all.
     *
     * @param companion it, and the bytes on their way through it
     * @return the same connection with it
     */
    public Frozen companion(Companion companion) {
        List<Companion> all = new ArrayList<>(companions());
        all.add(companion);
        return new Frozen(parcel().companions(all.toArray(Parcel.ALONE)));
    }

    /**
     * With the socket's own address, for a successor that cannot ask the socket (behind a proxy, for instance).
     *
     * @param address an {@code InetSocketAddress} or a {@code UnixDomainSocketAddress}
     * @return the same connection with it
     * @throws ZdtArgumentException for any other
     */
    public Frozen local(SocketAddress address) {
        return new Frozen(parcel().addresses(Addresses.write(address), parcel().peer()));
    }

    /**
     * With the peer's address.
     *
     * @param address an {@code InetSocketAddress} or a {@code UnixDomainSocketAddress}
     * @return the same connection with it
     * @throws ZdtArgumentException for any other
     */
    public Frozen peer(SocketAddress address) {
        return new Frozen(parcel().addresses(parcel().local(), Addresses.write(address)));
    }

    /**
     * Dialled or accepted.
     *
     * @param dialled whether we connected to the peer; else it connected to us, which is what holds where nothing is said
     * @return the same connection with that
     */
    public Frozen dialled(boolean dialled) {
        return new Frozen(parcel().dialled(dialled));
    }
}

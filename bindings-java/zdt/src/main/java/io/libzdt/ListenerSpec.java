package io.libzdt;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.DatagramChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What to listen at: an address and how. A plain value; nothing is opened before {@link #bind}. Immutable.
 *
 * <p>In words, both ways ({@link #parse}, {@link #toString}): {@code tcp://0.0.0.0:8080}, {@code tcp://[::]:8080?v6only=1},
 * {@code udp://0.0.0.0:53}, {@code unix:///run/app/x.sock?backlog=128&mode=0660}, {@code unix://@name} (options {@code backlog}, {@code v6only}, {@code nodelay},
 * {@code reuseport}, {@code mode}; in a path, {@code %3f} is the byte 0x3f).
 *
 * <p>Every method throws {@link ZdtArgumentException} where the address does not parse, or the options do not fit it.
 */
public final class ListenerSpec {
    /** As the core writes it: it has checked it, too. */
    private final String text;

    private ListenerSpec(String text) {
        this.text = text;
    }

    /**
     * What the words say.
     *
     * @param text for instance {@code tcp://0.0.0.0:8080?backlog=128}
     * @return the same as a value
     */
    public static ListenerSpec parse(String text) {
        return new ListenerSpec(Native.spec(text, null, 0));
    }

    /**
     * TCP at an IP address and port.
     *
     * @param address for instance {@code 0.0.0.0:8080} or {@code [::]:8080}; names are not resolved; port 0: any
     * @return what to listen at
     */
    public static ListenerSpec tcp(String address) {
        return parse("tcp://" + address);
    }

    /**
     * TCP at an IP address and port, taken as they are: {@code 0.0.0.0} (what {@code new InetSocketAddress(port)} is as a
     * rule) is IPv4 alone; for both give {@code tcp("[::]:8080")}.
     *
     * @param address resolved; port 0: any
     * @return what to listen at
     */
    public static ListenerSpec tcp(InetSocketAddress address) {
        return tcp(Addresses.text(address));
    }

    /**
     * TCP as web servers in Java listen: at one address, or at all of them.
     *
     * @param address null: every address, IPv6 and IPv4; IPv4 alone where the kernel has no IPv6
     *     ({@code /proc/net/if_inet6}), or with {@code -Djava.net.preferIPv4Stack=true}
     * @param port 0: any
     * @return what to listen at
     */
    public static ListenerSpec tcp(InetAddress address, int port) {
        if (address != null) {
            return tcp(Addresses.text(address, port));
        }
        boolean ipv6 = Files.exists(Path.of("/proc/net/if_inet6")) && !Boolean.getBoolean("java.net.preferIPv4Stack");
        return tcp((ipv6 ? "[::]:" : "0.0.0.0:") + port);
    }

    /**
     * UDP at an IP address and port, a datagram socket: read from it instead of accepting
     * ({@link Takeover#datagramListener}). What waits in it when a successor takes over is the successor's to read.
     *
     * @param address as for {@link #tcp(String)}
     * @return what to listen at
     */
    public static ListenerSpec udp(String address) {
        return parse("udp://" + address);
    }

    /**
     * UDP at an IP address and port, taken as they are.
     *
     * @param address resolved; port 0: any
     * @return what to listen at
     */
    public static ListenerSpec udp(InetSocketAddress address) {
        return udp(Addresses.text(address));
    }

    /**
     * A Unix stream socket with a name in the abstract namespace (unix(7)): no file, gone with the last socket that has it.
     * Every process of the same network namespace can reach it, whoever runs it.
     *
     * @param name 1 to 107 bytes of any value
     * @return what to listen at
     */
    public static ListenerSpec abstractUnix(byte[] name) {
        return new ListenerSpec(Native.abstractSpec(name));
    }

    /**
     * A Unix stream socket at a path.
     *
     * @param path where; a socket at which nobody listens is replaced
     * @return what to listen at
     */
    public static ListenerSpec unix(Path path) {
        return new ListenerSpec(Native.unixSpec(Addresses.bytes(path)));
    }

    /**
     * How many connections may wait to be accepted; default 4096, and the kernel's own limit holds.
     *
     * @param connections how many
     * @return the same with it
     */
    public ListenerSpec backlog(int connections) {
        return with("backlog", connections);
    }

    /**
     * Whether a listener at {@code [::]} leaves IPv4 alone; default no, so that it serves both.
     *
     * @param on whether
     * @return the same with it
     */
    public ListenerSpec v6only(boolean on) {
        return with("v6only", on ? 1 : 0);
    }

    /**
     * Whether accepted sockets send small segments at once (TCP_NODELAY); default no.
     *
     * @param on whether
     * @return the same with it
     */
    public ListenerSpec nodelay(boolean on) {
        return with("nodelay", on ? 1 : 0);
    }

    /**
     * Whether other sockets of the same user may listen at the address too (SO_REUSEPORT); default no.
     *
     * @param on whether
     * @return the same with it
     */
    public ListenerSpec reuseport(boolean on) {
        return with("reuseport", on ? 1 : 0);
    }

    /**
     * The mode of a Unix socket's file; by default the umask decides.
     *
     * @param mode for instance {@code 0660}
     * @return the same with it
     */
    public ListenerSpec mode(int mode) {
        return with("mode", mode);
    }

    private ListenerSpec with(String option, int value) {
        return new ListenerSpec(Native.spec(text, option, value));
    }

    /**
     * Binds and listens, outside of any takeover.
     *
     * @return the listener, which is the caller's
     * @throws ZdtException {@link ErrorKind#ADDRESS_IN_USE}, {@code DIRECTORY_MISSING}, {@code FOREIGN_FILE} (something
     *     other than a socket lies at the path), {@code BUSY}, {@code SYSTEM}, {@code UNSUPPORTED} (UDP);
     *     nothing is left behind
     */
    public ServerSocketChannel bind() throws ZdtException {
        NioChannels.check();
        checkForChannel();
        return NioChannels.own(Native.bind(text), Descriptors::serverSocketChannel);
    }

    /**
     * Binds a socket of UDP, outside of any takeover.
     *
     * @return the socket, which is the caller's
     * @throws ZdtException as {@link #bind}; {@link ErrorKind#UNSUPPORTED}: this is not of UDP
     */
    public DatagramChannel bindDatagram() throws ZdtException {
        checkForDatagrams();
        return NioChannels.own(Native.bind(text), Descriptors::datagramChannel);
    }

    /** Whether java.nio has a channel for it, before anything is taken or bound. */
    void checkForChannel() throws ZdtException {
        if (text.startsWith("udp://")) {
            String what = "a ServerSocketChannel is for what accepts connections, not for " + text;
            throw Fault.of(ErrorKind.UNSUPPORTED, what, "nothing was opened; use datagramListener or bindDatagram")
                    .told();
        }
    }

    /** The same, for UDP. */
    void checkForDatagrams() throws ZdtException {
        NioDatagrams.check();
        if (!text.startsWith("udp://")) {
            String what = "a DatagramChannel is for UDP, not for " + text;
            throw Fault.of(ErrorKind.UNSUPPORTED, what, "nothing was opened; use listener or bind")
                    .told();
        }
    }

    /** As {@link #parse} takes it. */
    @Override
    public String toString() {
        return text;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ListenerSpec spec && spec.text.equals(text);
    }

    @Override
    public int hashCode() {
        return text.hashCode();
    }
}

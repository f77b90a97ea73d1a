package io.libzdt;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ProtocolFamily;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.file.Path;

/**
 * Addresses as they cross to native code: one byte that says which kind, then for 4 and 6 the IP address, the port (16
 * bits) and the scope (32 bits, 6 only); for P the path; nothing for U, a Unix socket without a name.
 */
final class Addresses {
    /** In which java.nio.file writes paths. */
    private static final Charset PATHS = Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"));

    private Addresses() {}

    static byte[] bytes(Path path) {
        return path.toString().getBytes(PATHS);
    }

    static byte[] write(SocketAddress address) {
        if (address instanceof InetSocketAddress inet && !inet.isUnresolved()) {
            byte[] ip = inet.getAddress().getAddress();
            ByteBuffer out = ByteBuffer.allocate(ip.length == 4 ? 7 : 23);
            out.put((byte) (ip.length == 4 ? '4' : '6')).put(ip).putShort((short) inet.getPort());
            if (inet.getAddress() instanceof Inet6Address v6) {
                out.putInt(v6.getScopeId());
            }
            return out.array();
        }
        if (address instanceof UnixDomainSocketAddress unix) {
            byte[] path = bytes(unix.getPath());
            return path.length == 0
                    ? new byte[] {'U'}
                    : ByteBuffer.allocate(path.length + 1)
                            .put((byte) 'P')
                            .put(path)
                            .array();
        }
        throw unclear(address);
    }

    /** Null for null. */
    static SocketAddress read(byte[] address) {
        if (address == null) {
            return null;
        }
        ByteBuffer in = ByteBuffer.wrap(address);
        char kind = (char) in.get();
        if (kind == 'U' || kind == 'P') {
            return UnixDomainSocketAddress.of(new String(address, 1, address.length - 1, PATHS));
        }
        byte[] ip = new byte[kind == '4' ? 4 : 16];
        in.get(ip);
        int port = Short.toUnsignedInt(in.getShort());
        try {
            // IPv4 mapped into IPv6 becomes IPv4 here, as java.net has it everywhere.
            InetAddress host = InetAddress.getByAddress(ip);
            int scope = kind == '6' ? in.getInt() : 0;
            if (scope != 0 && host instanceof Inet6Address) {
                host = Inet6Address.getByAddress(null, ip, scope);
            }
            return new InetSocketAddress(host, port);
        } catch (UnknownHostException e) {
            throw new AssertionError("4 and 16 bytes are addresses", e);
        }
    }

    /** Of the socket that has the address: one of IPv6 may have a peer of IPv4. */
    static ProtocolFamily family(byte[] address) {
        return switch (address[0]) {
            case '4' -> StandardProtocolFamily.INET;
            case '6' -> StandardProtocolFamily.INET6;
            default -> StandardProtocolFamily.UNIX;
        };
    }

    /** As the core parses it. */
    static String text(InetSocketAddress address) {
        if (address.isUnresolved()) {
            throw unclear(address);
        }
        return text(address.getAddress(), address.getPort());
    }

    static String text(InetAddress address, int port) {
        if (!(address instanceof Inet6Address v6)) {
            return address.getHostAddress() + ":" + port;
        }
        // Java writes the scope by name; the core takes the number.
        String ip = v6.getHostAddress().replaceFirst("%.*", "");
        String scope = v6.getScopeId() == 0 ? "" : "%" + v6.getScopeId();
        return "[" + ip + scope + "]:" + port;
    }

    private static ZdtArgumentException unclear(SocketAddress address) {
        return new ZdtArgumentException(Fault.of(
                ErrorKind.INVALID_ARGUMENT,
                address + " is no address of TCP or of a Unix socket",
                "names are not resolved: give an IP address, or a UnixDomainSocketAddress"));
    }
}

package io.libzdt.tomcat;

import io.libzdt.Descriptors;
import io.libzdt.Drainable;
import io.libzdt.ListenerSpec;
import io.libzdt.NioTakeover;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.NetworkChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import org.apache.tomcat.util.net.NioChannel;
import org.apache.tomcat.util.net.NioEndpoint;
import org.apache.tomcat.util.net.SocketWrapperBase;

/** Tomcat's acceptor and pollers, with a listener that is not its own. */
final class TakeoverEndpoint extends NioEndpoint implements Drainable {
    private NioTakeover nio;
    private String name;
    private volatile ServerSocketChannel listener;
    private volatile boolean draining;

    void listener(NioTakeover nio, String name) {
        this.nio = nio;
        this.name = name;
    }

    @Override
    protected void initServerSocket() throws Exception {
        if (nio == null) {
            throw new IllegalStateException("TakeoverProtocol has no listener; call listener(takeover, name) first");
        }
        if (getUnixDomainSocketPath() != null) {
            throw new IllegalStateException("unixDomainSocketPath is not for TakeoverProtocol; nothing was bound");
        }
        listener = nio.listen(name, ListenerSpec.tcp(getAddress(), getPortWithOffset()), this);
    }

    @Override
    protected NetworkChannel getServerSocket() {
        return listener;
    }

    @Override
    protected void doCloseServerSocket() throws IOException {
        ServerSocketChannel open = listener;
        if (open != null) {
            open.close();
        }
        listener = null;
    }

    @Override
    protected SocketChannel serverSocketAccept() throws Exception {
        try {
            ServerSocketChannel open = listener;
            if (open == null) {
                throw new ClosedChannelException();
            }
            return open.accept();
        } catch (ClosedChannelException over) {
            // The service is over here, Tomcat is not: it would ask again and again, and log each time.
            while (isRunning()) {
                Thread.sleep(10);
            }
            throw over;
        }
    }

    /** Tomcat would connect to itself, and reach the successor. */
    @Override
    protected void unlockAccept() {
        try {
            doCloseServerSocket();
        } catch (IOException e) {
            getLog().warn("closing the listener", e);
        }
    }

    @Override
    public void drain() {
        draining = true;
        getHandler().pause(); // GOAWAY, where HTTP/2 is spoken
    }

    @Override
    public void resume() {
        draining = false;
    }

    boolean isDraining() {
        return draining;
    }

    @Override
    public int closeIdle(int atMost) {
        int closed = 0;
        for (SocketWrapperBase<NioChannel> connection : getConnections()) {
            // Whoever serves a request on it has its lock.
            if (closed < atMost && connection.getLock().tryLock()) {
                try {
                    if (isIdle(connection)) {
                        connection.close();
                        closed++;
                    }
                } finally {
                    connection.getLock().unlock();
                }
            }
        }
        return closed;
    }

    /** A processor stays with a connection that is in the middle of a request's head, or has been upgraded. */
    private static boolean isIdle(SocketWrapperBase<NioChannel> connection) {
        try {
            SocketChannel channel = connection.getSocket().getIOChannel();
            return connection.getCurrentProcessor() == null && !Descriptors.isUnserved(Descriptors.of(channel));
        } catch (IOException | RuntimeException e) {
            return false; // it has ended meanwhile
        }
    }
}

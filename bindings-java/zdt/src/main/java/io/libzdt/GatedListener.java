package io.libzdt;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.SocketAddress;
import java.net.SocketOption;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A listener for servers with a thread that blocks in {@code accept()}: that waits, too, while nothing may be accepted.
 * The socket underneath stays non-blocking, whatever the server asks of this channel: O_NONBLOCK is shared.
 */
final class GatedListener extends ServerSocketChannel {
    private final ServerSocketChannel listener;
    private final Selector selector;
    private final SelectionKey key;
    /** Whose turn it is to wait: a selector would let the others wait where no interrupt reaches them. */
    private final ReentrantLock turn = new ReentrantLock();
    /** Under the lock, so that whoever closed the gate knows that nobody is on the way through. */
    private boolean accepting;
    /** Those that were accepted here, and some that have ended since. */
    private final List<SocketChannel> accepted = new ArrayList<>();

    private int roomy = 1024;

    /** Takes the listener over; it is closed if this throws. */
    GatedListener(ServerSocketChannel listener) throws IOException {
        super(listener.provider());
        this.listener = listener;
        Selector made = null;
        try {
            made = Selector.open();
            listener.configureBlocking(false);
            key = listener.register(made, 0);
        } catch (IOException e) {
            listener.close();
            if (made != null) {
                made.close();
            }
            throw e;
        }
        selector = made;
    }

    /** Accepts only while {@code on}; when it is back from turning it off, nothing is accepted any more. */
    synchronized void accepting(boolean on) {
        accepting = on;
        if (isOpen()) {
            key.interestOps(on ? SelectionKey.OP_ACCEPT : 0);
            selector.wakeup();
        }
    }

    /** Whether somebody waits to be accepted. */
    synchronized boolean isUnserved() throws ZdtException {
        return isOpen() && Descriptors.isUnserved(Descriptors.of(listener));
    }

    @Override
    public SocketChannel accept() throws IOException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
        try {
            turn.lockInterruptibly();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw interrupted();
        }
        try {
            SocketChannel connection = null;
            while (connection == null) {
                selector.select(ready -> {});
                if (Thread.currentThread().isInterrupted()) {
                    throw interrupted();
                }
                connection = acceptNow();
            }
            return connection;
        } catch (ClosedSelectorException e) {
            throw new AsynchronousCloseException();
        } finally {
            turn.unlock();
        }
    }

    /** What java.nio's own channels do. */
    private ClosedByInterruptException interrupted() throws IOException {
        close();
        return new ClosedByInterruptException();
    }

    private synchronized SocketChannel acceptNow() throws IOException {
        if (!isOpen()) {
            throw new AsynchronousCloseException();
        }
        SocketChannel connection = accepting ? listener.accept() : null;
        if (connection != null) {
            accepted.add(connection);
            if (accepted.size() > roomy) {
                roomy = Math.max(1024, 2 * connections());
            }
        }
        return connection;
    }

    /** How many of those that were accepted are still open: known from accept on, wherever the server has them. */
    synchronized int connections() {
        accepted.removeIf(connection -> !connection.isOpen());
        return accepted.size();
    }

    @Override
    public ServerSocketChannel bind(SocketAddress local, int backlog) throws IOException {
        listener.bind(local, backlog); // says that it is bound
        return this;
    }

    @Override
    public <T> ServerSocketChannel setOption(SocketOption<T> name, T value) throws IOException {
        listener.setOption(name, value);
        return this;
    }

    @Override
    public <T> T getOption(SocketOption<T> name) throws IOException {
        return listener.getOption(name);
    }

    @Override
    public Set<SocketOption<?>> supportedOptions() {
        return listener.supportedOptions();
    }

    /** To look at: its {@code accept()} knows of no gate, and throws. */
    @Override
    public ServerSocket socket() {
        return listener.socket();
    }

    @Override
    public SocketAddress getLocalAddress() throws IOException {
        return listener.getLocalAddress();
    }

    @Override
    protected synchronized void implCloseSelectableChannel() throws IOException {
        listener.close();
        selector.close(); // which closes what was registered with it
    }

    @Override
    protected void implConfigureBlocking(boolean block) {
        if (!block) {
            throw new UnsupportedOperationException("accept() of this channel waits; nothing was changed");
        }
    }

    @Override
    public String toString() {
        return "GatedListener[" + listener + "]";
    }
}

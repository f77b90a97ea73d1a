package io.libzdt;

import java.net.InetSocketAddress;
import java.nio.channels.DatagramChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * One process's part in the chain of generations: its takeover socket, its listeners, the link to its predecessor and the
 * link to its successor.
 *
 * <p>Any thread may call anything; {@link #nextEvent} has one caller at a time. Nothing blocks but {@link #open},
 * {@code nextEvent}, {@link #awaitDone} and, for some milliseconds, {@link #close}. Whoever calls {@code nextEvent} does
 * the work, deadlines included; {@link #dispatch} has a thread do it. After {@code close} every call but those that only
 * look throws {@link ZdtStateException} ({@link ErrorKind#CLOSED}). A handle that is forgotten is closed when the garbage
 * collector finds it.
 */
public final class Takeover implements AutoCloseable {
    private final long handle;
    private final Dispatcher dispatcher = new Dispatcher(this);
    private final AtShutdown atShutdown = new AtShutdown(this);

    private Takeover(long handle) {
        this.handle = handle;
        Native.CLEANER.register(this, () -> Native.forget(handle));
    }

    /**
     * {@link #open(Path, Config)} with the defaults.
     *
     * @param path of the takeover socket
     * @return the handle
     * @throws ZdtException as there
     */
    public static Takeover open(Path path) throws ZdtException {
        return open(path, Config.DEFAULT);
    }

    /**
     * Finds the process that waits at {@code path} and begins to take over from it, or becomes the first there.
     *
     * <p>Blocks until the predecessor's listeners are in hand, at most {@link Config.Builder#handshake}. The directory must
     * be ours or root's and closed to other writers (or have the sticky bit); a stale socket at the path is replaced.
     *
     * @param path of the takeover socket, at most 107 bytes
     * @param config how it is to behave
     * @return the handle; {@link #close} it
     * @throws ZdtException nothing has changed, and who served goes on serving. {@link TrustException},
     *     {@link ErrorKind#DIRECTORY_MISSING}: the path or who waits there is not to be trusted. {@code BUSY}: another
     *     successor is at it. {@code NO_ANSWER}, {@code PEER_GONE}, {@code REFUSED}, {@link ProtocolException},
     *     {@code DESCRIPTOR_LIMIT}: too few descriptors for what is coming. {@code LISTENER_MISMATCH},
     *     {@code UNSUPPORTED}, {@code SYSTEM}
     * @throws ZdtArgumentException {@link ErrorKind#PATH_TOO_LONG}
     * @throws ZdtStateException {@link ErrorKind#SIGNAL_NOT_BLOCKED}
     */
    public static Takeover open(Path path, Config config) throws ZdtException {
        return new Takeover(Native.open(Addresses.bytes(path), config));
    }

    /** {@return our generation: 1 for the first process at the path, one more with each committed takeover} */
    public long generation() {
        return Native.generation(handle);
    }

    /** {@return the process that we take over from, or took over from while its link lasts} */
    public Optional<Peer> predecessor() {
        return Optional.ofNullable(Native.predecessor(handle));
    }

    /**
     * {@link #listener(String, ListenerSpec)} at an address of TCP.
     *
     * @param name of the listener
     * @param address as {@link ListenerSpec#tcp(InetSocketAddress)} takes it
     * @return the listener
     * @throws ZdtException as there
     */
    public ServerSocketChannel listener(String name, InetSocketAddress address) throws ZdtException {
        return listener(name, ListenerSpec.tcp(address));
    }

    /**
     * The listener {@code name}: the predecessor's where it has one, else bound as {@code spec} says. Nothing is to be
     * accepted from any listener before {@link #ready}; ask for all of them before it.
     *
     * <p>One that the predecessor has at the very address under another name is inherited under the new one. Nodelay, and
     * backlog and mode if {@code spec} sets them, become as {@code spec} says when we become the owner. For one that is
     * not what {@code spec} asks for see {@link Config.Builder#onMismatch}.
     *
     * <p>The channel is the caller's to close; libzdt keeps a descriptor of its own for the same socket and passes it on.
     * The socket is non-blocking, for both processes: do not call {@code configureBlocking(true)} on a channel that
     * {@code configureBlocking(false)} was called on. Blocking {@code accept} works as it is.
     *
     * @param name of the listener
     * @param spec where and how to listen
     * @return the listener, bound and listening
     * @throws ZdtException {@link ErrorKind#LISTENER_MISMATCH}: the predecessor's is not what {@code spec} asks for; it
     *     stays unclaimed. {@code ADDRESS_IN_USE}, {@code SYSTEM}: it could not be bound. {@code UNSUPPORTED}: as
     *     {@link Descriptors#serverSocketChannel}. The service is as it was
     * @throws ZdtArgumentException {@link ErrorKind#NAME_USED}, {@code INVALID_ARGUMENT}
     * @throws ZdtStateException {@link ErrorKind#WRONG_STATE}: after {@code ready}
     */
    public ServerSocketChannel listener(String name, ListenerSpec spec) throws ZdtException {
        NioChannels.check();
        spec.checkForChannel();
        return NioChannels.own(listenerDescriptor(name, spec), Descriptors::serverSocketChannel);
    }

    /**
     * {@link #datagramListener(String, ListenerSpec)} at an address of UDP.
     *
     * @param name of the listener
     * @param address as {@link ListenerSpec#udp(InetSocketAddress)} takes it
     * @return the socket
     * @throws ZdtException as there
     */
    public DatagramChannel datagramListener(String name, InetSocketAddress address) throws ZdtException {
        return datagramListener(name, ListenerSpec.udp(address));
    }

    /**
     * As {@link #listener(String, ListenerSpec)}, for UDP: a socket to read from instead of one to accept from. What waits
     * in it when a successor takes over is the successor's to read.
     *
     * @param name of the listener
     * @param spec {@link ListenerSpec#udp(String)}
     * @return the socket, bound
     * @throws ZdtException as there
     */
    public DatagramChannel datagramListener(String name, ListenerSpec spec) throws ZdtException {
        spec.checkForDatagrams();
        return NioChannels.own(listenerDescriptor(name, spec), Descriptors::datagramChannel);
    }

    /**
     * The same as a plain descriptor (non-blocking, close-on-exec), which is the caller's to close.
     *
     * @param name of the listener
     * @param spec where and how to listen
     * @return the descriptor
     * @throws ZdtException as {@link #listener(String, ListenerSpec)}
     */
    public int listenerDescriptor(String name, ListenerSpec spec) throws ZdtException {
        return Native.listener(handle, name, spec.toString());
    }

    /** {@return the names of inherited listeners neither asked for nor retired: {@code ready} fails until they are} */
    public List<String> unclaimed() {
        return List.of(Native.unclaimed(handle));
    }

    /**
     * Leaves the predecessor's listener {@code name} to the predecessor: it goes on accepting from it, serves whoever connects
     * there, and closes it when it is done. Nothing changes before {@link #ready}; if the attempt is called off, or we die
     * and the predecessor resumes, it still has the listener.
     *
     * @param name as the predecessor calls it
     * @throws ZdtException {@code SYSTEM}
     * @throws ZdtArgumentException {@link ErrorKind#INVALID_ARGUMENT}: no unclaimed listener has this name;
     *     {@code TOO_LARGE}: 253 were retired
     */
    public void retire(String name) throws ZdtException {
        Native.retire(handle, name);
    }

    /**
     * We are fit to serve: accept from the listeners from here on. The predecessor stops accepting and begins to migrate.
     * Then tells {@link EventHandler#onReady}, if there is a handler.
     *
     * @throws ZdtException {@link ErrorKind#ATTEMPT_LOST} and the like: the attempt is off, close the handle
     * @throws ZdtStateException {@link ErrorKind#LISTENER_UNCLAIMED}: whoever connects to an inherited listener that nobody
     *     asked for or retired would wait for ever. {@code WRONG_STATE}: called before. Nothing was done
     */
    public void ready() throws ZdtException {
        Native.ready(handle);
        dispatcher.ready();
    }

    /**
     * What happened next; waits for it for at most {@code timeout}.
     *
     * <p>Where {@link #eventFd} is polled, call it until it gives null. Coming back after {@link Event.Drain} says that
     * accepting has stopped. Interrupting the thread does not end the wait; {@link #close} from another thread does.
     *
     * @param timeout how long to wait; zero: only look; null: for ever
     * @return the event; null where none came
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     * @throws ZdtStateException {@link ErrorKind#WRONG_STATE}: another thread is in here, or a handler is told the events;
     *     {@code CLOSED}
     */
    public Event nextEvent(Duration timeout) throws ZdtException {
        dispatcher.admit();
        return Native.nextEvent(handle, timeout == null ? -1 : Native.nanos(timeout));
    }

    /**
     * A descriptor for a poller of the caller's (epoll): readable, level-triggered, while {@link #nextEvent} has something
     * to do, deadlines included. It belongs to the handle: only wait for it.
     *
     * @return the descriptor
     */
    public int eventFd() {
        return Native.eventFd(handle);
    }

    /**
     * Offers a frozen connection to the successor, from {@link Event.Drain} on. Never blocks.
     *
     * <p>{@link Event.Settled} or {@link Event.Returned} names it later; until then its descriptors are neither used nor
     * closed. Where this is false, or throws, nothing was done, and the connection is still the caller's and frozen.
     *
     * @param connection what to offer
     * @return false: enough is on its way, wait for {@link Event.Room} and call again
     * @throws ZdtException it cannot be offered, drain it here. {@link ErrorKind#DESCRIPTOR_LIMIT}: the successor has no
     *     room; {@code SYSTEM}
     * @throws ZdtArgumentException the same: {@link ErrorKind#TOO_LARGE}, {@code NOT_READABLE} (the successor does not read
     *     this protocol and version), {@code INVALID_ARGUMENT}
     * @throws ZdtStateException {@link ErrorKind#WRONG_STATE}: no successor, or the attempt is being called off
     */
    public boolean migrate(Frozen connection) throws ZdtException {
        return connection.parcel().migrate(handle);
    }

    /**
     * Nothing more will be offered; {@link Event.Done} follows when the last connection is settled and the probation is
     * over. Draining without a successor: nothing is in flight any more, {@code Done} follows at once.
     *
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     * @throws ZdtStateException {@link ErrorKind#WRONG_STATE}: nobody asked to drain
     */
    public void migratedAll() throws ZdtException {
        Native.migratedAll(handle);
    }

    /**
     * Asks this process to drain, as a signal would: {@link Event.Drain} without a successor follows, unless one is at it.
     *
     * @throws ZdtException {@link ErrorKind#SYSTEM}
     */
    public void drain() throws ZdtException {
        Native.drain(handle);
    }

    /**
     * Has the JVM drain before it ends, whatever ends it in good order: SIGTERM, SIGINT, SIGHUP, {@code System.exit}. A
     * shutdown hook calls {@link #drain} and waits until the handle is closed; no signal handler is installed. The events
     * go on meanwhile where they went before.
     *
     * <p>The application's other hooks run at the same time: what draining needs they must not end. With {@code -Xrs} the
     * JVM runs no hooks when a signal comes.
     *
     * @param limit how long the JVM is kept alive at most; what has not ended then ends with it. The drain deadline
     *     ({@link Config.Builder#drain}) and a little more is right
     * @throws ZdtStateException {@link ErrorKind#WRONG_STATE}: called before
     * @throws IllegalStateException the JVM is ending already
     */
    public void drainAtShutdown(Duration limit) {
        atShutdown.drain(limit);
    }

    /**
     * Says how many live connections there are: the successor makes room for so many descriptors before anything is
     * frozen, and progress is shown against it. Cheap; call it whenever the number changes much.
     *
     * @param count how many
     */
    public void setConnections(long count) {
        Native.setConnections(handle, count);
    }

    /** {@return what the takeover has done so far} */
    public Progress progress() {
        return Native.progress(handle);
    }

    /**
     * Has one daemon thread, {@code libzdt-dispatch-GENERATION}, wait for events and tell them to {@code handler}, in order,
     * until the handle is closed. At most once, and before {@link #ready}; from here on the events are the handler's.
     *
     * @param handler whom to tell
     * @throws ZdtStateException {@link ErrorKind#WRONG_STATE}: called before, or too late
     */
    public void dispatch(EventHandler handler) {
        dispatcher.start(handler);
    }

    /**
     * Waits until dispatching has ended: the handler closes the handle when it has nothing left to do.
     *
     * @throws InterruptedException the waiting thread was interrupted; dispatching goes on
     * @throws ZdtException what the handler threw, or what libzdt did; the handle is closed
     * @throws java.util.concurrent.CompletionException the handler threw its cause, which is something else
     * @throws ZdtStateException {@link ErrorKind#WRONG_STATE}: there is no {@link #dispatch}, or the handler calls this
     */
    public void awaitDone() throws InterruptedException, ZdtException {
        dispatcher.await();
    }

    /**
     * Leaves: every offer is answered or taken back, an owner without a successor gives the service up and unlinks the path.
     * The caller's descriptors and channels are untouched. A second call does nothing.
     */
    @Override
    public void close() {
        Native.close(handle);
        atShutdown.closed();
    }

    /**
     * Asks the process {@code pid} to drain: SIGTERM through a pidfd, so never to another process that got the number
     * meanwhile. Does not wait for its end.
     *
     * @param pid which process
     * @throws ZdtException {@link ErrorKind#PEER_GONE}: there is none; {@code WRONG_USER}: we may not; {@code SYSTEM}
     * @throws ZdtArgumentException no pid
     */
    public static void signalDrain(int pid) throws ZdtException {
        Native.signalDrain(pid);
    }

    @Override
    public String toString() {
        return "Takeover[generation=" + generation() + "]";
    }
}

package io.libzdt.netty;

import io.libzdt.Event;
import io.libzdt.EventHandler;
import io.libzdt.ListenerSpec;
import io.libzdt.Offer;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.bootstrap.ServerBootstrapConfig;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ChannelFuture;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.socket.DatagramChannel;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * A {@link Takeover} in Netty's hands: it accepts when it may, migrates the connections when a successor is ready, adopts
 * those of a predecessor, and closes the handle when there is nothing left to do ({@link Takeover#awaitDone}).
 *
 * <pre>{@code
 * var takeover = Takeover.open(path);
 * var netty = NettyTakeover.of(takeover);
 * netty.listen(bootstrap, "chat", new InetSocketAddress(8080)).sync();
 * takeover.ready();
 * takeover.awaitDone();
 * }</pre>
 *
 * <p>A connection moves if a handler in its pipeline is {@link Migratable} and no other one keeps what cannot be exported:
 * those of Netty's that are known to be plain are (frame decoders, for instance; not {@code SslHandler}), those from
 * elsewhere are taken to be. A decoder's bytes travel; it must leave in them what it has not used. All
 * others take leave: the next response of HTTP/1.1 says {@code Connection: close}, HTTP/2 says GOAWAY and finishes its
 * streams, WebSocket closes with 1012, each when it is its turn ({@link #spread}); a handler that is a {@link Farewell} does
 * it itself. The rest is served to its end. At the drain deadline all are ended; how many stay, and why, is logged.
 *
 * <p>HTTP/1.1 through Netty's codecs moves without a {@link Migratable}, between two requests: what is answered here is
 * answered to its end, half a head travels, and so do requests that come while another one is being answered. So does
 * WebSocket, between two messages or inside of a frame: the successor's handlers are given the client's request for it
 * once more, so that they shake hands again. The client hears nothing of that; what they write before they are back, a
 * greeting for instance, goes nowhere. A successor that answers the request otherwise than its predecessor did, or not at
 * once on the event loop, does not get the connection.
 *
 * <p>Handlers notice nothing of freezing and thawing. Those that want to know are told by user events:
 * {@link Event.Drain} (the connection stays here: end it when it suits), {@link Event.Returned} (a successor did not take
 * it, it goes on), {@link Event.Settled} (it has moved; {@code channelInactive} follows), {@link Event.Resume} (the
 * successor died: what was to leave may stay). While it is frozen, what is
 * written waits, and fails with {@link MigratedException} if it moves; only {@code shutdownOutput} cannot be held back.
 *
 * <p>If the attempt is off before {@link Takeover#ready} is called, that says why, and the handle is the application's to
 * close.
 *
 * <p>Any thread may call anything. End the event loops only after {@code awaitDone}. If those of a listener end before, its
 * connections end with them, as ever in Netty; what is on offer is settled all the same, and a successor without event
 * loops leaves the takeover, so that its predecessor resumes.
 */
public final class NettyTakeover {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");

    private final Takeover takeover;
    private final List<Listening> listenings = new CopyOnWriteArrayList<>();
    private final Map<Long, Child> children = new ConcurrentHashMap<>();
    private final AtomicLong ids = new AtomicLong();
    private final LongAdder stayed = new LongAdder();
    final Farewells farewells = new Farewells();

    // Of the dispatching thread.
    /** When what is left of a drain is ended (System.nanoTime). */
    private long deadline;
    /** The listeners that the successor left to us. */
    private List<String> retired = List.of();

    // Under the lock.
    private Migration migration;
    /** Draining, and nobody to take the connections. */
    private boolean alone;
    /** The application was told that it may serve. */
    private boolean ready;
    /** The attempt was off before that: {@code ready} is to say why, so the handle stays open for it. */
    private boolean lost;
    /** The service is over here with its last connection. */
    private boolean leaving;
    /** Listeners that are about to close: until then they may accept, and whoever they accept is served. */
    private int closing;
    /** Of those that are left at the deadline; null: there is none. */
    private Future<?> ending;

    private NettyTakeover(Takeover takeover) {
        this.takeover = takeover;
    }

    /**
     * Takes the events of {@code takeover} in hand ({@link Takeover#dispatch}). Before {@code ready}.
     *
     * @param takeover the handle
     * @return what listens
     */
    public static NettyTakeover of(Takeover takeover) {
        return of(takeover, event -> {});
    }

    /**
     * The same, with someone who looks on.
     *
     * @param takeover the handle
     * @param onlooker is told every event but the offers once it has been acted on; may not block
     * @return what listens
     */
    public static NettyTakeover of(Takeover takeover, EventHandler onlooker) {
        NettyTakeover netty = new NettyTakeover(takeover);
        takeover.dispatch(new EventHandler() {
            @Override
            public void onEvent(Event event) throws Exception {
                netty.onEvent(event);
                if (!(event instanceof Offer)) {
                    onlooker.onEvent(event);
                }
            }

            @Override
            public void onReady() throws Exception {
                netty.ready();
                onlooker.onReady();
            }
        });
        return netty;
    }

    /**
     * {@link #listen(ServerBootstrap, String, ListenerSpec, String)} at an address of TCP, the protocol named like the
     * listener.
     *
     * @param bootstrap as there
     * @param name of the listener
     * @param address where to listen
     * @return as there
     * @throws ZdtException as there
     */
    public ChannelFuture listen(ServerBootstrap bootstrap, String name, InetSocketAddress address) throws ZdtException {
        return listen(bootstrap, name, ListenerSpec.tcp(address), name);
    }

    /**
     * Inherits or binds the listener {@code name}. Whatever is accepted from it, after {@code ready}, passes through the
     * child handler of {@code bootstrap}; so does what is adopted.
     *
     * @param bootstrap groups of event loops (NIO or epoll), child handler, options; without a channel type, which follows
     *     the groups. It is copied
     * @param name of the listener
     * @param spec where and how to listen
     * @param protocol what is spoken on its connections, in the words of both processes
     * @return completes when the channel is registered; the channel is bound already
     * @throws ZdtException as {@link Takeover#listener(String, ListenerSpec)}
     */
    public ChannelFuture listen(ServerBootstrap bootstrap, String name, ListenerSpec spec, String protocol)
            throws ZdtException {
        ServerBootstrapConfig config = bootstrap.config();
        // All that can be wrong with it is found before a listener is taken.
        bootstrap.clone().channelFactory(Listening.NONE).validate();
        if (Transport.of(config.group()).getClass()
                != Transport.of(config.childGroup()).getClass()) {
            throw new IllegalArgumentException("both groups must be of the same transport; nothing was bound");
        }
        Listening listening = listening(config.group(), name, spec, protocol, Transport::server);
        listening.children = config.childGroup();
        return bootstrap
                .clone()
                .channelFactory(() -> (ServerChannel) listening.channel)
                .register();
    }

    /**
     * Inherits or binds the listener {@code name}, for a framework that has a bootstrap of its own and takes a channel. It may
     * bind the channel, whose address stays what it is, or register it; it must have done so before {@code ready}. Whatever
     * is accepted from it, after {@code ready}, and whatever is adopted, the framework finds in its pipeline.
     *
     * @param group the event loops that the channel will be registered with (NIO or epoll); those of its connections must be
     *     of the same kind
     * @param name of the listener
     * @param spec where and how to listen
     * @param protocol what is spoken on its connections, in the words of both processes
     * @return a channel that listens, and accepts nothing yet; closed when the drain is over
     * @throws ZdtException as {@link Takeover#listener(String, ListenerSpec)}
     */
    public ServerChannel serverChannel(EventLoopGroup group, String name, ListenerSpec spec, String protocol)
            throws ZdtException {
        return (ServerChannel) listening(group, name, spec, protocol, Transport::server).channel;
    }

    /**
     * Inherits or binds a socket of UDP. What waits in it when a successor takes over is the successor's to read, and nothing is
     * lost: each datagram is read by one of the two. Both may write.
     *
     * @param group the event loops that the channel will be registered with (NIO or epoll)
     * @param name of the listener
     * @param spec {@link ListenerSpec#udp(String)}
     * @return a channel to add handlers to and to register ({@code group.register(channel)}); nothing is read from it before
     *     {@code ready}, nor from Drain on. Closed when the drain is over
     * @throws ZdtException as {@link Takeover#datagramListener(String, ListenerSpec)}
     */
    public DatagramChannel datagramChannel(EventLoopGroup group, String name, ListenerSpec spec) throws ZdtException {
        return (DatagramChannel) listening(group, name, spec, name, Transport::datagrams).channel;
    }

    /**
     * {@link #serverChannel} for those who want to make the channel themselves, once.
     *
     * @param group as there
     * @param name as there
     * @param spec as there
     * @param protocol as there
     * @return makes the channel; throws {@link ChannelException} where the listener cannot be had
     */
    public ChannelFactory<ServerChannel> channelFactory(
            EventLoopGroup group, String name, ListenerSpec spec, String protocol) {
        return () -> {
            try {
                return serverChannel(group, name, spec, protocol);
            } catch (ZdtException e) {
                throw new ChannelException(e.getMessage(), e);
            }
        };
    }

    private Listening listening(
            EventLoopGroup group, String name, ListenerSpec spec, String protocol, Listening.Kind kind)
            throws ZdtException {
        Listening listening = new Listening(this, group, name, spec, protocol, takeover, kind);
        listenings.add(listening);
        return listening;
    }

    /** {@return how many connections are served here} */
    public int connections() {
        return children.size();
    }

    /** {@return how many connections are still to be offered in the takeover that is under way; 0 if none is} */
    public int toMove() {
        Migration current = migration();
        return current == null ? 0 : current.toMove();
    }

    /** {@return how many connections could not move so far, each time that they were to} */
    public long stayed() {
        return stayed.sum();
    }

    /** {@return what has become of the connections that were to move or to end} */
    public Counters counters() {
        return farewells.counters.now();
    }

    /**
     * Over which time, from {@link Event.Drain} on, the clients whose connections cannot move are told to go elsewhere; so
     * they do not all come back at the same moment. Default: half of the drain deadline.
     *
     * @param over how long; the drain deadline if that is less. HTTP/1.1 can tell only whoever sends a request, so who is
     *     silent is left alone until the second half of the time between then and the deadline
     * @return this
     */
    public NettyTakeover spread(Duration over) {
        farewells.spread(over);
        return this;
    }

    private synchronized Migration migration() {
        return migration;
    }

    long newId() {
        return ids.incrementAndGet();
    }

    /** A connection is ours. Any thread. */
    void add(Child child) {
        children.put(child.id, child);
        child.channel.closeFuture().addListener(closed -> forget(child));
        takeover.setConnections(children.size());
    }

    /** The same, and it is to move on if everything does. Any thread. */
    void adopted(Child child) {
        add(child);
        Migration current = migration();
        if (current != null) {
            current.add(child);
        }
    }

    /** A connection has ended, or moved. Any thread. */
    void forget(Child child) {
        if (children.remove(child.id) == null) {
            return;
        }
        takeover.setConnections(children.size());
        Migration current = migration();
        if (current != null) {
            current.left(child);
        }
        finish();
    }

    private void onEvent(Event event) throws Exception {
        if (event instanceof Offer offer) {
            adopt(offer);
        } else if (event instanceof Event.Drain drain) {
            drain(drain);
        } else if (event instanceof Event.Room) {
            Migration current = migration();
            if (current != null) { // else it was called off meanwhile
                current.goOn();
            }
        } else if (event instanceof Event.Settled settled) {
            tell(settled.id(), child -> child.settled(settled));
        } else if (event instanceof Event.Returned returned) {
            tell(returned.connection().id(), child -> child.returned(returned));
        } else if (event instanceof Event.Resume resume) {
            resume(resume);
        } else if (event instanceof Event.Accept) {
            // To offer anything says that we do not accept; the next Drain, which ends this, begins from the beginning.
            turnTo(null, false);
            listenings.forEach(Listening::accept);
        } else if (event instanceof Event.Relieved) {
            closeListeners(listenings, Listening::close, () -> {});
        } else if (event instanceof Event.Aborted) {
            synchronized (this) {
                lost = !ready;
            }
            leave(Listening::letGo);
        } else if (event instanceof Event.Done) {
            endAtTheDeadline();
            leave(Listening::close);
        }
    }

    private void ready() {
        synchronized (this) {
            ready = true;
            lost = false;
        }
        listenings.forEach(Listening::accept);
        finish(); // it may have been over in between
    }

    private void tell(long id, Consumer<Child> what) {
        Child child = children.get(id);
        if (child != null) {
            what.accept(child);
        }
    }

    /** Nothing can be served here any more: without us the predecessor can go on. Any thread. */
    void endIfItsLoopsEnded(Listening listening) {
        if (listening.hasEnded()) {
            LOG.log(
                    System.Logger.Level.ERROR,
                    () -> "libzdt leaves the takeover: the event loops of " + listening.name + " have ended");
            takeover.close();
        }
    }

    private void adopt(Offer offer) {
        Listening listening = listenings.stream()
                .filter(one -> one.channel instanceof ServerChannel && one.protocol.equals(offer.protocol()))
                .findFirst()
                .orElse(null);
        if (listening == null) {
            offer.refuse("nothing listens here that speaks " + offer.protocol());
        } else {
            // Where it throws the handle is closed: so the offer, and all others, are given back.
            if (listening.hasEnded()) {
                throw new RejectedExecutionException("the event loops of " + listening.protocol + " have ended");
            }
            listening.arrivals.add(new Adoption(this, listening, offer));
        }
    }

    private void drain(Event.Drain drain) throws InterruptedException {
        retired = drain.retired();
        for (Listening listening : listenings) {
            if (retired.contains(listening.name)) {
                listening.accept();
            } else {
                listening.stopAccepting();
            }
        }
        // Until here nothing told the successor that we have stopped.
        long now = System.nanoTime();
        deadline = now + drain.deadline().toNanos();
        farewells.drain(drain, now);
        if (drain.successor().isPresent()) {
            Migration next = new Migration(takeover, drain, children.values(), stayed);
            turnTo(next, false);
            next.goOn();
        } else {
            turnTo(null, true);
            children.values().forEach(child -> child.drain(drain));
            finish();
        }
    }

    private void resume(Event.Resume event) {
        retired = List.of();
        turnTo(null, false);
        farewells.callOff();
        children.values().forEach(child -> child.resume(event));
        listenings.forEach(Listening::accept);
    }

    private synchronized void turnTo(Migration next, boolean alone) {
        if (migration != null) {
            migration.stop();
        }
        migration = next;
        this.alone = alone;
    }

    /** For good. From what the successor left to us nobody else accepts, so those who wait come first. */
    private void closeListeners(Iterable<Listening> open, BiConsumer<Listening, Runnable> close, Runnable closed)
            throws InterruptedException {
        for (Listening listening : open) {
            if (retired.contains(listening.name)) {
                listening.empty();
            }
            close.accept(listening, closed);
        }
    }

    private void leave(BiConsumer<Listening, Runnable> close) throws InterruptedException {
        List<Listening> open = List.copyOf(listenings);
        synchronized (this) {
            leaving = true;
            closing += open.size();
        }
        closeListeners(open, close, this::closed);
        finish();
    }

    private void closed() {
        synchronized (this) {
            closing--;
        }
        finish();
    }

    /** What is left of a drain, that is; what an attempt that is off has adopted is served to its end. */
    private synchronized void endAtTheDeadline() {
        if (!leaving) {
            Runnable end = () -> children.values().forEach(Child::cut);
            ending = GlobalEventExecutor.INSTANCE.schedule(end, deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
        }
    }

    /** With the last connection the drain is over, and then the service. */
    private void finish() {
        boolean drained;
        boolean left;
        synchronized (this) {
            boolean empty = children.isEmpty();
            drained = alone && empty;
            alone &= !empty;
            left = leaving && !lost && empty && closing == 0;
            if (left && ending != null) {
                ending.cancel(false);
            }
        }
        if (drained) {
            Migration.allMigrated(takeover);
        }
        if (left) {
            farewells.log();
            listenings.forEach(listening -> listening.close(() -> {}));
            takeover.close();
        }
    }
}

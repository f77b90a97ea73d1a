package io.libzdt.netty;

import io.libzdt.Event;
import io.libzdt.EventHandler;
import io.libzdt.ListenerSpec;
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
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

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
    private final Map<Long, Child> children = new ConcurrentHashMap<>();
    private final AtomicLong ids = new AtomicLong();
    final Farewells farewells = new Farewells();
    private final Service service;

    private NettyTakeover(Takeover takeover) {
        this.takeover = takeover;
        this.service = new Service(takeover, children, farewells);
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
        netty.service.dispatch(onlooker);
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
        service.add(listening);
        return listening;
    }

    /** {@return how many connections are served here} */
    public int connections() {
        return children.size();
    }

    /** {@return how many connections are still to be offered in the takeover that is under way; 0 if none is} */
    public int toMove() {
        return service.toMove();
    }

    /** {@return how many connections could not move so far, each time that they were to} */
    public long stayed() {
        return service.stayed();
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
        service.joined(child);
    }

    /** A connection has ended, or moved. Any thread. */
    void forget(Child child) {
        if (children.remove(child.id) != null) {
            takeover.setConnections(children.size());
            service.left(child);
        }
    }

    /** Nothing can be served here any more: without us the predecessor can go on. Any thread. */
    void endIfItsLoopsEnded(Listening listening) {
        endIf(listening.hasEnded(), listening);
    }

    /** The same, also where it is only the event loop that the listener's pipeline has chosen for a connection. */
    void endIfItsLoopsEnded(Listening listening, Child child) {
        endIf(listening.hasEnded() || child != null && child.isOnALoopThatEnds(), listening);
    }

    private void endIf(boolean ended, Listening listening) {
        if (ended) {
            LOG.log(
                    System.Logger.Level.ERROR,
                    () -> "libzdt leaves the takeover: the event loops of " + listening.name + " have ended");
            takeover.close();
        }
    }
}

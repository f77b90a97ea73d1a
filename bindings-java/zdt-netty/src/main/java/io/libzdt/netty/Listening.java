package io.libzdt.netty;

import io.libzdt.Descriptors;
import io.libzdt.ListenerSpec;
import io.libzdt.Offer;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.util.concurrent.Future;
import java.net.SocketAddress;
import java.util.concurrent.RejectedExecutionException;

/** A listener, and the first handler in the pipeline of its channel: it accepts only while it may. */
final class Listening extends ChannelDuplexHandler {
    /** Of a bootstrap that is only looked at. */
    static final ChannelFactory<ServerChannel> NONE = () -> {
        throw new IllegalStateException("no listener was taken yet");
    };

    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");
    private static final int MANY_TURNS = 200;
    private static final int A_WHILE_MS = 5;

    final String name;
    final String protocol;
    final Transport transport;
    /** That of a listener, or of a socket of UDP: there one reads instead of accepting. */
    final Channel channel;

    final Arrivals arrivals;
    /** The event loops of its connections, where they are known. */
    volatile EventLoopGroup children;

    private final NettyTakeover netty;
    /** Of the channel, as long as it is open. */
    private final int descriptor;

    private volatile boolean accepting;
    /** Null until the channel is registered: nothing arrives before. */
    private volatile ChannelHandlerContext ctx;

    /** What is made of the descriptor. */
    interface Kind {
        Channel make(Transport transport, int descriptor) throws ZdtException;
    }

    /** A channel for these event loops, with this as its first handler. */
    Listening(
            NettyTakeover netty,
            EventLoopGroup group,
            String name,
            ListenerSpec spec,
            String protocol,
            Takeover takeover,
            Kind kind)
            throws ZdtException {
        this.netty = netty;
        this.name = name;
        this.protocol = protocol;
        this.arrivals = new Arrivals(netty, this);
        this.transport = Transport.of(group);
        this.descriptor = takeover.listenerDescriptor(name, spec);
        this.channel = kind.make(transport, descriptor);
        channel.pipeline().addLast(this);
    }

    /** Accepts from here on; once it is registered, if that is later. Any thread. */
    void accept() {
        accepting = true;
        onLoop(this::start);
    }

    private void start() {
        if (accepting) {
            channel.config().setAutoRead(true);
            channel.read();
        }
    }

    /** Does not accept any more, when it is back, but may again. Not from the event loop. */
    void stopAccepting() throws InterruptedException {
        accepting = false;
        if (!channel.isRegistered()) {
            return;
        }
        try {
            channel.eventLoop()
                    .submit(() -> channel.config().setAutoRead(false))
                    .sync();
        } catch (RejectedExecutionException ended) {
            // Then it does not accept either.
        }
    }

    /** Whether nothing that arrives could be served any more. */
    boolean hasEnded() {
        return children != null && children.isShuttingDown() || itsOwnHasEnded();
    }

    /** Its channel is not registered any more then, and knows it still. */
    private boolean itsOwnHasEnded() {
        try {
            return channel.eventLoop().isShuttingDown();
        } catch (IllegalStateException neverRegistered) {
            return false;
        }
    }

    /** A connection that was its predecessor's. Any thread. */
    void offered(Offer offer) {
        arrivals.add(new Adoption(netty, this, offer));
    }

    /** Into the pipeline behind this, as if it had been accepted. On the event loop. */
    void arrives(Channel connection) {
        ctx.fireChannelRead(connection);
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
        this.ctx = ctx;
    }

    /** Behind it are whoever makes connections of what is accepted: they are added in tasks. */
    @Override
    public void channelRegistered(ChannelHandlerContext ctx) {
        ctx.fireChannelRegistered();
        channel.eventLoop().execute(this::start);
    }

    /**
     * Is back when nobody waits to be accepted, or if many turns of the event loop, a second's at least, did not accept them
     * all: how long a turn takes is not held against those who wait. Not from the event loop.
     */
    void empty() throws InterruptedException {
        for (int turn = 0; turn < MANY_TURNS; turn++) {
            try {
                if (!channel.isRegistered()) {
                    return; // nobody has ever accepted here
                }
                Future<Boolean> waits =
                        channel.eventLoop().submit(() -> channel.isOpen() && Descriptors.isUnserved(descriptor));
                if (!waits.sync().getNow()) {
                    return;
                }
                Thread.sleep(A_WHILE_MS);
            } catch (RejectedExecutionException ended) {
                return; // It has closed the channel.
            }
        }
    }

    /** Never accepts again: our copy of the listener is closed, and then {@code closed} is run. Any thread. */
    void close(Runnable closed) {
        try {
            channel.eventLoop().execute(() -> {
                channel.close();
                transport.onceOutOfItsPoller(channel, closed); // java.nio closes the descriptor only then
            });
        } catch (RejectedExecutionException ended) {
            closed.run(); // its event loop has closed it
        } catch (IllegalStateException neverRegistered) {
            channel.unsafe().closeForcibly();
            closed.run();
        }
    }

    /** The same, but the channel stays open without it: what an attempt that is off was offered still comes in through it. */
    void letGo(Runnable closed) {
        if (!channel.isRegistered()) {
            close(closed);
            return;
        }
        Runnable silence = () -> {
            silence();
            closed.run();
        };
        try {
            channel.eventLoop()
                    .execute(() ->
                            channel.deregister().addListener(out -> transport.onceOutOfItsPoller(channel, silence)));
        } catch (RejectedExecutionException ended) {
            closed.run(); // its event loop has closed it
        }
    }

    private void silence() {
        try {
            if (channel.isOpen()) { // else its number may be somebody else's by now
                Descriptors.neuter(descriptor);
            }
        } catch (ZdtException e) {
            LOG.log(System.Logger.Level.DEBUG, () -> name + " is closed, and nothing arrives any more", e);
            channel.close();
        }
    }

    private void onLoop(Runnable task) {
        try {
            if (channel.isRegistered()) {
                channel.eventLoop().execute(task);
            }
        } catch (RejectedExecutionException ended) {
            // Its event loop has closed it.
        }
    }

    /** A connection was accepted, if it is no datagram. It is known from here on, also while it is on its way to its event loop. */
    @Override
    public void channelRead(ChannelHandlerContext ctx, Object accepted) {
        if (accepted instanceof Channel connection) {
            Child child = Child.accepted(netty, this, connection);
            connection.pipeline().addLast(child);
            netty.add(child);
        }
        ctx.fireChannelRead(accepted);
    }

    /** Whoever asks (Netty does, a second after it ran out of descriptors): not before ready, nor after Drain. */
    @Override
    public void read(ChannelHandlerContext ctx) {
        if (accepting) {
            ctx.read();
        }
    }

    /** It is bound already; those who insist may do it again. */
    @Override
    public void bind(ChannelHandlerContext ctx, SocketAddress address, ChannelPromise promise) {
        promise.setSuccess();
    }
}

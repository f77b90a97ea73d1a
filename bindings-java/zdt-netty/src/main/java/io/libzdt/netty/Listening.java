package io.libzdt.netty;

import io.libzdt.Descriptors;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.util.concurrent.Future;
import java.net.SocketAddress;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;

/** A listener, and the first handler in the pipeline of its channel: it accepts only while it may. */
final class Listening extends ChannelDuplexHandler {
    private static final long A_SECOND = TimeUnit.SECONDS.toNanos(1);

    final String name;
    final String protocol;
    final Transport transport;
    final ServerBootstrap bootstrap;
    final ServerChannel channel;
    private final NettyTakeover netty;
    /** Of the channel, as long as it is open. */
    private final int descriptor;
    /** Of the channel's event loop. */
    private boolean accepting;

    Listening(
            NettyTakeover netty,
            ServerBootstrap bootstrap,
            String protocol,
            Takeover takeover,
            String name,
            ListenerSpec spec)
            throws ZdtException {
        this.netty = netty;
        this.name = name;
        this.protocol = protocol;
        // All that can be wrong with it is found before a listener is taken.
        this.bootstrap = bootstrap.clone().channelFactory(this::channel).validate();
        this.transport = Transport.of(this.bootstrap.config().group());
        if (Transport.of(children()).getClass() != transport.getClass()) {
            throw new IllegalArgumentException("both groups must be of the same transport; nothing was bound");
        }
        this.descriptor = takeover.listenerDescriptor(name, spec);
        this.channel = transport.server(descriptor);
        channel.pipeline().addLast(this);
    }

    private ServerChannel channel() {
        return channel;
    }

    ChannelFuture register() {
        return bootstrap.register();
    }

    /** The event loops of its connections. */
    EventLoopGroup children() {
        return bootstrap.config().childGroup();
    }

    /** Accepts from here on. Any thread. */
    void accept() {
        onLoop(() -> {
            accepting = true;
            channel.config().setAutoRead(true);
            channel.read();
        });
    }

    /** Does not accept any more, when it is back, but may again. Not from the event loop. */
    void stopAccepting() throws InterruptedException {
        try {
            channel.eventLoop()
                    .submit(() -> {
                        accepting = false;
                        channel.config().setAutoRead(false);
                    })
                    .sync();
        } catch (RejectedExecutionException ended) {
            // Then it does not accept either.
        }
    }

    /** Is back when nobody waits to be accepted, or after a second in which it could not accept. Not from the event loop. */
    void empty() throws InterruptedException {
        for (long until = System.nanoTime() + A_SECOND; System.nanoTime() < until; Thread.sleep(5)) {
            try {
                Future<Boolean> waits =
                        channel.eventLoop().submit(() -> channel.isOpen() && Descriptors.isUnserved(descriptor));
                if (!waits.sync().getNow()) {
                    return;
                }
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
                closed.run();
            });
        } catch (RejectedExecutionException ended) {
            closed.run(); // its event loop has closed it
        }
    }

    private void onLoop(Runnable task) {
        try {
            channel.eventLoop().execute(task);
        } catch (RejectedExecutionException ended) {
            // Its event loop has closed it.
        }
    }

    /** A connection was accepted. It is known from here on, also while it is on its way to its event loop. */
    @Override
    public void channelRead(ChannelHandlerContext ctx, Object accepted) {
        Channel connection = (Channel) accepted;
        Child child = Child.accepted(netty, this, connection);
        connection.pipeline().addLast(child);
        netty.add(child);
        ctx.fireChannelRead(accepted);
    }

    /** Whoever asks (Netty does, a second after it ran out of descriptors): not before ready, nor after Drain. */
    @Override
    public void read(ChannelHandlerContext ctx) {
        if (accepting) {
            ctx.read();
        }
    }

    /** It is bound. For those who insist. */
    @Override
    public void bind(ChannelHandlerContext ctx, SocketAddress address, ChannelPromise promise) {
        promise.setSuccess();
    }
}

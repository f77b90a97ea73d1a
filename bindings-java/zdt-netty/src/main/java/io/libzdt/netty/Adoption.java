package io.libzdt.netty;

import io.libzdt.Adopted;
import io.libzdt.Descriptors;
import io.libzdt.Offer;
import io.libzdt.ZdtException;
import io.netty.channel.Channel;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPromise;
import io.netty.channel.EventLoop;
import io.netty.util.AttributeKey;
import java.util.Optional;

/**
 * An offer becomes a connection of ours, or not, in one task of the event loop that will serve it.
 *
 * <p>Its pipeline is built and its state read first, since only then it can still be refused. Netty builds a pipeline when
 * the channel is registered; but what the poller tells about it, a hang-up for instance, is looked at only after this task.
 */
final class Adoption {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");

    private final NettyTakeover netty;
    private final Listening listening;
    private final Offer offer;
    private final EventLoop loop;
    private Child child;

    Adoption(NettyTakeover netty, Listening listening, Offer offer, EventLoop loop) {
        this.netty = netty;
        this.listening = listening;
        this.offer = offer;
        this.loop = loop;
    }

    void run() {
        try {
            build();
            importState();
            Optional<Adopted> adopted = offer.adopt();
            if (adopted.isPresent()) {
                join(adopted.get());
            } else {
                discard(); // it went back meanwhile
            }
        } catch (Throwable e) {
            refuse(e); // whatever the application has thrown: nobody else answers the offer
        }
    }

    private void build() throws ZdtException {
        if (loop.isShuttingDown()) {
            throw new IllegalStateException("its event loop is shutting down");
        }
        Channel channel = channel();
        child = Child.offered(netty, listening, channel);
        channel.pipeline().addLast(child).addLast(listening.bootstrap.config().childHandler());
        ChannelPromise built = channel.newPromise();
        channel.unsafe().register(loop, built);
        if (!built.isSuccess()) {
            throw new IllegalStateException("it cannot be registered", built.cause());
        }
    }

    private Channel channel() throws ZdtException {
        int copy = Descriptors.dup(offer.descriptor());
        Channel channel = listening.transport.connection(listening.channel, copy);
        listening.bootstrap.config().childOptions().forEach((option, value) -> set(channel, option, value));
        listening
                .bootstrap
                .config()
                .childAttrs()
                .forEach((key, value) -> channel.attr(anyKey(key)).set(value));
        return channel;
    }

    /** It is ours. */
    private void join(Adopted adopted) {
        try {
            Descriptors.close(adopted.descriptor()); // we have our copy
            Descriptors.nonBlocking(listening.transport.descriptor(child.channel));
        } catch (ZdtException e) {
            LOG.log(System.Logger.Level.WARNING, "the connection is served all the same", e);
        }
        netty.adopted(child);
        child.adopted(offer);
    }

    private void importState() throws Exception {
        if (child.wantsToClose() || !child.channel.isActive()) {
            throw new IllegalStateException("its pipeline does not want it");
        }
        Contents.importState(child, offer.stateVersion(), offer.state());
        if (child.wantsToClose()) {
            throw new IllegalStateException("its handlers do not want it");
        }
    }

    /** An exception of the application's that cannot say what it is is none the less a refusal. */
    void refuse(Throwable e) {
        try (offer) {
            LOG.log(System.Logger.Level.DEBUG, () -> "refused: " + offer, e);
            offer.refuse(e.getMessage() == null ? e.toString() : e.getMessage());
        } finally {
            discard();
        }
    }

    /** Away with the channel, and not a word to the client, who is being served. */
    private void discard() {
        if (child != null) {
            child.discard();
        }
    }

    @SuppressWarnings("unchecked")
    private static void set(Channel channel, ChannelOption<?> option, Object value) {
        if (!channel.config().setOption((ChannelOption<Object>) option, value)) {
            LOG.log(System.Logger.Level.WARNING, () -> "unknown option " + option + " of " + channel);
        }
    }

    @SuppressWarnings("unchecked")
    private static AttributeKey<Object> anyKey(AttributeKey<?> key) {
        return (AttributeKey<Object>) key;
    }
}

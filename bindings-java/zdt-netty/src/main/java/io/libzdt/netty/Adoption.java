package io.libzdt.netty;

import io.libzdt.Companion;
import io.libzdt.Offer;
import io.netty.channel.Channel;

/**
 * An offer becomes a connection of ours, or not. Its channel takes the way of an accepted one: through the pipeline of the
 * listener to whoever makes connections of channels there, and from there to an event loop.
 *
 * <p>Its pipeline is built and its state read before it is ours, since only then it can still be refused. Netty builds a
 * pipeline when the channel is registered; but what the poller tells about it, a hang-up for instance, is looked at only
 * after that task, in which all this is decided.
 */
final class Adoption {
    private final NettyTakeover netty;
    private final Listening listening;
    private final Offer offer;
    private Child child;
    /** Whether the descriptors of its companions are ours to close; the channels', once there are channels. */
    private boolean holdsCompanions;
    /** Adopted, refused or gone back. */
    private boolean answered;

    Adoption(NettyTakeover netty, Listening listening, Offer offer) {
        this.netty = netty;
        this.listening = listening;
        this.offer = offer;
    }

    /** On the event loop of the listener. */
    void run() {
        try {
            int descriptor = offer.takeDescriptors();
            holdsCompanions = true;
            Channel channel = listening.transport.connection(listening.channel, descriptor);
            child = Child.offered(netty, listening, channel, this);
            channel.pipeline().addLast(child);
            listening.arrives(channel);
        } catch (Throwable e) {
            refuse(e);
            return;
        }
        if (!child.channel.isOpen() || !child.hasEventLoop()) { // nobody else would answer
            refuse(new IllegalStateException("nothing here registers it with an event loop"));
        }
    }

    /** Its pipeline is built. On the event loop of the connection. */
    void decide() {
        try {
            importState();
            boolean ours = offer.adopt().isPresent();
            if (ours) {
                isAnswered();
                join();
            } else {
                isAnswered();
                discard(); // it went back meanwhile
            }
        } catch (Throwable e) {
            refuse(e); // whatever the application has thrown: nobody else answers the offer
        }
    }

    private synchronized boolean isAnswered() {
        boolean first = !answered;
        answered = true;
        if (first) {
            listening.arrivals.answered();
        }
        return first;
    }

    /** It is ours. */
    private void join() {
        listening.transport.adopted(offer.descriptor());
        for (Companion companion : offer.companions()) {
            listening.transport.adopted(companion.descriptor());
        }
        netty.adopted(child);
        child.adopted(offer);
    }

    private void importState() throws Exception {
        if (child.channel.eventLoop().isShuttingDown()) {
            throw new IllegalStateException("its event loop is shutting down");
        }
        if (child.wantsToClose() || !child.channel.isActive()) {
            throw new IllegalStateException("its pipeline does not want it");
        }
        holdsCompanions = false;
        child.bring(offer.companions());
        Contents.importState(child, offer.stateVersion(), offer.state());
        child.check(offer.companions());
        if (child.wantsToClose()) {
            throw new IllegalStateException("its handlers do not want it");
        }
    }

    /** An exception of the application's that cannot say what it is is none the less a refusal. Any thread. */
    void refuse(Throwable e) {
        if (!isAnswered()) {
            return;
        }
        netty.endIfItsLoopsEnded(
                listening, child); // before the answer: a refusal counts as one, and may lead to the commit
        try (offer) {
            netty.farewells.refused(offer, e);
            offer.refuse(e.getMessage() == null ? e.toString() : e.getMessage());
        } finally {
            discard();
        }
    }

    private void discard() {
        if (child != null) {
            child.discardAll();
        }
        if (holdsCompanions) {
            Companions.close(offer.companions().iterator());
        }
    }
}

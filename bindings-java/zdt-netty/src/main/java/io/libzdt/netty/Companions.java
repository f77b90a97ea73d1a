package io.libzdt.netty;

import io.libzdt.Companion;
import io.libzdt.Descriptors;
import io.libzdt.Event;
import io.libzdt.Frozen;
import io.libzdt.ZdtException;
import io.netty.channel.Channel;
import io.netty.channel.ChannelPromise;
import io.netty.channel.EventLoop;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** A connection and its companions: what is done to one of them is done to all. On their event loop. */
final class Companions {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");

    private final Child child;
    /** By their names. Most connections have none. */
    private Map<String, Beside> companions = Map.of();
    /** Those that were told to freeze; who ends meanwhile is among them still. */
    private List<Front> freezing = List.of();

    Companions(Child child) {
        this.child = child;
    }

    private List<Front> all() {
        List<Front> all = new ArrayList<>(1 + companions.size());
        all.add(child);
        all.addAll(companions.values());
        return all;
    }

    /** From here on it moves with the connection. */
    void add(String name, Channel channel) {
        if (channel.pipeline().get(TakeoverHandler.class) != null || companions.containsKey(name)) {
            throw new IllegalArgumentException(name + " is there, or " + channel + " belongs to a connection already");
        }
        if (!child.transport.has(channel)) {
            throw new IllegalArgumentException(channel.getClass().getName() + " is not of the transport of "
                    + child.channel.getClass().getName() + ": connect it on the same event loops");
        }
        Beside companion = new Beside(child, name, channel, Front.State.LIVE);
        channel.pipeline().addFirst(companion);
        keep(name, companion);
    }

    private void keep(String name, Beside companion) {
        if (companions.isEmpty()) {
            companions = new ConcurrentHashMap<>();
        }
        companions.put(name, companion);
        companion.channel.closeFuture().addListener(closed -> companions.remove(name, companion));
    }

    // ---- The predecessor's side.

    /** Null: they can. */
    String whyNotMovable() {
        String reason = Contents.whyNotMovable(child.channel.pipeline());
        for (Beside companion : companions.values()) {
            reason = reason == null ? companion.whyNotMovable() : reason;
        }
        return reason;
    }

    /** Whether none is on its way yet, say connecting. */
    boolean areThere() {
        return companions.values().stream().allMatch(Beside::isThere);
    }

    /** Takes them out of the poller; what the last ones read there is written to the first ones, and travels as unsent. */
    void freeze(Runnable then) {
        freezing = all();
        freezing.forEach(front -> {
            front.ctx.flush();
            front.state = Front.State.FREEZING;
        });
        freeze(freezing.iterator(), then);
    }

    private void freeze(Iterator<Front> left, Runnable then) {
        if (!left.hasNext()) {
            then.run();
            return;
        }
        Front next = left.next();
        Runnable out = () -> next.onceNothingIsBeingWritten(-1, () -> freeze(left, then));
        next.onceNothingIsBeingWritten(-1, () -> next.ctx.deregister().addListener(done -> out.run()));
    }

    /** Whether all have left the poller and are frozen now; one that has ended on the way hears of it. */
    boolean areFrozen() {
        List<Front> all = freezing;
        freezing = List.of();
        boolean whole = all.stream().allMatch(front -> front.state == Front.State.FREEZING && front.channel.isOpen());
        for (Front front : all) {
            if (front.channel.isOpen()) {
                front.state = Front.State.FROZEN;
            } else {
                front.endedOnItsWayOut();
            }
        }
        return whole;
    }

    /** Null: not now. */
    Frozen export(Frozen frozen) throws ZdtException {
        Frozen whole = frozen;
        for (Beside companion : companions.values()) {
            Companion with = companion.export();
            if (with == null) {
                return null;
            }
            whole = whole.companion(with);
        }
        return whole;
    }

    /** They are ours as they were: the event loop takes them back. */
    void thaw() {
        EventLoop loop = child.channel.eventLoop();
        for (Front front : all()) {
            if (!front.channel.isOpen()) {
                continue;
            }
            if (loop.isShuttingDown()) {
                front.endWithoutLoop();
                continue;
            }
            loop.register(front.channel).addListener(registered -> {
                if (!registered.isSuccess()) {
                    front.ended();
                }
            });
        }
    }

    void letGo(Event.Settled event) {
        all().forEach(front -> front.transport.onceOutOfItsPoller(front.channel, () -> front.letGo(event)));
    }

    /** Their event loop has ended, and with it they end. Any thread. */
    void endWithoutLoop() {
        all().forEach(Front::endWithoutLoop);
    }

    /** Their event loop has ended, and they are another process's. Any thread. */
    void closeWithoutLoop() {
        all().forEach(front -> {
            front.silence();
            front.closeWithoutLoop();
        });
    }

    // ---- The successor's side.

    /** Builds those that came, and owns their descriptors; nothing is read from them, and nothing written, before they are ours. */
    void bring(List<Companion> offered) throws ZdtException {
        Iterator<Companion> left = offered.iterator();
        try {
            while (left.hasNext()) {
                bring(left.next());
            }
        } finally {
            close(left);
        }
    }

    private void bring(Companion one) throws ZdtException {
        Channel channel = child.transport.connection(null, one.descriptor());
        Beside companion = new Beside(child, one.name(), channel, Front.State.OFFERED);
        channel.pipeline().addLast(companion);
        keep(one.name(), companion);
        ChannelPromise registered = channel.newPromise();
        channel.unsafe().register(child.channel.eventLoop(), registered);
        if (!registered.isSuccess()) {
            throw new IllegalStateException(
                    "its companion " + one.name() + " cannot be registered", registered.cause());
        }
    }

    /** Those that nothing was built for. */
    static void close(Iterator<Companion> unbuilt) {
        unbuilt.forEachRemaining(one -> {
            try {
                Descriptors.close(one.descriptor());
            } catch (ZdtException e) {
                LOG.log(System.Logger.Level.WARNING, "a descriptor is left open", e);
            }
        });
    }

    /** The one that came under this name, for whoever serves it. */
    Channel take(String name) {
        Beside companion = companions.get(name);
        if (companion == null) {
            throw new IllegalStateException("it has no companion " + name);
        }
        companion.wanted = true;
        return companion.channel;
    }

    /** Whether somebody reads from each of them. */
    void check(List<Companion> offered) {
        for (Companion one : offered) {
            Beside companion = companions.get(one.name());
            if (companion == null || !companion.wanted || companion.wantsToClose()) {
                throw new IllegalStateException("nobody here takes its companion " + one.name());
            }
        }
    }

    void discard() {
        all().forEach(Front::discard);
    }

    void writeFirst(List<Companion> offered) {
        offered.forEach(one -> companions.get(one.name()).writeFirst(one.unsent()));
    }

    void adopted(List<Companion> offered) {
        List<Beside> served =
                offered.stream().map(one -> companions.get(one.name())).toList();
        for (int index = 0; index < served.size(); index++) {
            served.get(index).adopted(offered.get(index).unread());
        }
    }
}

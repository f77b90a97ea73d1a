package io.libzdt.netty;

import io.libzdt.Event;
import io.libzdt.EventHandler;
import io.libzdt.Offer;
import io.libzdt.Takeover;
import io.netty.channel.ServerChannel;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** Acts on the events of one takeover: what its listeners and its connections are to do. */
final class Service {
    private final Takeover takeover;
    private final Map<Long, Child> children;
    private final Farewells farewells;
    private final List<Listening> listenings = new CopyOnWriteArrayList<>();
    private final LongAdder stayed = new LongAdder();
    private final Ending ending;

    /** The listeners that the successor left to us. The dispatching thread's. */
    private List<String> retired = List.of();

    // Under the lock.
    private Migration migration;
    /** Draining, and nobody to take the connections. */
    private boolean alone;

    /** Of these connections; the map is safe for any thread. */
    Service(Takeover takeover, Map<Long, Child> children, Farewells farewells) {
        this.takeover = takeover;
        this.children = children;
        this.farewells = farewells;
        this.ending = new Ending(children, this::over);
    }

    /** From here on the events come here, and then, but for the offers, to the one who looks on. */
    void dispatch(EventHandler onlooker) {
        takeover.dispatch(new EventHandler() {
            @Override
            public void onEvent(Event event) throws Exception {
                act(event);
                if (!(event instanceof Offer)) {
                    onlooker.onEvent(event);
                }
            }

            @Override
            public void onReady() throws Exception {
                ready();
                onlooker.onReady();
            }
        });
    }

    void add(Listening listening) {
        listenings.add(listening);
    }

    /** How many connections are still to be offered. */
    int toMove() {
        Migration current = migration();
        return current == null ? 0 : current.toMove();
    }

    /** How many could not move, each time that they were to. */
    long stayed() {
        return stayed.sum();
    }

    /** It was adopted: it is to move on if everything does. Any thread. */
    void joined(Child child) {
        Migration current = migration();
        if (current != null) {
            current.add(child);
        }
    }

    /** It is none of the connections any more. Any thread. */
    void left(Child child) {
        Migration current = migration();
        if (current != null) {
            current.left(child);
        }
        finish();
    }

    private void act(Event event) throws Exception {
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
            close(listenings, Listening::close, () -> {});
        } else if (event instanceof Event.Aborted) {
            ending.aborted();
            leave(Listening::letGo);
        } else if (event instanceof Event.Done) {
            ending.done();
            leave(Listening::close);
        }
    }

    private void ready() {
        ending.ready();
        listenings.forEach(Listening::accept);
        finish(); // it may have been over in between
    }

    private void tell(long id, Consumer<Child> what) {
        Child child = children.get(id);
        if (child != null) {
            what.accept(child);
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
            listening.offered(offer);
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
        ending.drain(now + drain.deadline().toNanos());
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

    private synchronized Migration migration() {
        return migration;
    }

    private synchronized void turnTo(Migration next, boolean alone) {
        if (migration != null) {
            migration.stop();
        }
        migration = next;
        this.alone = alone;
    }

    private void leave(BiConsumer<Listening, Runnable> close) throws InterruptedException {
        List<Listening> open = List.copyOf(listenings);
        ending.leave(open.size());
        close(open, close, this::closed);
        finish();
    }

    /** For good. From what the successor left to us nobody else accepts, so those who wait come first. */
    private void close(Iterable<Listening> open, BiConsumer<Listening, Runnable> close, Runnable closed)
            throws InterruptedException {
        for (Listening listening : open) {
            if (retired.contains(listening.name)) {
                listening.empty();
            }
            close.accept(listening, closed);
        }
    }

    private void closed() {
        ending.closed();
        finish();
    }

    /** With the last connection the drain is over, and then the service. */
    private void finish() {
        if (isDrained()) {
            Migration.allMigrated(takeover);
        }
        ending.endIfItIsTime();
    }

    /** Said once. */
    private synchronized boolean isDrained() {
        boolean drained = alone && children.isEmpty();
        alone &= !drained;
        return drained;
    }

    /** Nothing is left here. */
    private void over() {
        farewells.log();
        listenings.forEach(listening -> listening.close(() -> {}));
        takeover.close();
    }
}

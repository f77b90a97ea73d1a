package io.libzdt.netty;

import io.libzdt.Event;
import io.libzdt.Frozen;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import io.libzdt.ZdtStateException;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/**
 * One drain with a successor: which connections are still to move, and whose turn it is. Each is served until then.
 *
 * <p>The event loops freeze some at a time; the dispatching thread waits for them and offers them together, since what is
 * offered before it goes back to {@code nextEvent} travels in one message. Those that could not freeze then are offered
 * when they can, by their event loops.
 *
 * <p>Any thread. Offering happens under the lock, so that nothing is offered any more once {@link #stop} is back: it would
 * tell the next successor that we have stopped accepting.
 */
final class Migration {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");
    /** Some milliseconds' work for one event loop. */
    private static final int MANY = 64;
    /** As the successor's window was full a moment ago: not many are to freeze in vain. */
    private static final int FEW = 8;
    /** How long the others wait for an event loop that is busy with something else, */
    private static final long PATIENCE_MS = 1000;
    /** and how long once it has let them wait. */
    private static final long LITTLE_PATIENCE_MS = 10;

    final Event.Drain drain;
    private final Takeover takeover;
    private final LongAdder stayed;
    /** Neither offered nor known to stay. */
    private final Set<Child> open;
    /** Of those the ones whose turn has not come. */
    private final Queue<Child> waiting;
    /** Whose turn it is: not heard of yet. */
    private final Set<Child> asked = new HashSet<>();
    /** Frozen, in the hands of the dispatching thread. */
    private final Map<Child, Frozen> collected = new LinkedHashMap<>();

    private final Map<String, Integer> staying = new TreeMap<>();
    private int share = MANY;
    private long patience = PATIENCE_MS;
    private boolean full;
    private boolean over;

    Migration(Takeover takeover, Event.Drain drain, Collection<Child> children, LongAdder stayed) {
        this.takeover = takeover;
        this.drain = drain;
        this.stayed = stayed;
        this.open = new HashSet<>(children);
        this.waiting = new ArrayDeque<>(open);
    }

    /** Offers as many as there is room for. The dispatching thread's. */
    synchronized void goOn() throws InterruptedException {
        full = false;
        while (!over && !full && !waiting.isEmpty()) {
            while (asked.size() < share && !waiting.isEmpty()) {
                Child child = waiting.remove();
                if (open.contains(child)) {
                    asked.add(child);
                }
            }
            List.copyOf(asked).forEach(child -> child.move(this));
            long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(patience);
            for (long left = patience; !asked.isEmpty() && left > 0; ) {
                wait(left);
                left = TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime());
            }
            patience = asked.isEmpty() ? PATIENCE_MS : LITTLE_PATIENCE_MS;
            asked.clear();
            share = Math.min(2 * share, MANY);
            Map<Child, Frozen> frozen = new LinkedHashMap<>(collected);
            collected.clear();
            frozen.forEach(this::give);
        }
        finish();
    }

    /** One more: adopted while we are on our way out ourselves. */
    synchronized void add(Child child) {
        if (!over && open.add(child)) {
            child.move(this);
        }
    }

    /** Whether it may freeze now; else it is told again. */
    synchronized boolean isTurnOf(Child child) {
        if (over || !open.contains(child)) {
            return false;
        }
        if (full) {
            waiting.add(child);
            return false;
        }
        return true;
    }

    /** It is frozen: it is offered, or told to {@link Child#stay} or to {@link Child#goOn}. */
    synchronized void offer(Child child, Frozen frozen) {
        if (asked.contains(child)) {
            collected.put(child, frozen);
            heardOf(child);
        } else {
            give(child, frozen);
            finish();
        }
    }

    private void give(Child child, Frozen frozen) {
        try {
            if (!over && !full && takeover.migrate(frozen)) {
                open.remove(child);
                return;
            }
            full = true;
            share = FEW;
            waiting.add(child);
            child.goOn();
        } catch (ZdtException | IllegalArgumentException | IllegalStateException e) {
            child.cannotMove(e.getMessage());
        }
    }

    /** It will ask for its turn itself. */
    synchronized void notNow(Child child) {
        heardOf(child);
    }

    /** With the last one the dispatching thread goes on. */
    private void heardOf(Child child) {
        if (asked.remove(child) && asked.isEmpty()) {
            notifyAll();
        }
    }

    synchronized void stays(Child child, String reason) {
        if (open.contains(child)) {
            staying.merge(reason, 1, Integer::sum);
            stayed.increment();
            left(child);
        }
    }

    /** It has ended. */
    synchronized void left(Child child) {
        open.remove(child);
        heardOf(child);
        finish();
    }

    /** After the last one nothing more will be offered. */
    private void finish() {
        if (!over && open.isEmpty()) {
            over = true;
            allMigrated(takeover);
            staying.forEach((reason, count) -> LOG.log(
                    System.Logger.Level.WARNING,
                    "connections that stay here, and leave until the drain deadline: " + count + " (" + reason + ")"));
        }
    }

    /** The attempt is off. */
    synchronized void stop() {
        over = true;
    }

    /** How many are still to be offered. */
    synchronized int toMove() {
        return open.size();
    }

    /** Says so; a failure costs only time, since the drain deadline comes all the same. */
    static void allMigrated(Takeover takeover) {
        try {
            takeover.migratedAll();
        } catch (ZdtException e) {
            LOG.log(System.Logger.Level.WARNING, "the drain goes on to its deadline", e);
        } catch (ZdtStateException closed) {
            // Then nobody waits for it.
        }
    }
}

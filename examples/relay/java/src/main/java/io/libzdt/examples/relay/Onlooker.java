package io.libzdt.examples.relay;

import static io.libzdt.examples.relay.Relay.tell;

import io.libzdt.Event;
import io.libzdt.EventHandler;
import io.libzdt.Progress;
import io.libzdt.Takeover;
import io.libzdt.netty.NettyTakeover;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Tells what happens, for the demo and the tests (PROTOCOL.md, section 3). */
final class Onlooker implements EventHandler {
    private static final long PROGRESS_EVERY = TimeUnit.MILLISECONDS.toNanos(50);

    private final Takeover takeover;
    private final Switches switches;
    private NettyTakeover netty;
    private boolean migrating;
    private long began;
    private long told;
    private int connections;

    Onlooker(Takeover takeover, Switches switches) {
        this.takeover = takeover;
        this.switches = switches;
    }

    void of(NettyTakeover netty) {
        this.netty = netty;
    }

    @Override
    public void onReady() {
        tell("ready", Map.of());
    }

    @Override
    public void onEvent(Event event) throws Exception {
        if (event instanceof Event.Drain drain) {
            drain(drain);
        } else if (event instanceof Event.Returned returned) {
            String name = Session.restore(returned.connection().state()).name();
            String why = returned.why().name().toLowerCase(Locale.ROOT).replace('_', ' ');
            tell("returned", Map.of("name", name, "why", why));
        } else if (event instanceof Event.Committed committed) {
            long adopted = takeover.progress().settled();
            tell("committed", Map.of("generation", committed.generation(), "adopted", adopted));
        } else if (event instanceof Event.Resume resume) {
            migrating = false;
            tell("resume", Map.of("cause", resume.cause().getMessage()));
        } else if (event instanceof Event.Accept accept) {
            tell("accept", Map.of("cause", accept.cause().getMessage()));
        } else if (event instanceof Event.Relieved) {
            tell("relieved", Map.of());
        } else if (event instanceof Event.Aborted aborted) {
            switches.aborted();
            tell("aborted", Map.of("cause", aborted.cause().getMessage()));
        }
        if (migrating) {
            progress(event instanceof Event.Done);
        }
        if (event instanceof Event.Done done) {
            tell("done", Map.of("left", done.left()));
        }
    }

    private void drain(Event.Drain drain) {
        connections = netty.connections();
        migrating = drain.successor().isPresent();
        began = told = System.nanoTime();
        int successor = drain.successor().map(peer -> peer.pid()).orElse(0);
        tell("drain", Map.of("successor", successor, "connections", connections));
    }

    /** How far it is: now and then, and when it is over. */
    private void progress(boolean over) {
        int toMove = netty.toMove(); // first, or something might be offered in between
        Progress progress = takeover.progress();
        long moved = progress.settled();
        long returned = progress.returned();
        long now = System.nanoTime();
        if ((over || toMove == 0) && moved + returned == progress.offered()) {
            migrating = false;
            tell(
                    "migrated",
                    Map.of(
                            "moved",
                            moved,
                            "returned",
                            returned,
                            "unread_bytes",
                            progress.unreadBytes(),
                            "unsent_bytes",
                            progress.unsentBytes(),
                            "state_bytes",
                            progress.stateBytes(),
                            "duration_ms",
                            (now - began) / 1000 / 1000.0));
        } else if (now - told >= PROGRESS_EVERY) {
            told = now;
            tell("progress", Map.of("moved", moved, "returned", returned, "connections", connections));
        }
    }
}

package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Event;
import io.libzdt.Offer;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import io.libzdt.ZdtStateException;
import io.netty.channel.Channel;
import io.netty.util.concurrent.SingleThreadEventExecutor;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;

/** Where a test plays: a takeover socket of its own, on one transport. */
interface Stage {
    /** How long anything may take that must happen, on a machine that is busy with other things. */
    Duration PATIENCE = Duration.ofSeconds(20);

    Path path();

    Loops transport();

    /** The next generation, which does not listen yet. */
    default Server server() throws Exception {
        return new Server(path(), transport());
    }

    /** The next generation, which is ready. */
    default Server start() throws Exception {
        return server().listen(Server.ANY_PORT).ready();
    }

    /** A successor in the test's own hands, which is ready. */
    default Takeover bareSuccessor() throws ZdtException {
        Takeover takeover = Takeover.open(path(), Server.config().build());
        takeover.listenerDescriptor("lines", Server.ANY_PORT);
        takeover.ready();
        return takeover;
    }

    /** The next event of this kind. */
    static <E extends Event> E next(Takeover takeover, Class<E> kind) throws ZdtException {
        Event event = takeover.nextEvent(PATIENCE);
        if (event instanceof Event.Committed && kind != Event.Committed.class) {
            event = takeover.nextEvent(PATIENCE);
        }
        assertNotNull(event, () -> "no " + kind.getSimpleName() + " came");
        return assertInstanceOf(kind, event);
    }

    static Offer offer(Takeover successor) throws ZdtException {
        return next(successor, Offer.class);
    }

    /** It does what libzdt has to do, until it is closed. */
    static void goesOn(Takeover successor) {
        Thread thread = new Thread(() -> {
            try {
                while (true) {
                    successor.nextEvent(null);
                }
            } catch (ZdtException | ZdtStateException closed) {
                // The test is over.
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** Waits until this holds. */
    static void until(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!holds.call()) {
            assertTrue(System.nanoTime() < deadline, () -> "waited for " + what);
            Thread.sleep(1);
        }
    }

    /**
     * Starts a successor, and is back when it is this connection's turn to move. On its event loop, which is as busy with it
     * as a handler can be.
     */
    static void beginTakeover(FutureTask<?> successor, Server server, Channel channel) {
        SingleThreadEventExecutor loop = (SingleThreadEventExecutor) channel.eventLoop();
        int before = loop.pendingTasks();
        new Thread(successor).start();
        // Its turn comes as a task of the event loop, on which we are.
        while (server.netty.toMove() == 0 || loop.pendingTasks() == before) {
            Thread.onSpinWait();
        }
    }
}

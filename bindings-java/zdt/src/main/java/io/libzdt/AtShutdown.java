package io.libzdt;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Drains before the JVM ends, if it was asked to. */
final class AtShutdown {
    private static final System.Logger LOG = System.getLogger("io.libzdt");

    private final Takeover takeover;
    private final CountDownLatch closed = new CountDownLatch(1);
    private Thread hook;

    AtShutdown(Takeover takeover) {
        this.takeover = takeover;
    }

    synchronized void drain(Duration limit) {
        if (hook != null) {
            throw new ZdtStateException(
                    Fault.of(ErrorKind.WRONG_STATE, "drainAtShutdown was called before", "nothing was changed"));
        }
        if (closed.getCount() == 0) {
            throw new ZdtStateException(Fault.of(ErrorKind.CLOSED, "the handle is closed", "nothing was changed"));
        }
        Thread thread = new Thread(() -> run(limit), "libzdt-shutdown-" + takeover.generation());
        Runtime.getRuntime().addShutdownHook(thread);
        hook = thread;
    }

    private void run(Duration limit) {
        try {
            takeover.drain();
            if (!closed.await(Native.nanos(limit), TimeUnit.NANOSECONDS)) {
                // Lost where it goes to java.util.logging, which has a hook of its own.
                LOG.log(
                        System.Logger.Level.WARNING,
                        "not drained after " + limit + ": what is still here ends with the JVM");
            }
        } catch (InterruptedException | ZdtException e) {
            LOG.log(System.Logger.Level.WARNING, "the JVM ends without draining: " + e.getMessage(), e);
        } catch (ZdtStateException e) {
            // It was closed before us: there is nothing left to drain.
        }
    }

    /** The handle is closed: nobody needs to wait for it, or to keep it. */
    synchronized void closed() {
        closed.countDown();
        if (hook == null) {
            return;
        }
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // Then the hook ends by itself.
        }
    }
}

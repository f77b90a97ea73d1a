package io.libzdt;

import java.util.concurrent.CompletionException;

/** The thread that tells events to a handler. */
final class Dispatcher {
    private static final System.Logger LOG = System.getLogger("io.libzdt");

    private final Takeover takeover;
    private Thread thread;
    private EventHandler handler;
    private boolean ready;
    private volatile Throwable fault;

    Dispatcher(Takeover takeover) {
        this.takeover = takeover;
    }

    synchronized void start(EventHandler handler) {
        if (thread != null || ready) {
            String when = thread != null ? "dispatch was called before" : "dispatch comes before ready";
            throw new ZdtStateException(Fault.of(ErrorKind.WRONG_STATE, when, "nothing was changed"));
        }
        this.handler = handler;
        thread = new Thread(this::run, "libzdt-dispatch-" + takeover.generation());
        thread.setDaemon(true);
        thread.start();
    }

    /** Only the handler, on its thread, may ask for events once they are told to it. */
    synchronized void admit() {
        if (thread != null && thread != Thread.currentThread()) {
            throw new ZdtStateException(
                    Fault.of(ErrorKind.WRONG_STATE, "the events go to the handler of dispatch", "nothing was changed"));
        }
    }

    /** The takeover is ready: tells the handler, if there is one. */
    void ready() throws ZdtException {
        EventHandler told;
        synchronized (this) {
            ready = true;
            told = handler;
        }
        if (told == null) {
            return;
        }
        try {
            told.onReady();
        } catch (Throwable e) {
            end(e);
            throw rethrown(e);
        }
    }

    private void run() {
        try {
            while (true) {
                handler.onEvent(takeover.nextEvent(null));
            }
        } catch (ZdtStateException closed) {
            if (closed.kind() != ErrorKind.CLOSED) {
                end(closed);
            }
        } catch (Throwable e) {
            end(e);
        }
    }

    /** Closing lets the other side go on without us. */
    private void end(Throwable e) {
        fault = e;
        LOG.log(System.Logger.Level.ERROR, "libzdt leaves the takeover: " + e.getMessage(), e);
        takeover.close();
    }

    void await() throws InterruptedException, ZdtException {
        Thread running;
        synchronized (this) {
            running = thread;
        }
        if (running == null) {
            throw new ZdtStateException(
                    Fault.of(ErrorKind.WRONG_STATE, "nothing is being dispatched", "call dispatch first"));
        }
        if (running == Thread.currentThread()) {
            throw new ZdtStateException(
                    Fault.of(ErrorKind.WRONG_STATE, "a handler waits for its own end", "close the handle and return"));
        }
        running.join();
        if (fault != null) {
            throw rethrown(fault);
        }
    }

    private static RuntimeException rethrown(Throwable e) throws ZdtException {
        if (e instanceof ZdtException known) {
            throw known;
        }
        throw new CompletionException("a handler of libzdt's events failed", e);
    }
}

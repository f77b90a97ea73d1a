package io.libzdt;

import java.io.IOException;
import java.nio.channels.ServerSocketChannel;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A {@link Takeover} in the hands of servers over java.nio that have a thread in {@code accept()} and whose connections do
 * not move (Tomcat, Jetty): the listeners pass to the successor, the connections are drained.
 *
 * <pre>{@code
 * var takeover = Takeover.open(path);
 * var listener = NioTakeover.of(takeover).listen("http", spec, server); // for a server that takes a ServerSocketChannel
 * // start the server with it
 * takeover.ready();
 * takeover.awaitDone();
 * // stop the server
 * }</pre>
 *
 * <p>From {@link Event.Drain} on nothing is accepted here, requests are answered, and connections end as they fall idle.
 * Those that say nothing more are closed evenly between {@link Event.Done} and half-way to the drain deadline. With the last
 * one, or at the deadline, the handle is closed, and {@link Takeover#awaitDone} is back. If the successor dies before, all
 * goes on here. Without a successor (SIGTERM, {@link Takeover#drain}) idle connections are closed at once.
 *
 * <p>Any thread may call anything.
 */
public final class NioTakeover {
    private static final long A_SECOND = 1_000_000_000;
    /** How long whoever is idle may stay after an attempt that is off: nobody gave a deadline. */
    private static final long SOON = 10 * A_SECOND;

    private record Server(String name, GatedListener listener, Drainable drainable) {}

    private final Takeover takeover;
    private final List<Server> servers = new CopyOnWriteArrayList<>();
    // Under the lock.
    private List<String> retired = List.of();
    private boolean ready;
    private boolean aborted;
    /** When what is left of a drain is ended (System.nanoTime). */
    private long deadline;
    /** Waits for the connections to end; null: they go on. */
    private Thread leaving;

    private NioTakeover(Takeover takeover) {
        this.takeover = takeover;
    }

    /**
     * Takes the events of {@code takeover} in hand ({@link Takeover#dispatch}). Before {@code ready}.
     *
     * @param takeover the handle
     * @return what listens
     */
    public static NioTakeover of(Takeover takeover) {
        NioTakeover nio = new NioTakeover(takeover);
        takeover.dispatch(new EventHandler() {
            @Override
            public void onEvent(Event event) throws Exception {
                nio.onEvent(event);
            }

            @Override
            public void onReady() {
                nio.onReady();
            }
        });
        return nio;
    }

    /**
     * Inherits or binds the listener {@code name}, for {@code server}.
     *
     * @param name of the listener
     * @param spec where and how to listen
     * @param server whose connections come from it; is told when to drain
     * @return the listener, bound, for blocking {@code accept()}: that waits until {@code ready}, and from Drain until
     *     Resume. It cannot be made non-blocking; closing and interrupting work as ever. Closed here when the service is
     *     over
     * @throws ZdtException as {@link Takeover#listener(String, ListenerSpec)}
     */
    public ServerSocketChannel listen(String name, ListenerSpec spec, Drainable server) throws ZdtException {
        ServerSocketChannel bound = takeover.listener(name, spec);
        try {
            GatedListener listener = new GatedListener(bound);
            servers.add(new Server(name, listener, server));
            return listener;
        } catch (IOException e) {
            throw Fault.of(ErrorKind.SYSTEM, "a selector for " + name + ": " + e.getMessage(), "the listener is closed")
                    .told();
        }
    }

    private synchronized void onReady() {
        ready = true;
        accept();
        if (aborted) {
            leave(System.nanoTime() + SOON, Long.MAX_VALUE);
        }
    }

    private void onEvent(Event event) throws Exception {
        if (event instanceof Offer offer) {
            offer.refuse("connections do not move to this server");
        } else if (event instanceof Event.Drain drain) {
            drain(drain);
        } else if (event instanceof Event.Resume) {
            resume();
        } else if (event instanceof Event.Accept) {
            accept();
        } else if (event instanceof Event.Relieved) {
            closeListeners();
        } else if (event instanceof Event.Aborted) {
            aborted();
        } else if (event instanceof Event.Done) {
            done();
        }
    }

    private void accept() {
        servers.forEach(server -> server.listener.accepting(true));
    }

    private synchronized void drain(Event.Drain drain) throws ZdtException {
        retired = drain.retired();
        servers.forEach(server -> server.listener.accepting(retired.contains(server.name)));
        stopLeaving();
        takeover.setConnections(connections());
        servers.forEach(server -> server.drainable.drain());
        deadline = System.nanoTime() + drain.deadline().toNanos();
        if (drain.successor().isPresent()) {
            takeover.migratedAll(); // none moves
        } else {
            long end = deadline;
            leaving = start(() -> {
                if (empty(System.nanoTime(), end)) {
                    takeover.migratedAll();
                } // else Done comes by itself
            });
        }
    }

    private synchronized void resume() {
        stopLeaving();
        retired = List.of();
        servers.forEach(server -> server.drainable.resume());
        accept();
    }

    private synchronized void aborted() throws InterruptedException {
        closeListeners();
        servers.forEach(server -> server.drainable.drain());
        aborted = true;
        if (ready) { // else ready() says why
            leave(System.nanoTime() + SOON, Long.MAX_VALUE);
        }
    }

    private synchronized void done() throws InterruptedException {
        closeListeners();
        long now = System.nanoTime();
        leave(now + (deadline - now) / 2, deadline);
    }

    /** From what the successor left to us nobody else accepts, so those who wait come first. */
    private void closeListeners() throws InterruptedException {
        for (Server server : servers) {
            try {
                long until = System.nanoTime() + A_SECOND;
                while (retired.contains(server.name) && server.listener.isUnserved() && System.nanoTime() < until) {
                    Thread.sleep(5);
                }
                server.listener.close();
            } catch (IOException e) {
                // Then it is closed.
            }
        }
    }

    /** Waits for the end of the connections and closes the handle. */
    private void leave(long idleUntil, long until) {
        stopLeaving();
        leaving = start(() -> {
            empty(idleUntil, until);
            takeover.close();
        });
    }

    private void stopLeaving() {
        if (leaving != null) {
            leaving.interrupt();
            leaving = null;
        }
    }

    private interface Task {
        void run() throws InterruptedException, ZdtException;
    }

    private static Thread start(Task task) {
        Thread thread = new Thread(
                () -> {
                    try {
                        task.run();
                    } catch (InterruptedException | ZdtException | ZdtStateException e) {
                        // It is called off: the successor died, or the handle was closed.
                    }
                },
                "libzdt-drain");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private int connections() {
        return servers.stream()
                .mapToInt(server -> server.listener.connections())
                .sum();
    }

    /** Closes what is idle, evenly until {@code idleUntil}; whether all have ended before {@code until}. */
    private boolean empty(long idleUntil, long until) throws InterruptedException {
        long begin = System.nanoTime();
        int first = connections();
        for (int left; (left = connections()) > 0; Thread.sleep(20)) {
            long now = System.nanoTime();
            if (until != Long.MAX_VALUE && now - until >= 0) {
                return false;
            }
            takeover.setConnections(left);
            long rest = Math.max(0, idleUntil - now);
            long mayStay = rest == 0 ? 0 : (long) Math.ceil(first * ((double) rest / (idleUntil - begin)));
            int tooMany = left - (int) mayStay;
            for (Server server : servers) {
                tooMany -= tooMany > 0 ? server.drainable.closeIdle(tooMany) : 0;
            }
        }
        takeover.setConnections(0);
        return true;
    }
}

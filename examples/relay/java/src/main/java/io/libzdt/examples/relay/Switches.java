package io.libzdt.examples.relay;

import io.libzdt.Takeover;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** What only tests want (PROTOCOL.md, section 4): to hold, to refuse, to be slow, to stop and to die at a chosen moment. */
final class Switches {
    private final Takeover takeover;
    private final CountDownLatch aborted = new CountDownLatch(1);
    private final boolean holdBeforeReady;
    private final boolean refuseAll;
    private final long adoptDelayMs;
    private final long dieAfterAdopting;
    private final long dieAfterOffering;
    private long stopAfterAdopting;
    private long offering;

    Switches(Takeover takeover, Map<String, String> options) {
        this.takeover = takeover;
        holdBeforeReady = options.containsKey("hold-before-ready");
        refuseAll = options.containsKey("refuse-all");
        adoptDelayMs = Long.parseLong(options.getOrDefault("adopt-delay-ms", "0"));
        stopAfterAdopting = Long.parseLong(options.getOrDefault("stop-after-adopting", "-1"));
        dieAfterAdopting = Long.parseLong(options.getOrDefault("die-after-adopting", "-1"));
        dieAfterOffering = Long.parseLong(options.getOrDefault("die-after-offering", "-1"));
    }

    boolean refuseAll() {
        return refuseAll;
    }

    /** The attempt is off. */
    void aborted() {
        aborted.countDown();
    }

    /** The listener is there, {@code ready} comes next. */
    void beforeReady() throws IOException {
        while (holdBeforeReady && System.in.read() != '\n') {}
    }

    /** One more is to be adopted; so many are. Exact on one event loop. */
    void beforeAdopting() throws InterruptedException {
        Thread.sleep(adoptDelayMs);
        long adopted = takeover.progress().settled();
        if (dieAfterAdopting == adopted) {
            raise("KILL");
        }
        if (stopAfterAdopting == adopted) {
            stopAfterAdopting = -1; // once: it is woken up again
            raise("STOP");
            // This event loop might accept once more before the other thread hears that the attempt is off. It does no
            // harm, but the tests count who is left in the queue.
            aborted.await(1, TimeUnit.SECONDS);
        }
    }

    /** One more is to be offered; whether it may: exactly so many are, before the end. */
    boolean beforeOffering() throws InterruptedException {
        if (dieAfterOffering < 0) {
            return true;
        }
        if (takeover.progress().offered() == dieAfterOffering) {
            raise("KILL");
        }
        return offering++ < dieAfterOffering;
    }

    private static void raise(String signal) throws InterruptedException {
        String self = Long.toString(ProcessHandle.current().pid());
        try {
            new ProcessBuilder("kill", "-" + signal, self).start().waitFor();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

package io.libzdt.spring;

import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import io.libzdt.ZdtStateException;
import java.util.concurrent.CompletionException;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.context.ApplicationListener;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.SmartLifecycle;

/** When the application is ready so is the takeover; when a successor has everything the process ends; SIGTERM drains. */
final class TakeoverLifecycle implements SmartLifecycle, ApplicationListener<ApplicationReadyEvent> {
    private static final System.Logger LOG = System.getLogger("io.libzdt.spring");

    private final Takeover takeover;
    private volatile boolean running;
    private volatile boolean ready;

    TakeoverLifecycle(Takeover takeover) {
        this.takeover = takeover;
    }

    /** Of the last generation to say so: the application, its runners included. It may be told of other contexts, too. */
    @Override
    public void onApplicationEvent(ApplicationReadyEvent event) {
        if (!running || ready) {
            return;
        }
        try {
            takeover.ready();
        } catch (ZdtException e) {
            throw new IllegalStateException(e.getMessage(), e); // the application ends, and who served serves on
        }
        ready = true;
        ConfigurableApplicationContext context = event.getApplicationContext();
        Thread waiting = new Thread(() -> endWithTheTakeover(context), "libzdt-done");
        waiting.start(); // it keeps the process alive: some web servers do not, once their listener is closed
    }

    private void endWithTheTakeover(ConfigurableApplicationContext context) {
        int status = 0;
        try {
            takeover.awaitDone();
        } catch (InterruptedException | ZdtException | CompletionException e) {
            LOG.log(System.Logger.Level.ERROR, "the takeover has failed, the application ends", e);
            status = 1;
        }
        if (running) { // else stop() is what ended it
            System.exit(Math.max(status, SpringApplication.exit(context)));
        }
    }

    @Override
    public void start() {
        running = true;
    }

    /** Before the web server is stopped: nothing is cut. */
    @Override
    public void stop() {
        running = false;
        if (ready) {
            try {
                takeover.drain();
            } catch (ZdtException | ZdtStateException e) {
                LOG.log(System.Logger.Level.DEBUG, "it drains already, or is done", e);
            }
            try {
                takeover.awaitDone();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (ZdtException | CompletionException e) {
                LOG.log(System.Logger.Level.DEBUG, "the takeover has failed", e);
            }
        }
    }

    @Override
    public boolean isRunning() {
        return running;
    }
}

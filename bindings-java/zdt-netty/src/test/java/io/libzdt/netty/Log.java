package io.libzdt.netty;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** What is logged while it is open. */
final class Log extends Handler implements AutoCloseable {
    private final Logger logger = Logger.getLogger("io.libzdt.netty");
    private final List<String> lines = new CopyOnWriteArrayList<>();

    Log() {
        logger.addHandler(this);
    }

    /** Waits until a line with this in it is there. */
    void says(String text) throws Exception {
        Stage.until("the log to say " + text, () -> lines.stream().anyMatch(line -> line.contains(text)));
    }

    @Override
    public void publish(LogRecord line) {
        lines.add(line.getMessage());
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
        logger.removeHandler(this);
    }
}

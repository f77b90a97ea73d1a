package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/** A predecessor that does everything wrong (tests/hostile), as a process of its own. */
record Hostile(Process process) implements AutoCloseable {
    /** With it zdt-hostile says that this kind needs root. */
    private static final int NOT_ROOT = 77;

    static Hostile start(String kind, Place place) throws Exception {
        String program = System.getenv("ZDT_HOSTILE");
        assertNotNull(program, "cargo build --package zdt-hostile, and name the program in ZDT_HOSTILE");
        Process process = new ProcessBuilder(program, kind, place.socket().toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        BufferedReader said = process.inputReader(StandardCharsets.UTF_8);
        if (!"listening".equals(said.readLine())) {
            int code = process.waitFor();
            assertNotEquals(
                    NOT_ROOT, code, () -> kind + " becomes another user, and only root can: run the tests as root");
            throw new AssertionError("zdt-hostile ended with " + code);
        }
        return new Hostile(process);
    }

    long pid() {
        return process.pid();
    }

    /** It ends when its input is closed. */
    @Override
    public void close() throws IOException {
        process.getOutputStream().close();
        process.onExit().orTimeout(Place.PATIENCE.toSeconds(), TimeUnit.SECONDS).join();
        assertEquals(0, process.exitValue());
    }
}

package io.libzdt.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** One generation of a web server, in a process of its own that ends with the test. */
final class Generation implements AutoCloseable {
    private static final String END = "(it has ended)";

    private final Process process;
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    private final int port;

    private Generation(Process process) throws Exception {
        this.process = process;
        Thread reader = new Thread(this::read, "lines of " + process.pid());
        reader.setDaemon(true);
        reader.start();
        port = Integer.parseInt(hear(Told.PORT));
    }

    /** Is back when it listens, and waits to be told that it is ready. Without the jars whose paths contain one of those. */
    static Generation start(List<String> withoutJars, Class<?> main, List<String> arguments) throws Exception {
        String classPath = Pattern.compile(File.pathSeparator, Pattern.LITERAL)
                .splitAsStream(System.getProperty("java.class.path"))
                .filter(path -> withoutJars.stream().noneMatch(path::contains))
                .collect(Collectors.joining(File.pathSeparator));
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                // It lives for seconds.
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                classPath,
                main.getName()));
        command.addAll(arguments);
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try {
            return new Generation(process);
        } catch (Exception | AssertionError e) {
            process.destroyForcibly();
            throw e;
        }
    }

    private void read() {
        try (BufferedReader reader = process.inputReader()) {
            reader.lines().forEach(lines::add);
        } catch (IOException e) {
            lines.add(e.toString());
        }
        lines.add(END);
    }

    /** What it says behind {@code word}, whatever it says before. */
    private String hear(String word) throws InterruptedException {
        List<String> heard = new ArrayList<>();
        while (true) {
            String line = lines.poll(Browser.PATIENCE.toSeconds(), TimeUnit.SECONDS);
            assertNotNull(line, () -> "it did not say " + word + ", but " + heard);
            if (line.startsWith(word)) {
                return line.substring(word.length());
            }
            heard.add(line);
            assertTrue(line != END, () -> "it did not say " + word + ", but " + heard);
        }
    }

    int port() {
        return port;
    }

    /** Is back when it is ready: from then on both may accept, until the predecessor has heard of it. */
    Generation ready() throws Exception {
        OutputStream in = process.getOutputStream();
        in.write('\n');
        in.flush();
        hear(Told.READY);
        return this;
    }

    /** Is back when whoever comes anew is served by generation {@code number}; before that, by the one before it. */
    Generation serves(int number) throws IOException {
        long deadline = System.nanoTime() + Browser.PATIENCE.toNanos();
        String expected = "generation " + number;
        for (String who; !(who = who()).equals(expected); ) {
            assertEquals("generation " + (number - 1), who);
            assertTrue(System.nanoTime() < deadline, () -> expected + " does not serve");
        }
        return this;
    }

    /** Asks on a connection of its own who serves. */
    String who() throws IOException {
        try (Browser fresh = new Browser(port)) {
            return fresh.ask().body();
        }
    }

    /** SIGTERM. */
    void terminate() {
        process.destroy();
    }

    /** Sees that it ends by itself, in this way. */
    void endsWith(int status) throws InterruptedException {
        assertTrue(process.waitFor(Browser.PATIENCE.toSeconds(), TimeUnit.SECONDS), "it does not end");
        assertEquals(status, process.exitValue());
    }

    /** SIGKILL, if it has not ended. */
    @Override
    public void close() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }
}

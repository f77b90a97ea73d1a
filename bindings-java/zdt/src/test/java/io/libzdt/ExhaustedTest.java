package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Place.Pair;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import org.junit.jupiter.api.Test;

/** What must work when no descriptor is left, in a JVM that has few. */
class ExhaustedTest {
    static final class Program {
        public static void main(String[] arguments) throws Exception {
            try (Takeover takeover = Takeover.open(Path.of(arguments[0]));
                    Pair pair = Pair.tcp()) {
                int elsewhere = Descriptors.dup(pair.descriptor());
                Deque<Integer> all = new ArrayDeque<>();
                try {
                    while (true) {
                        all.push(Descriptors.dup(0));
                    }
                } catch (SystemException full) {
                    System.out.println("errno " + full.errno().getAsInt() + " after " + all.size());
                }
                Descriptors.letGo(pair.server());
                while (!all.isEmpty()) {
                    Descriptors.close(all.pop());
                }
                try (SocketChannel there = Descriptors.socketChannel(elsewhere)) {
                    Place.goes(there, pair.client(), "first byte");
                }
                System.out.println("the client saw nothing");
            }
        }
    }

    @Test
    void letting_go_needs_no_descriptor() throws Exception {
        try (Place place = Place.fresh()) {
            Process process = new ProcessBuilder(
                            "sh",
                            "-c",
                            "ulimit -n 200 && exec \"$@\"",
                            "sh",
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-cp",
                            System.getProperty("java.class.path"),
                            Program.class.getName(),
                            place.socket().toString())
                    .redirectErrorStream(true)
                    .start();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertEquals(0, process.waitFor(), output);
            int tooManyOpenFiles = 24;
            assertTrue(output.contains("errno " + tooManyOpenFiles + " after "), output);
            assertTrue(output.contains("the client saw nothing"), output);
        }
    }
}

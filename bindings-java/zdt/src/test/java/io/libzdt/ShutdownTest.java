package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a JVM does with its takeover when it is told to end. */
class ShutdownTest {
    /** In a JVM of its own: {@code SOCKET drains|hangs}. */
    static final class Program {
        public static void main(String[] arguments) throws Exception {
            Takeover takeover = Takeover.open(Path.of(arguments[0]));
            boolean hangs = arguments[1].equals("hangs");
            takeover.dispatch(event -> {
                if (event instanceof Event.Drain drain) {
                    System.out.println("drain " + drain.successor().isPresent());
                    if (!hangs) {
                        Thread.sleep(200); // a request that is still being served
                        takeover.migratedAll();
                    }
                } else if (event instanceof Event.Done) {
                    System.out.println("done");
                    takeover.close();
                }
            });
            takeover.drainAtShutdown(hangs ? Duration.ofMillis(100) : Place.PATIENCE);
            takeover.ready();
            System.out.println("ready");
            takeover.awaitDone();
            // The JVM's own way goes on meanwhile: nothing here decides how the process ends.
            Thread.sleep(Place.PATIENCE.toMillis());
        }
    }

    private static String told(Path socket, String how, String signal) throws IOException, InterruptedException {
        Process jvm = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Program.class.getName(),
                        socket.toString(),
                        how)
                .redirectErrorStream(true)
                .start();
        try (BufferedReader output =
                new BufferedReader(new InputStreamReader(jvm.getInputStream(), StandardCharsets.UTF_8))) {
            assertEquals("ready", output.readLine());
            Runtime.getRuntime().exec(new String[] {"kill", "-" + signal, Long.toString(jvm.pid())});
            assertTrue(jvm.waitFor(Place.PATIENCE.toSeconds(), TimeUnit.SECONDS), "it does not end");
            return output.lines().collect(Collectors.joining(" ")) + " " + jvm.exitValue();
        } finally {
            jvm.destroyForcibly();
        }
    }

    /** The exit code is the JVM's own: 128 and the signal. */
    @ParameterizedTest
    @ValueSource(strings = {"TERM 143", "HUP 129", "INT 130"})
    void a_signal_to_end_drains_first_and_the_jvm_ends_in_its_own_way(String row) throws Exception {
        String[] signal = row.split(" ");
        try (Place place = Place.fresh()) {
            assertEquals("drain false done " + signal[1], told(place.socket(), "drains", signal[0]));
            assertFalse(Files.exists(place.socket()), "the service was given up, and its path with it");
        }
    }

    @Test
    void what_hangs_does_not_keep_the_jvm_alive_longer_than_was_said() throws Exception {
        try (Place place = Place.fresh()) {
            assertEquals("drain false 143", told(place.socket(), "hangs", "TERM"));
        }
    }

    @Test
    void it_is_asked_for_once_and_only_of_what_is_open() throws Exception {
        try (Place place = Place.fresh();
                Takeover takeover = Takeover.open(place.socket())) {
            takeover.drainAtShutdown(Duration.ZERO);
            assertEquals(
                    ErrorKind.WRONG_STATE,
                    assertThrows(ZdtStateException.class, () -> takeover.drainAtShutdown(Duration.ZERO))
                            .kind());
            Takeover other = Takeover.open(place.directory().resolve("other.sock"));
            other.close();
            assertEquals(
                    ErrorKind.CLOSED,
                    assertThrows(ZdtStateException.class, () -> other.drainAtShutdown(Duration.ZERO))
                            .kind());
        }
    }
}

package io.libzdt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.loading.Program;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;

/** How the native part is found and loaded, in JVMs of its own; none of them is given anything that opens a module. */
class LoadingTest {
    private static final String PROGRAM = Program.class.getName();

    record Ran(int code, String output) {}

    private Place place;

    @BeforeEach
    void begin() throws Exception {
        place = Place.fresh();
    }

    @AfterEach
    void end() throws Exception {
        place.close();
    }

    private Ran run(String... options) throws IOException, InterruptedException {
        return runs(java(options));
    }

    private String[] java(String... options) {
        return in(jvm(options), "-cp", System.getProperty("java.class.path"), PROGRAM, socket());
    }

    private String[] jvm(String... options) {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        return in(new String[] {java, "-Djava.io.tmpdir=" + place.directory()}, options);
    }

    private String socket() {
        return place.socket().toString();
    }

    private static Ran runs(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ran(process.waitFor(), output);
    }

    private static Path built() throws IOException {
        try (Stream<Path> all = Files.list(
                Path.of(LoadingTest.class.getResource("/META-INF/native").getPath()))) {
            return all.filter(path -> path.toString().endsWith("-gnu.so")
                            || path.toString().endsWith("-musl.so"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    @Test
    void it_is_unpacked_loaded_and_gone_again() throws Exception {
        Ran ran = run();
        assertEquals(0, ran.code, ran.output);
        assertTrue(ran.output.contains("left behind: []"), ran.output);
        assertTrue(ran.output.contains("java.nio works"), ran.output);
        assertTrue(ran.output.contains("datagrams work"), ran.output);
    }

    @Test
    void as_a_module_it_works_the_same() throws Exception {
        String[] path = {"-p", home(Takeover.class), "--add-modules", "io.libzdt", "-cp", home(LoadingTest.class)};
        Ran ran = runs(in(jvm(path), PROGRAM, socket()));
        assertEquals(0, ran.code, ran.output);
        assertTrue(ran.output.contains("in module io.libzdt"), ran.output);
        assertTrue(ran.output.contains("java.nio works"), ran.output);
    }

    private static String home(Class<?> of) throws Exception {
        return Path.of(of.getProtectionDomain().getCodeSource().getLocation().toURI())
                .toString();
    }

    @Test
    void a_file_that_is_named_is_loaded_instead() throws Exception {
        Ran ran = run("-Dzdt.native.path=" + built());
        assertEquals(0, ran.code, ran.output);
        Ran wrong = run("-Dzdt.native.path=/nowhere/libzdt_jni.so");
        assertTrue(wrong.output.contains("loading -Dzdt.native.path=/nowhere/libzdt_jni.so: "), wrong.output);
    }

    @Test
    void java_nio_is_tried_out_also_by_a_thread_that_was_interrupted() throws Exception {
        Ran ran = run("-Dinterrupted=true");
        assertEquals(0, ran.code, ran.output);
        assertTrue(ran.output.contains("java.nio works"), ran.output);
    }

    @Test
    void a_machine_without_a_native_part_is_told_what_was_looked_for() throws Exception {
        Ran ran = run("-Dos.arch=sparc");
        assertTrue(ran.code != 0, ran.output);
        assertTrue(ran.output.contains("/META-INF/native/libzdt_jni-0.1.0-linux-sparc-"), ran.output);
    }

    @Test
    void a_directory_that_cannot_be_used_is_named() throws Exception {
        Ran ran = run("-Dzdt.native.workdir=/nowhere/at/all");
        assertTrue(ran.code != 0, ran.output);
        assertTrue(ran.output.contains("/nowhere/at/all"), ran.output);
        assertTrue(ran.output.contains("-Dzdt.native.workdir=DIRECTORY"), ran.output);
    }

    @Test
    void a_directory_that_is_mounted_noexec_is_named() throws Exception {
        Path noexec = Files.createDirectory(place.directory().resolve("noexec"));
        String[] mounted = {
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs -o noexec tmpfs \"$0\" && exec \"$@\"",
            noexec.toString()
        };
        Ran mount = runs(in(mounted, "true"));
        assertEquals(
                0,
                mount.code,
                () -> "the test mounts a file system of its own, and may not here: run it as root, or"
                        + " allow user namespaces (sysctl user.max_user_namespaces): " + mount.output);
        Ran ran = runs(in(mounted, java("-Dzdt.native.workdir=" + noexec)));
        assertTrue(ran.code != 0, ran.output);
        assertTrue(ran.output.contains("is its file system mounted noexec?"), ran.output);
    }

    private static String[] in(String[] place, String... command) {
        return Stream.of(place, command).flatMap(Arrays::stream).toArray(String[]::new);
    }

    /** Options for a JDK whose insides changed: this class of {@code sun.nio.ch} has lost all that we call. */
    private String[] without(String name) throws IOException {
        Path source = place.directory().resolve(name + ".java");
        Files.writeString(source, "package sun.nio.ch; public class " + name + " {}");
        Path patch = place.directory().resolve("patch");
        int compiled = ToolProvider.getSystemJavaCompiler()
                .run(
                        null,
                        null,
                        null,
                        "--patch-module",
                        "java.base=" + place.directory(),
                        "-d",
                        patch.toString(),
                        source.toString());
        assertEquals(0, compiled);
        // Named, since unpacking a file takes an IOUtil that works.
        return new String[] {"--patch-module", "java.base=" + patch, "-Dzdt.native.path=" + built()};
    }

    @Test
    void on_an_unknown_jdk_descriptors_work_and_channels_say_what_is_missing() throws Exception {
        Ran ran = run(without("IOUtil"));
        assertTrue(ran.code != 0, ran.output);
        assertTrue(ran.output.contains("descriptors work"), ran.output);
        assertTrue(ran.output.contains("unsupported (205): java " + System.getProperty("java.version")), ran.output);
        assertTrue(ran.output.contains("newFD"), ran.output);
        assertTrue(ran.output.contains("Netty's epoll transport"), ran.output);
    }

    @Test
    void where_only_datagrams_are_unknown_the_other_channels_work() throws Exception {
        Ran ran = run(without("DatagramChannelImpl"));
        assertEquals(0, ran.code, ran.output);
        assertTrue(ran.output.contains("java.nio works"), ran.output);
        assertTrue(ran.output.contains("no datagrams: unsupported (205): java "), ran.output);
    }

    /** JEP 472: so far a warning; what is to become the default is clear about what to do. */
    @Test
    @EnabledForJreRange(min = JRE.JAVA_24)
    void native_access_that_is_not_enabled_is_a_warning_and_if_denied_a_clear_error() throws Exception {
        Ran warned = run();
        assertEquals(0, warned.code, warned.output);
        assertTrue(warned.output.contains("WARNING: Use --enable-native-access=ALL-UNNAMED"), warned.output);
        Ran enabled = run("--enable-native-access=ALL-UNNAMED");
        assertFalse(enabled.output.contains("WARNING"), enabled.output);
        Ran denied = run("--illegal-native-access=deny");
        assertTrue(denied.code != 0, denied.output);
        assertTrue(denied.output.contains("start java with --enable-native-access=io.libzdt"), denied.output);
    }
}

package io.libzdt.internal;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Loads the native code that travels inside the jar: {@code META-INF/native/libzdt_jni-VERSION-linux-ARCH-LIBC.so}.
 *
 * <p>{@code -Dzdt.native.path=FILE} names a file to load instead; {@code -Dzdt.native.workdir=DIRECTORY} says where it is
 * unpacked, by default in {@code java.io.tmpdir}.
 */
public final class NativeLibrary {
    /** The workspace's: native/build.sh names the file after it. */
    private static final String VERSION = "0.1.0";

    static {
        find();
    }

    private NativeLibrary() {}

    /**
     * Sees that it is loaded; does nothing from the second time on.
     *
     * @throws UnsatisfiedLinkError it cannot be; the message says what was looked for, and what to do
     */
    public static void load() {
        // The work is the class's own: done once, however many threads come.
    }

    private static void find() {
        String given = System.getProperty("zdt.native.path");
        if (given != null) {
            open(Path.of(given).toAbsolutePath(), "-Dzdt.native.path=" + given);
            return;
        }
        String resource = "/META-INF/native/libzdt_jni-" + VERSION + "-" + platform() + ".so";
        String workdir = System.getProperty("zdt.native.workdir", System.getProperty("java.io.tmpdir"));
        try (InputStream library = NativeLibrary.class.getResourceAsStream(resource)) {
            if (library == null) {
                throw new UnsatisfiedLinkError("libzdt has no native code for this machine: the jar has no " + resource
                        + "; build it (bindings-java/README.md) and name it with -Dzdt.native.path=FILE");
            }
            // Nobody else can write into a directory of mode 0700 that did not exist before.
            Path directory = Files.createTempDirectory(
                    Path.of(workdir),
                    "libzdt-",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Path file = directory.resolve("libzdt_jni.so");
            try {
                Files.write(file, library.readAllBytes(), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
                open(file, resource + " of the jar, unpacked into " + workdir);
            } finally {
                // What is loaded stays mapped.
                Files.deleteIfExists(file);
                Files.deleteIfExists(directory);
            }
        } catch (FileAlreadyExistsException e) {
            throw failed("somebody else writes into the directory " + workdir, e);
        } catch (IOException e) {
            throw failed(
                    "the native code cannot be unpacked into " + workdir + " (" + e
                            + "): give another directory with -Dzdt.native.workdir=DIRECTORY",
                    e);
        }
    }

    private static void open(Path file, String what) {
        try {
            System.load(file.toString());
        } catch (UnsatisfiedLinkError e) {
            String said = String.valueOf(e.getMessage());
            // What ld.so says of a file system that is mounted noexec.
            String remedy = said.contains("failed to map segment")
                    ? "; is its file system mounted noexec? Give another directory with -Dzdt.native.workdir=DIRECTORY"
                    : "";
            throw failed("loading " + what + ": " + said + remedy, e);
        } catch (RuntimeException e) {
            // IllegalCallerException: JEP 472, when native access is denied.
            throw failed(
                    "loading " + what + ": " + e.getMessage()
                            + "; start java with --enable-native-access=io.libzdt, or =ALL-UNNAMED where libzdt is on the"
                            + " class path",
                    e);
        }
    }

    private static UnsatisfiedLinkError failed(String message, Throwable cause) {
        UnsatisfiedLinkError error = new UnsatisfiedLinkError("libzdt: " + message);
        error.initCause(cause);
        return error;
    }

    private static String platform() {
        String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String machine = System.getProperty("os.arch");
        String arch = switch (machine) {
            case "amd64" -> "x86_64";
            case "arm64" -> "aarch64";
            default -> machine;
        };
        return system + "-" + arch + "-" + (isMusl() ? "musl" : "gnu");
    }

    /** Code built for the other C library crashes the JVM, so this is asked, and not tried. */
    private static boolean isMusl() {
        try (Stream<String> mapped = Files.lines(Path.of("/proc/self/maps"))) {
            return mapped.anyMatch(line -> line.contains("/ld-musl-"));
        } catch (IOException e) {
            return false;
        }
    }
}

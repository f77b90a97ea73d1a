package io.libzdt.netty;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Another process with a class of ours in it; it ends with the test. */
record Jvm(Process process) implements AutoCloseable {
    static Jvm start(Class<?> main, String... arguments) throws IOException {
        return start(System.getProperty("java.class.path"), main, arguments);
    }

    /** Without those jars on its class path whose paths contain one of these. */
    static Jvm startWithout(List<String> jars, Class<?> main, String... arguments) throws IOException {
        String kept = Pattern.compile(File.pathSeparator, Pattern.LITERAL)
                .splitAsStream(System.getProperty("java.class.path"))
                .filter(path -> jars.stream().noneMatch(path::contains))
                .collect(Collectors.joining(File.pathSeparator));
        return start(kept, main, arguments);
    }

    private static Jvm start(String classPath, Class<?> main, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                classPath,
                main.getName()));
        command.addAll(List.of(arguments));
        return new Jvm(new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start());
    }

    /** The next line it writes. */
    String line() throws IOException {
        return process.inputReader().readLine();
    }

    /** As a long pause of its collector would: it does nothing for so long, and then goes on. */
    void pauses(Duration pause) throws IOException, InterruptedException {
        signal("STOP");
        Thread.sleep(pause.toMillis());
        signal("CONT");
    }

    private void signal(String name) throws IOException, InterruptedException {
        String pid = Long.toString(process.pid());
        if (new ProcessBuilder("kill", "-" + name, pid).inheritIO().start().waitFor() != 0) {
            throw new IOException("kill -" + name + " " + pid + " failed");
        }
    }

    @Override
    public void close() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }
}

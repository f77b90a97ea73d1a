package io.libzdt.web;

import io.libzdt.Config;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;

/** What a generation is told on its command line, in the words of Spring Boot, and by the lines of its test. */
record Told(Map<String, String> properties) {
    static final String PORT = "port ";
    static final String READY = "ready";

    static Told by(String[] arguments) {
        return new Told(Arrays.stream(arguments)
                .map(argument -> argument.substring("--".length()).split("=", 2))
                .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1])));
    }

    Path socket() {
        return Path.of(properties.get("libzdt.socket"));
    }

    Config config() {
        return Config.builder()
                .probation(seconds("libzdt.probation"))
                .drain(seconds("libzdt.drain"))
                .build();
    }

    private Duration seconds(String property) {
        return Duration.parse("PT" + properties.get(property));
    }

    /** How many connections at once; 0: any number. */
    int maxConnections() {
        return Integer.parseInt(properties.getOrDefault("server.tomcat.max-connections", "0"));
    }

    static void listensAt(int port) {
        System.out.println(PORT + port);
    }

    /** Waits until the test wants it to be ready. */
    static void waits() throws IOException {
        if (System.in.read() < 0) {
            throw new IOException("the test has ended");
        }
    }

    static void isReady() {
        System.out.println(READY);
    }
}

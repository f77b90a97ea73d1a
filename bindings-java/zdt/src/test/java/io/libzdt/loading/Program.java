package io.libzdt.loading;

import io.libzdt.Descriptors;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What the JVMs of LoadingTest run: descriptors first, which need nothing of java.nio's; then a channel. */
public final class Program {
    private Program() {}

    public static void main(String[] arguments) throws Exception {
        System.out.println("in " + Takeover.class.getModule());
        try (Takeover takeover = Takeover.open(Path.of(arguments[0]))) {
            int listener = takeover.listenerDescriptor("http", ListenerSpec.tcp("127.0.0.1:0"));
            System.out.println("descriptors work");
            try (Stream<Path> unpacked = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
                System.out.println("left behind: "
                        + unpacked.filter(path -> path.getFileName().toString().startsWith("libzdt"))
                                .toList());
            }
            if (Boolean.getBoolean("interrupted")) {
                Thread.currentThread().interrupt();
            }
            Descriptors.serverSocketChannel(listener).close();
            System.out.println("java.nio works");
            try {
                takeover.datagramListener("dns", ListenerSpec.udp("127.0.0.1:0"))
                        .close();
                System.out.println("datagrams work");
            } catch (ZdtException e) {
                System.out.println("no datagrams: " + e.getMessage());
            }
        }
    }
}

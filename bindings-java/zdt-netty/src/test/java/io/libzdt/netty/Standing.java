package io.libzdt.netty;

import java.nio.file.Path;

/** A generation of lines in a process of its own: says its port when it is ready, and ends when it is done. */
final class Standing {
    private Standing() {}

    public static void main(String[] arguments) throws Exception {
        try (Server server = new Server(Path.of(arguments[0]), Loops.valueOf(arguments[1]))) {
            server.listen(Server.ANY_PORT).ready();
            System.out.println(server.port());
            server.awaitDone();
        }
    }
}

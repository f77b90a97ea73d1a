package io.libzdt.netty;

import java.nio.file.Path;
import java.time.Duration;

/** A server without Netty's HTTP and TLS on its class path: its connections are drained all the same. */
final class Poor {
    private Poor() {}

    public static void main(String[] arguments) throws Exception {
        try (Server server = new Server(Path.of(arguments[0]), Loops.NIO).listen(Server.ANY_PORT)) {
            server.netty.spread(Duration.ZERO);
            server.ready();
            try (Client client = new Client(server.port()).say("a\n").hears("1 1 a")) {
                server.takeover.drain();
                Child child = server.handlers.get(0).ctx.pipeline().get(Child.class);
                Stage.until("its turn", () -> child.leave != null && child.leave.isTurn());
                Goodbye none = child.channel
                        .eventLoop()
                        .submit(() -> Goodbye.of(child.leave))
                        .get();
                client.say("b\n").hears("1 2 b");
                client.close();
                server.awaitDone();
                System.out.println(none);
            }
        }
    }
}

package io.libzdt.netty;

import io.libzdt.Offer;
import io.libzdt.Takeover;
import java.nio.file.Path;

/** A successor that is offered a connection, says so, and does nothing more. */
final class Doomed {
    private Doomed() {}

    public static void main(String[] arguments) throws Exception {
        Takeover takeover = Takeover.open(Path.of(arguments[0]));
        takeover.listenerDescriptor("lines", Server.ANY_PORT);
        takeover.ready();
        while (!(takeover.nextEvent(null) instanceof Offer)) {}
        System.out.println("offered");
        Thread.sleep(Long.MAX_VALUE);
    }
}

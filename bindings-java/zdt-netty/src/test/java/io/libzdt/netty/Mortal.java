package io.libzdt.netty;

import io.libzdt.Event;
import io.libzdt.Takeover;
import java.nio.file.Path;

/** A successor of a {@link WebServer} that says when it is the owner, and serves nobody. */
final class Mortal {
    private Mortal() {}

    public static void main(String[] arguments) throws Exception {
        Takeover takeover = Takeover.open(Path.of(arguments[0]));
        takeover.listenerDescriptor("web", WebServer.ANY_PORT);
        takeover.ready();
        while (true) {
            if (takeover.nextEvent(null) instanceof Event.Committed) {
                System.out.println("committed");
            }
        }
    }
}

package io.libzdt.examples.jetty;

import io.libzdt.Config;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.libzdt.jetty.JettyTakeover;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** HTTP on Jetty. Type the same command again: the new process takes over, and nobody notices. */
public final class Main {
    private Main() {}

    /**
     * Serves until a successor has taken over.
     *
     * @param arguments {@code --takeover PATH --port N}, {@code --probation-ms N}
     * @throws Exception it cannot begin
     */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        var probation = Duration.ofMillis(Long.parseLong(options.getOrDefault("probation-ms", "10000")));
        var config = Config.builder().probation(probation).build();
        try (var takeover = Takeover.open(Path.of(options.get("takeover")), config)) {
            var server = new Server();
            var connector = new ServerConnector(server);
            JettyTakeover.of(takeover).listen(connector, "http", ListenerSpec.tcp("0.0.0.0:" + options.get("port")));
            server.addConnector(connector);
            server.setHandler(new Requests("generation " + takeover.generation()));
            server.start();
            drainAtTheEnd(takeover);
            takeover.ready(); // from here on we accept, and the predecessor does not
            System.out.println("ready");
            takeover.awaitDone(); // a successor serves, and the last connection here has ended
            server.stop();
        }
    }

    /** SIGTERM: whoever is being served is served to the end. */
    private static void drainAtTheEnd(Takeover takeover) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                takeover.drain();
                takeover.awaitDone();
            } catch (Exception e) {
                // It has ended already.
            }
        }));
    }
}

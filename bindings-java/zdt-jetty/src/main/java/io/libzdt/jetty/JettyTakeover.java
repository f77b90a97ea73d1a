package io.libzdt.jetty;

import io.libzdt.ListenerSpec;
import io.libzdt.NioTakeover;
import io.libzdt.Takeover;
import java.io.IOException;
import org.eclipse.jetty.server.ConnectionFactory;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.ServerConnector;

/**
 * A {@link Takeover} in Jetty's hands.
 *
 * <pre>{@code
 * var takeover = Takeover.open(path);
 * var connector = new ServerConnector(server);
 * JettyTakeover.of(takeover).listen(connector, "http", ListenerSpec.tcp("0.0.0.0:8080"));
 * server.addConnector(connector);
 * server.start();
 * takeover.ready();
 * takeover.awaitDone();
 * server.stop();
 * }</pre>
 *
 * <p>The connections are drained, as {@link NioTakeover} says. TCP only: Jetty asks for a port.
 */
public final class JettyTakeover {
    private final NioTakeover nio;

    private JettyTakeover(Takeover takeover) {
        nio = NioTakeover.of(takeover);
    }

    /**
     * Takes the events of {@code takeover} in hand ({@link Takeover#dispatch}). Before {@code ready}.
     *
     * @param takeover the handle
     * @return what listens
     */
    public static JettyTakeover of(Takeover takeover) {
        return new JettyTakeover(takeover);
    }

    /**
     * Inherits or binds the listener {@code name} and opens {@code connector} with it. Nothing is accepted before {@code
     * ready}, even if the server is started.
     *
     * @param connector not open, with all its connection factories, and with a thread that accepts (Jetty's default)
     * @param name of the listener
     * @param spec where and how to listen, TCP; the connector's own address does not count
     * @throws IOException as {@link Takeover#listener(String, ListenerSpec)}
     * @throws IllegalArgumentException {@code connector} is open, or has no thread that accepts, or {@code spec} is not TCP;
     *     nothing was bound
     */
    public void listen(ServerConnector connector, String name, ListenerSpec spec) throws IOException {
        if (connector.getAcceptors() == 0) {
            throw new IllegalArgumentException("the connector needs an acceptor; nothing was bound");
        }
        if (connector.isOpen()) {
            throw new IllegalArgumentException(
                    "the connector listens already; nothing was bound; give one that is new");
        }
        if (!spec.toString().startsWith("tcp://")) {
            throw new IllegalArgumentException("Jetty listens at TCP alone, not at " + spec + "; nothing was bound");
        }
        Leave leave = new Leave(connector);
        connector.open(nio.listen(name, spec, leave));
        for (ConnectionFactory factory : connector.getConnectionFactories()) {
            if (factory instanceof HttpConfiguration.ConnectionFactory http) {
                http.getHttpConfiguration().addCustomizer(leave);
            }
        }
    }
}

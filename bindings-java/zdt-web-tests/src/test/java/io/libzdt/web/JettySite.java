package io.libzdt.web;

import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.libzdt.jetty.JettyTakeover;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.Callback;

/** The site on Jetty, as in {@link JettyTakeover}'s documentation. */
final class JettySite {
    private JettySite() {}

    public static void main(String[] arguments) throws Exception {
        Told told = Told.by(arguments);
        try (Takeover takeover = Takeover.open(told.socket(), told.config())) {
            Server server = new Server();
            ServerConnector connector = new ServerConnector(server);
            JettyTakeover.of(takeover).listen(connector, "http", ListenerSpec.tcp("127.0.0.1:0"));
            server.addConnector(connector);
            if (told.maxConnections() > 0) {
                server.addBean(new NetworkConnectionLimit(told.maxConnections(), connector));
            }
            server.setHandler(new Answers("generation " + takeover.generation()));
            server.start();
            takeover.drainAtShutdown(Browser.PATIENCE);
            Told.listensAt(connector.getLocalPort());
            Told.waits();
            takeover.ready();
            Told.isReady();
            takeover.awaitDone();
            server.stop();
        }
    }

    /** Who serves, and what was sent. */
    private static final class Answers extends Handler.Abstract {
        private final String who;

        Answers(String who) {
            this.who = who;
        }

        @Override
        public boolean handle(Request request, Response response, Callback callback) throws Exception {
            Content.Sink.write(response, true, who + Content.Source.asString(request), callback);
            return true;
        }
    }
}

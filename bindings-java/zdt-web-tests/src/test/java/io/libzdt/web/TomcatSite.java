package io.libzdt.web;

import io.libzdt.NioTakeover;
import io.libzdt.Takeover;
import io.libzdt.tomcat.TakeoverProtocol;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;

/** The site on embedded Tomcat, as in {@link TakeoverProtocol}'s documentation. */
final class TomcatSite {
    private static final Logger LOG = Logger.getLogger("org.apache");

    private TomcatSite() {}

    public static void main(String[] arguments) throws Exception {
        LOG.setLevel(Level.SEVERE); // its warnings are about a JVM that goes on
        Told told = Told.by(arguments);
        try (Takeover takeover = Takeover.open(told.socket(), told.config())) {
            TakeoverProtocol protocol = new TakeoverProtocol();
            protocol.listener(NioTakeover.of(takeover), "http");
            protocol.setAddress(InetAddress.getLoopbackAddress());
            protocol.setPort(0);
            if (told.maxConnections() > 0) {
                protocol.setMaxConnections(told.maxConnections());
            }
            Tomcat tomcat = new Tomcat();
            tomcat.setBaseDir(told.socket().getParent().toString());
            Connector connector = new Connector(protocol);
            connector.setThrowOnFailure(true);
            tomcat.setConnector(connector);
            Context context = tomcat.addContext("", null);
            Tomcat.addServlet(context, "answers", new Answers("generation " + takeover.generation()));
            context.addServletMappingDecoded("/", "answers");
            tomcat.start();
            takeover.drainAtShutdown(Browser.PATIENCE);
            Told.listensAt(connector.getLocalPort());
            Told.waits();
            takeover.ready();
            Told.isReady();
            takeover.awaitDone();
            tomcat.stop();
        }
    }

    /** Who serves, and what was sent. */
    private static final class Answers extends HttpServlet {
        private static final long serialVersionUID = 1;

        private final String who;

        Answers(String who) {
            this.who = who;
        }

        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
            byte[] sent = request.getInputStream().readAllBytes();
            response.getOutputStream().print(who + new String(sent, StandardCharsets.ISO_8859_1));
        }
    }
}

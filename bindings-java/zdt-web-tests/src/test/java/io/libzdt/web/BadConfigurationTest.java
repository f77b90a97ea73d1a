package io.libzdt.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.ErrorKind;
import io.libzdt.ListenerSpec;
import io.libzdt.NioTakeover;
import io.libzdt.Takeover;
import io.libzdt.ZdtArgumentException;
import io.libzdt.ZdtException;
import io.libzdt.ZdtStateException;
import io.libzdt.jetty.JettyTakeover;
import io.libzdt.tomcat.TakeoverProtocol;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.catalina.LifecycleException;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Jetty and Tomcat: what is wrong is said, with what to do, and nothing is left behind. */
@Timeout(60)
final class BadConfigurationTest {
    private static final ListenerSpec ANYWHERE = ListenerSpec.tcp("127.0.0.1:0");

    @TempDir
    private Path directory;

    private Path socket;
    private final Server jetty = new Server();

    @BeforeEach
    void begin() {
        socket = directory.resolve("takeover.sock");
    }

    private interface Task {
        void run() throws Exception;
    }

    private static void saysArgument(String what, Task task) {
        Throwable e = assertThrows(IllegalArgumentException.class, task::run);
        assertTrue(e.getMessage().contains(what), e.getMessage());
    }

    @Test
    void jetty_is_not_given_what_it_cannot_serve() throws Exception {
        try (Takeover takeover = Takeover.open(socket)) {
            JettyTakeover ours = JettyTakeover.of(takeover);
            ServerConnector connector = new ServerConnector(jetty);
            Path path = directory.resolve("http.sock");
            saysArgument("Jetty listens at TCP alone", () -> ours.listen(connector, "http", ListenerSpec.unix(path)));
            assertFalse(Files.exists(path));
            saysArgument(
                    "Jetty listens at TCP alone",
                    () -> ours.listen(connector, "http", ListenerSpec.udp("127.0.0.1:0")));
            saysArgument("needs an acceptor", () -> ours.listen(new ServerConnector(jetty, 0, 1), "http", ANYWHERE));
            // None of them has used up the name, or the connector.
            ours.listen(connector, "http", ANYWHERE);
            saysArgument("listens already", () -> ours.listen(connector, "other", ANYWHERE));
            assertThrows(ZdtStateException.class, () -> JettyTakeover.of(takeover));
            connector.close();
        }
    }

    @Test
    void two_connectors_of_jetty_have_two_names() throws Exception {
        try (Takeover takeover = Takeover.open(socket)) {
            JettyTakeover ours = JettyTakeover.of(takeover);
            ServerConnector first = new ServerConnector(jetty);
            ServerConnector second = new ServerConnector(jetty);
            ours.listen(first, "http", ANYWHERE);
            ZdtArgumentException e =
                    assertThrows(ZdtArgumentException.class, () -> ours.listen(second, "http", ANYWHERE));
            assertEquals(ErrorKind.NAME_USED, e.kind());
            assertFalse(second.isOpen());
            ours.listen(second, "admin", ANYWHERE);
            assertTrue(first.getLocalPort() != second.getLocalPort());
            first.close();
            second.close();
        }
    }

    @Test
    void jetty_is_told_that_an_address_is_in_use_or_not_of_this_machine() throws Exception {
        try (Takeover takeover = Takeover.open(socket);
                ServerSocket taken = new ServerSocket(0)) {
            JettyTakeover ours = JettyTakeover.of(takeover);
            ServerConnector connector = new ServerConnector(jetty);
            ListenerSpec inUse = ListenerSpec.tcp("127.0.0.1:" + taken.getLocalPort());
            ZdtException e = assertThrows(ZdtException.class, () -> ours.listen(connector, "http", inUse));
            assertEquals(ErrorKind.ADDRESS_IN_USE, e.kind());
            e = assertThrows(
                    ZdtException.class, () -> ours.listen(connector, "http", ListenerSpec.tcp("203.0.113.1:0")));
            assertTrue(e.getMessage().contains("no interface of this machine has the address"), e.getMessage());
            assertFalse(connector.isOpen());
        }
    }

    /** What Tomcat says of such a connector. */
    private Throwable refused(Connector... connectors) {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(directory.toString());
        for (Connector connector : connectors) {
            connector.setThrowOnFailure(true);
            tomcat.getService().addConnector(connector);
        }
        LifecycleException e = assertThrows(LifecycleException.class, tomcat::start);
        return e.getCause();
    }

    private static Connector connector(NioTakeover takeover, String address, int port) {
        TakeoverProtocol protocol = new TakeoverProtocol();
        protocol.listener(takeover, "http");
        Connector connector = new Connector(protocol);
        connector.setProperty("address", address);
        connector.setPort(port);
        return connector;
    }

    @Test
    void tomcat_without_a_listener_says_which_call_is_missing() {
        Throwable e = refused(new Connector(new TakeoverProtocol()));
        assertTrue(e.getMessage().contains("call listener(takeover, name) first"), e.toString());
    }

    @Test
    void tomcat_is_told_what_is_wrong_with_its_address() throws Exception {
        try (Takeover takeover = Takeover.open(socket);
                ServerSocket taken = new ServerSocket(0)) {
            NioTakeover nio = NioTakeover.of(takeover);
            Throwable e = refused(connector(nio, "127.0.0.1", taken.getLocalPort()));
            assertEquals(ErrorKind.ADDRESS_IN_USE, ((ZdtException) e).kind());
            e = refused(connector(nio, "203.0.113.1", 0));
            assertTrue(e.getMessage().contains("no interface of this machine has the address"), e.toString());
            Connector unix = connector(nio, "127.0.0.1", 0);
            Path path = directory.resolve("http.sock");
            unix.setProperty("unixDomainSocketPath", path.toString());
            e = refused(unix);
            assertTrue(e.getMessage().contains("unixDomainSocketPath is not for TakeoverProtocol"), e.toString());
            assertFalse(Files.exists(path));
        }
    }

    @Test
    void two_connectors_of_tomcat_have_two_names() throws Exception {
        try (Takeover takeover = Takeover.open(socket)) {
            NioTakeover nio = NioTakeover.of(takeover);
            Throwable e = refused(connector(nio, "127.0.0.1", 0), connector(nio, "127.0.0.1", 0));
            assertEquals(ErrorKind.NAME_USED, ((ZdtArgumentException) e).kind());
        }
    }
}

package io.libzdt.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Config;
import io.libzdt.Drainable;
import io.libzdt.ListenerSpec;
import io.libzdt.NioTakeover;
import io.libzdt.Takeover;
import io.libzdt.tomcat.TakeoverProtocol;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.apache.coyote.ProtocolHandler;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.web.embedded.tomcat.TomcatWebServer;
import org.springframework.boot.web.server.WebServer;
import org.springframework.boot.web.servlet.context.ServletWebServerApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Configuration;

/** What the starter does to an application, and what it says where the configuration is wrong. */
@Timeout(120)
final class StarterTest {
    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    static class Application {}

    @TempDir
    private Path directory;

    private Path socket;

    @BeforeEach
    void begin() {
        socket = directory.resolve("takeover.sock");
    }

    private static ConfigurableApplicationContext start(String... properties) {
        SpringApplication application = new SpringApplication(Application.class);
        application.setDefaultProperties(Map.of(
                "server.port", 0,
                "server.address", "127.0.0.1",
                "spring.main.banner-mode", "off",
                "logging.level.root", "off"));
        return application.run(properties);
    }

    private static ProtocolHandler protocol(ConfigurableApplicationContext context) {
        WebServer server = ((ServletWebServerApplicationContext) context).getWebServer();
        return ((TomcatWebServer) server).getTomcat().getConnector().getProtocolHandler();
    }

    @Test
    void without_the_property_nothing_happens() {
        try (ConfigurableApplicationContext context = start()) {
            assertEquals(0, context.getBeansOfType(Takeover.class).size());
            assertFalse(protocol(context) instanceof TakeoverProtocol);
        }
    }

    @Test
    void the_property_is_all_it_takes_and_the_socket_goes_with_the_application() throws Exception {
        try (ConfigurableApplicationContext context = start("--libzdt.socket=" + socket)) {
            assertEquals(1, context.getBean(Takeover.class).generation());
            assertTrue(protocol(context) instanceof TakeoverProtocol);
            assertTrue(Files.exists(socket));
        }
        assertFalse(Files.exists(socket));
    }

    /** An application that starts like this does not, and its log says why; the first cause. */
    private static Throwable refused(String... properties) {
        Throwable cause = assertThrows(Exception.class, () -> start(properties).close());
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause;
    }

    private void saysAndLeavesNothing(String what, String... properties) {
        String said = refused(properties).toString();
        assertTrue(said.contains(what), said);
        assertFalse(Files.exists(socket));
    }

    @Test
    void a_takeover_socket_that_cannot_be_is_refused_with_what_to_do() throws Exception {
        saysAndLeavesNothing("say where the takeover socket is to be", "--libzdt.socket=");
        saysAndLeavesNothing("create it (mode 0700)", "--libzdt.socket=" + directory.resolve("missing/x.sock"));
        saysAndLeavesNothing("choose a shorter path", "--libzdt.socket=" + directory.resolve("x".repeat(108)));
        Path foreign = Files.writeString(directory.resolve("file"), "here before");
        saysAndLeavesNothing("is not a socket; it was left alone", "--libzdt.socket=" + foreign);
        assertEquals("here before", Files.readString(foreign));
        saysAndLeavesNothing("give one that is not negative", "--libzdt.socket=" + socket, "--libzdt.drain=-5s");
    }

    @Test
    void an_address_that_cannot_be_had_is_refused_with_what_to_do() throws Exception {
        String ours = "--libzdt.socket=" + socket;
        saysAndLeavesNothing("no interface of this machine has the address", ours, "--server.address=203.0.113.1");
        try (ServerSocket taken = new ServerSocket(0)) {
            saysAndLeavesNothing("stop who holds it", ours, "--server.port=" + taken.getLocalPort());
        }
    }

    @Test
    void a_web_server_that_is_not_known_is_refused_before_anything_is_bound() {
        saysAndLeavesNothing(
                "libzdt does not know how to give a listener to a TomcatReactiveWebServerFactory; use Tomcat with"
                        + " Spring MVC or Netty with WebFlux",
                "--spring.main.web-application-type=reactive",
                "--libzdt.socket=" + socket);
    }

    @ParameterizedTest
    @CsvSource({
        "http, ask for what the predecessor has", // elsewhere than the application wants it
        "metrics, retire" // nothing that the application wants
    })
    void a_predecessor_with_another_listener_is_left_as_it_is(String name, String advice) throws Exception {
        Config config = Config.builder().probation(Duration.ZERO).build();
        try (Takeover first = Takeover.open(socket, config)) {
            NioTakeover.of(first).listen(name, ListenerSpec.tcp("127.0.0.2:0"), new Nobody());
            first.ready();
            String said = refused("--libzdt.socket=" + socket).toString();
            assertTrue(said.contains(advice), said);
            try (Takeover second = Takeover.open(socket, config)) {
                assertEquals(2, second.generation());
            }
        }
    }

    private static final class Nobody implements Drainable {
        @Override
        public void drain() {}

        @Override
        public void resume() {}

        @Override
        public int closeIdle(int atMost) {
            return 0;
        }
    }
}

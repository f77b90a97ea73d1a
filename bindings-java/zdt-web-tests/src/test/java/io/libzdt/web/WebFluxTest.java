package io.libzdt.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Spring WebFlux on reactor-netty, whose connections move. */
@Timeout(180)
final class WebFluxTest implements ServingBehaviours {
    @TempDir
    private Path directory;

    @Override
    public Path path() {
        return directory.resolve("takeover.sock");
    }

    @Override
    public Class<?> main() {
        return SpringSite.class;
    }

    @Override
    public List<String> withoutJars() {
        return List.of("/tomcat-embed", "/spring-webmvc", "/jetty-");
    }

    @Test
    void a_connection_moves_between_requests_and_its_predecessor_ends() throws Exception {
        try (Generation first = quick().ready();
                Browser idle = new Browser(first.port());
                Browser busy = new Browser(first.port())) {
            assertEquals("generation 1", idle.ask().body());
            busy.beginPost(4);
            try (Generation second = quick().ready().serves(2)) {
                assertEquals("generation 1, in", busy.say(", in").hear().body());
                first.endsWith(0);
                for (Browser moved : List.of(idle, busy)) {
                    Browser.Answer answer = moved.ask();
                    assertEquals("generation 2", answer.body());
                    assertFalse(answer.isLast());
                }
                assertEquals(first.port(), second.port());
            }
        }
    }

    @Test
    void sigterm_without_a_successor_finishes_what_is_in_flight() throws Exception {
        try (Generation only =
                        start("--libzdt.drain=20s", "--libzdt.probation=0s").ready();
                Browser busy = new Browser(only.port());
                Browser idle = new Browser(only.port())) {
            assertFalse(idle.ask().isLast());
            busy.beginPost(4);
            only.terminate();
            idle.askToTheEnd("generation 1");
            Browser.Answer answer = busy.say(", in").hear();
            assertEquals("generation 1, in", answer.body());
            if (!answer.isLast()) { // its turn comes later
                busy.askToTheEnd("generation 1");
            }
            only.endsWith(128 + 15);
        }
    }
}

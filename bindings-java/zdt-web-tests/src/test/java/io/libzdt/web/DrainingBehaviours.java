package io.libzdt.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** What those meet whose connections are drained. */
interface DrainingBehaviours extends ServingBehaviours {
    @Test
    default void who_waits_to_be_accepted_is_served_by_the_successor() throws Exception {
        try (Generation first = patient("--server.tomcat.max-connections=1").ready();
                Browser accepted = new Browser(first.port())) {
            assertEquals("generation 1", accepted.ask().body());
            try (Browser waits = new Browser(first.port()).say(Browser.GET)) {
                assertTrue(waits.hearsNothing());
                try (Generation second = patient().ready().serves(2)) {
                    assertEquals("generation 2", waits.hear().body());
                    assertEquals(first.port(), second.port());
                    accepted.askToTheEnd("generation 1");
                }
            }
        }
    }

    @Test
    default void a_client_that_keeps_its_connection_is_told_to_close_and_misses_no_answer() throws Exception {
        try (Generation first = patient().ready();
                Browser client = new Browser(first.port())) {
            assertFalse(client.ask().isLast());
            try (Generation second = patient().ready().serves(2)) {
                client.askToTheEnd("generation 1");
            }
        }
    }

    @Test
    default void what_was_pipelined_is_answered_to_the_last() throws Exception {
        try (Generation first = patient().ready();
                Browser scout = new Browser(first.port());
                Browser client = new Browser(first.port())) {
            assertFalse(scout.ask().isLast());
            assertFalse(client.ask().isLast());
            try (Generation second = patient().ready().serves(2)) {
                scout.askToTheEnd("generation 1"); // from here on whoever asks is told
                client.say(Browser.GET + Browser.post("one") + Browser.post("two") + Browser.GET);
                for (String sent : List.of("", "one", "two")) {
                    assertEquals("generation 1" + sent, client.hear().body());
                }
                Browser.Answer last = client.hear();
                assertEquals("generation 1", last.body());
                assertTrue(last.isLast());
                assertTrue(client.ends());
            }
        }
    }

    @Test
    default void a_request_in_flight_is_finished_and_the_predecessor_ends_with_its_last_connection() throws Exception {
        try (Generation first = quick().ready();
                Browser busy = new Browser(first.port());
                Browser idle = new Browser(first.port())) {
            assertFalse(idle.ask().isLast());
            busy.beginPost(4);
            try (Generation second = quick().ready().serves(2)) {
                assertTrue(idle.ends(), "idle: closed before the deadline");
                assertEquals("generation 1, in", busy.say(", in").hear().body());
                assertTrue(busy.ends());
                first.endsWith(0);
                assertEquals("generation 2", second.who());
            }
        }
    }

    @Test
    default void sigterm_without_a_successor_finishes_what_is_in_flight() throws Exception {
        try (Generation only = patient().ready();
                Browser busy = new Browser(only.port());
                Browser idle = new Browser(only.port())) {
            assertFalse(idle.ask().isLast());
            busy.beginPost(4);
            only.terminate();
            assertTrue(idle.ends());
            assertEquals("generation 1, in", busy.say(", in").hear().body());
            assertTrue(busy.ends());
            only.endsWith(128 + 15);
        }
    }
}

package io.libzdt.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What the clients of every server meet, whether their connections move or not. */
interface ServingBehaviours extends Site {
    @Test
    default void nobody_is_answered_before_the_server_is_ready() throws Exception {
        try (Generation first = patient();
                Browser early = new Browser(first.port()).say(Browser.GET)) {
            assertTrue(early.hearsNothing());
            first.ready();
            assertEquals("generation 1", early.hear().body());
        }
    }

    @Test
    default void who_comes_while_the_predecessor_drains_is_served_by_the_successor() throws Exception {
        try (Generation first = patient().ready();
                Browser busy = new Browser(first.port()).beginPost(4);
                Generation second = patient().ready().serves(2)) {
            for (int i = 0; i < 20; i++) {
                assertEquals("generation 2", second.who());
            }
            assertEquals("generation 1, in", busy.say(", in").hear().body());
        }
    }

    @Test
    default void a_successor_that_dies_before_it_is_ready_changes_nothing() throws Exception {
        try (Generation first = patient().ready();
                Browser client = new Browser(first.port())) {
            assertFalse(client.ask().isLast());
            patient().close(); // it listened, and is killed
            for (int i = 0; i < 20; i++) {
                assertEquals("generation 1", first.who());
            }
            assertFalse(client.ask().isLast());
            try (Generation second = patient().ready().serves(2)) {
                assertEquals(first.port(), second.port());
            }
        }
    }

    @Test
    default void the_predecessor_serves_again_when_its_successor_is_killed() throws Exception {
        try (Generation first = patient().ready();
                Browser busy = new Browser(first.port()).beginPost(4)) {
            try (Generation second = patient().ready().serves(2)) {
                assertEquals("generation 2", second.who());
            }
            try (Browser fresh = new Browser(first.port())) {
                Browser.Answer answer = fresh.ask();
                assertEquals("generation 1", answer.body());
                assertFalse(answer.isLast());
            }
            assertEquals("generation 1, in", busy.say(", in").hear().body());
            assertFalse(busy.ask().isLast());
        }
    }
}

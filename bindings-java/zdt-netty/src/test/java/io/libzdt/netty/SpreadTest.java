package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** When whose turn is. */
final class SpreadTest {
    private static final long SECOND = Duration.ofSeconds(1).toNanos();
    private final Spread spread = new Spread(0, Duration.ofSeconds(10), Duration.ofSeconds(30));

    @Test
    void any_number_of_goodbyes_is_spread_evenly() {
        for (int number : new int[] {20, 137, 10_000}) {
            int[] tenths = new int[10];
            for (int turn = 0; turn < number; turn++) {
                tenths[(int) (spread.turn(spread.place(), 0) / SECOND)]++;
            }
            for (int tenth : tenths) {
                assertEquals(number / 10.0, tenth, 2.5, number + " goodbyes");
            }
        }
    }

    @Test
    void those_that_come_late_have_what_is_left() {
        for (int turn = 0; turn < 1000; turn++) {
            long delay = spread.turn(spread.place(), 9 * SECOND);
            assertTrue(delay >= 0 && delay < SECOND);
        }
        assertEquals(0, spread.turn(0.9, 11 * SECOND));
    }

    @Test
    void the_silent_are_left_alone_for_as_long_as_can_be() {
        for (int turn = 0; turn < 1000; turn++) {
            double place = spread.place();
            long until = spread.patience(place, 3 * SECOND) + 3 * SECOND;
            assertTrue(until >= 18.5 * SECOND && until < 27 * SECOND);
            assertEquals(0, spread.patience(place, 40 * SECOND));
        }
    }

    @Test
    void nothing_is_spread_beyond_the_drain_deadline() {
        Spread wide = new Spread(0, Duration.ofDays(1000), Duration.ofSeconds(30));
        assertTrue(wide.turn(wide.place(), 0) < 30 * SECOND);
    }

    @Test
    void time_does_not_run_backwards() {
        Farewells farewells = new Farewells();
        assertThrows(IllegalArgumentException.class, () -> farewells.spread(Duration.ofNanos(-1)));
    }
}

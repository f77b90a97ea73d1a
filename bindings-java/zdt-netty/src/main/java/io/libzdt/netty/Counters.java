package io.libzdt.netty;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * What has become of the connections of a {@link NettyTakeover} that were to move or to end, since it was made.
 *
 * @param moved how many a successor has adopted
 * @param stayed how many could not move, by the reason; each time that they were to
 * @param goodbyes how many clients were told to go elsewhere, by the protocol
 * @param cut how many were ended because the drain deadline came
 */
public record Counters(long moved, Map<String, Long> stayed, Map<String, Long> goodbyes, long cut) {
    /**
     * Copies the maps.
     *
     * @param moved as above
     * @param stayed as above
     * @param goodbyes as above
     * @param cut as above
     */
    public Counters {
        stayed = Map.copyOf(stayed);
        goodbyes = Map.copyOf(goodbyes);
    }

    /** For a log. */
    String inWords() {
        return "moved: " + moved + ", stayed: " + stayed + ", were told to go elsewhere: " + goodbyes
                + ", cut at the drain deadline: " + cut;
    }

    /** They are counted here. Any thread. */
    static final class Live {
        private final LongAdder moved = new LongAdder();
        private final Map<String, LongAdder> stayed = new ConcurrentHashMap<>();
        private final Map<String, LongAdder> goodbyes = new ConcurrentHashMap<>();
        private final LongAdder cut = new LongAdder();

        void moved() {
            moved.increment();
        }

        void stays(String reason) {
            stayed.computeIfAbsent(reason, first -> new LongAdder()).increment();
        }

        void goodbye(String protocol) {
            goodbyes.computeIfAbsent(protocol, first -> new LongAdder()).increment();
        }

        void cut() {
            cut.increment();
        }

        Counters now() {
            return new Counters(moved.sum(), sums(stayed), sums(goodbyes), cut.sum());
        }

        private static Map<String, Long> sums(Map<String, LongAdder> counts) {
            Map<String, Long> sums = new TreeMap<>();
            counts.forEach((name, count) -> sums.put(name, count.sum()));
            return sums;
        }
    }
}

package io.libzdt;

import java.util.List;
import java.util.stream.IntStream;

/**
 * The state versions of one protocol that a program reads.
 *
 * @param protocol the protocol, as in {@link Frozen#protocol}
 * @param versions the state versions
 */
public record Reads(String protocol, List<Integer> versions) {
    /**
     * Copies the list.
     *
     * @param protocol the protocol
     * @param versions the state versions
     */
    public Reads {
        versions = List.copyOf(versions);
    }

    /**
     * The same from numbers.
     *
     * @param protocol the protocol
     * @param versions the state versions
     */
    public Reads(String protocol, int... versions) {
        this(protocol, IntStream.of(versions).boxed().toList());
    }
}

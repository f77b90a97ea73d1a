package io.libzdt;

/**
 * What a takeover has done so far, seen from one process. All counters start at 0 with each link: they are those of the
 * one to our predecessor until a successor comes.
 *
 * @param generation our generation
 * @param expected how many connections the predecessor said there are ({@link Takeover#setConnections}); 0 where it did
 *     not say
 * @param offered connections offered so far (sent by a predecessor, received by a successor)
 * @param settled adopted by the successor
 * @param returned refused, or taken back
 * @param unreadBytes unread bytes of the connections that were adopted, companions included
 * @param unsentBytes unsent bytes of the connections that were adopted, companions included
 * @param stateBytes state bytes of the connections that were adopted
 */
public record Progress(
        long generation,
        long expected,
        long offered,
        long settled,
        long returned,
        long unreadBytes,
        long unsentBytes,
        long stateBytes) {}

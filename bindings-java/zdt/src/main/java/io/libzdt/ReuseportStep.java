package io.libzdt;

import java.time.Duration;

/** What is next while a {@link ReuseportGroup} retires. */
public sealed interface ReuseportStep {
    /**
     * Serve all sockets as ever, and call {@link ReuseportGroup#step} again when the time is over.
     *
     * @param time how long
     */
    record Wait(Duration time) implements ReuseportStep {}

    /**
     * Accept from (UDP: read from) a socket until that would block, then call {@link ReuseportGroup#step} again.
     *
     * @param index of the socket
     */
    record Accept(int index) implements ReuseportStep {}

    /**
     * A socket leaves: take it out of your selector and close what copies you made, then call {@link ReuseportGroup#step}
     * again, which closes its channel. It is not among {@link ReuseportGroup#listeners} any more, and its
     * {@link ReuseportGroup#descriptor} is closed.
     *
     * @param index of the socket
     */
    record Closed(int index) implements ReuseportStep {}

    /**
     * Nothing of ours is left.
     *
     * @param retired how it went
     */
    record Done(ReuseportGroup.Retired retired) implements ReuseportStep {}
}

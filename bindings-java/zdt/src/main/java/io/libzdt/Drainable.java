package io.libzdt;

/**
 * A server whose connections do not move: they take leave in their protocol's own way, and whoever connects again reaches
 * the successor. {@link NioTakeover} tells it when. Any thread may call; nothing may block for long.
 */
public interface Drainable {
    /** Serve on, and let the connections end as they fall idle: the next response of HTTP/1.1 says {@code Connection: close}. */
    void drain();

    /** The successor died: no more leave is taken. What has been said already stays said. */
    void resume();

    /**
     * Closes connections on which nothing is in flight and from which nothing waits to be read.
     *
     * @param atMost how many; positive
     * @return how many were closed
     */
    int closeIdle(int atMost);
}

package io.libzdt;

/**
 * Whom {@link Takeover#dispatch} tells every event, in order, on its one thread. While it runs no other event is handed
 * out and no deadline of libzdt's is kept, so hand work to your event loops and return.
 *
 * <p>An exception out of a handler is logged, and the handle is closed: the other side resumes, and nothing more comes.
 */
@FunctionalInterface
public interface EventHandler {
    /**
     * What happened.
     *
     * @param event the event
     * @throws Exception ends the dispatching
     */
    void onEvent(Event event) throws Exception;

    /**
     * {@link Takeover#ready} has succeeded: accept from here on. Called by that method, in its caller's thread.
     *
     * @throws Exception {@code ready} throws it on, and the handle is closed
     */
    default void onReady() throws Exception {}
}

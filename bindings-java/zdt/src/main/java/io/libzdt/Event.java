package io.libzdt;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * What happened: {@link Takeover#nextEvent} gives the events in order.
 *
 * <p>{@link Drain} to {@link Relieved} are told to a predecessor, {@link Offer}, {@link Committed} and {@link Aborted} to
 * a successor, {@link Done} to whoever drained.
 */
public sealed interface Event
        permits Offer,
                Event.Drain,
                Event.Settled,
                Event.Returned,
                Event.Room,
                Event.Committed,
                Event.Resume,
                Event.Accept,
                Event.Relieved,
                Event.Aborted,
                Event.Done {

    /**
     * Stop accepting, but from {@code retired}. With a successor: freeze and migrate what there is, then {@link Takeover#migratedAll}. Without one
     * (a signal, or {@link Takeover#drain}): finish what is in flight, then {@code migratedAll}.
     *
     * <p>Any call of {@code nextEvent}, {@code migrate} or {@code migratedAll} from here on says that accepting has stopped.
     *
     * @param successor who is ready to take the connections; nothing where nobody is
     * @param deadline how long from now until what is still on offer is taken back. {@link Done} follows: with a successor
     *     after {@link Config.Builder#probation}, without one at once
     * @param reads which connections the successor can read; empty: it did not say, offer everything
     * @param retired the listeners that the successor left to us ({@link Takeover#retire}): go on accepting from these. At
     *     {@link Done} or {@link Relieved} accept what is still in their queues, then close them
     */
    record Drain(Optional<Peer> successor, Duration deadline, List<Reads> reads, List<String> retired)
            implements Event {}

    /**
     * (predecessor) The connection was adopted over there: let go of it, that is out of the selector first, then close
     * without shutdown ({@link Descriptors#letGo}).
     *
     * @param id what {@link Frozen#id} said
     */
    record Settled(long id) implements Event {}

    /**
     * (predecessor) The connection is ours as it was: thaw the same objects.
     *
     * @param connection what was offered
     * @param why why it returned
     */
    record Returned(Frozen connection, Reason why) implements Event {
        /** Why a connection returned. */
        public enum Reason {
            /** The successor refused it. */
            REFUSED,
            /** It was taken back: the successor is gone, hangs, or the deadline came. */
            TAKEN_BACK
        }
    }

    /** (predecessor) {@link Takeover#migrate} takes more. */
    record Room() implements Event {}

    /**
     * (successor) We are the owner now.
     *
     * @param generation our generation: the predecessor's plus one
     */
    record Committed(long generation) implements Event {}

    /**
     * (predecessor) The attempt is off, or the successor died: accept again, from every listener. It may come before the
     * connections that it gives back: whatever was on offer follows as {@link Returned}, or as {@link Settled} where the
     * successor had adopted it. The next successor brings the next {@link Drain}.
     *
     * @param cause why
     */
    record Resume(ZdtException cause) implements Event {}

    /**
     * (predecessor) The successor owns the service but leaves the queue of a listener unserved: accept from it too.
     * Connections accepted this way are served here to their end.
     *
     * @param cause who hangs
     */
    record Accept(ZdtException cause) implements Event {}

    /** (predecessor) For good, nobody will resume here: close the listeners, finish what is left. */
    record Relieved() implements Event {}

    /**
     * (successor) The attempt is off: close the listeners, finish what was adopted, exit.
     *
     * @param cause why
     */
    record Aborted(ZdtException cause) implements Event {}

    /**
     * Libzdt has nothing left to do here: finish the connections that are left, if there are any, and exit.
     *
     * @param left how many offers were unanswered when the drain deadline came; {@link Returned} (or {@link Settled}, for
     *     one that was adopted at that moment) has named each before this event. 0: none was. What was never offered is not
     *     counted. Draining without a successor, where the deadline came before {@link Takeover#migratedAll}: how many
     *     connections there are, as {@link Takeover#setConnections} was told, at least 1
     */
    record Done(long left) implements Event {}
}

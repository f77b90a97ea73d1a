package io.libzdt;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** What native code makes: it calls these, so that only their signatures are written twice. */
final class Made {
    private Made() {}

    /** Has every class loaded that an event or an error needs: later there may be no descriptor left to load it with. */
    static void prepare() {
        for (ErrorKind kind : ErrorKind.values()) {
            fault(kind.number(), "", "", 0, 0).thrown();
        }
        Fault none = Fault.of(ErrorKind.INTERNAL, "", "");
        drain(new Peer(0, "", "", 0), 0, new Reads[] {new Reads("", 0)}, new String[] {""});
        settled(0);
        room();
        committed(0);
        resume(Fault.of(ErrorKind.INTERNAL, "", ""));
        accept(Fault.of(ErrorKind.INTERNAL, "", ""));
        relieved();
        aborted(Fault.of(ErrorKind.INTERNAL, "", ""));
        done(0);
        returned(true, 0, 0, "", 0, null, null, null, null, null, false, null);
        new Adopted(Frozen.of(0, 0, "").parcel());
        stepWait(0);
        stepAccept(0);
        stepClosed(0);
        stepDone(0, 0, 0);
        // An offer that is on no list is refused in vain.
        ((Offer) offer(0, 0, 0, "", 0, null, null, null, null, null, false, null)).close();
    }

    static Event offer(
            long key,
            long id,
            int descriptor,
            String protocol,
            int stateVersion,
            byte[] state,
            byte[] unread,
            byte[] unsent,
            byte[] local,
            byte[] peer,
            boolean dialled,
            Companion[] companions) {
        return new Offer(
                key,
                Parcel.told(
                        id,
                        descriptor,
                        protocol,
                        stateVersion,
                        state,
                        unread,
                        unsent,
                        local,
                        peer,
                        dialled,
                        companions));
    }

    static Event drain(Peer successor, long nanos, Reads[] reads, String[] retired) {
        return new Event.Drain(
                Optional.ofNullable(successor), Duration.ofNanos(nanos), List.of(reads), List.of(retired));
    }

    static Event settled(long id) {
        return new Event.Settled(id);
    }

    static Event returned(
            boolean refused,
            long id,
            int descriptor,
            String protocol,
            int stateVersion,
            byte[] state,
            byte[] unread,
            byte[] unsent,
            byte[] local,
            byte[] peer,
            boolean dialled,
            Companion[] companions) {
        Parcel parcel = Parcel.told(
                id, descriptor, protocol, stateVersion, state, unread, unsent, local, peer, dialled, companions);
        return new Event.Returned(
                Frozen.of(parcel), refused ? Event.Returned.Reason.REFUSED : Event.Returned.Reason.TAKEN_BACK);
    }

    static Event room() {
        return new Event.Room();
    }

    static Event committed(long generation) {
        return new Event.Committed(generation);
    }

    static Event resume(Fault cause) {
        return new Event.Resume(cause.told());
    }

    static Event accept(Fault cause) {
        return new Event.Accept(cause.told());
    }

    static Event relieved() {
        return new Event.Relieved();
    }

    static Event aborted(Fault cause) {
        return new Event.Aborted(cause.told());
    }

    static Event done(long left) {
        return new Event.Done(left);
    }

    static ReuseportStep stepWait(long nanos) {
        return new ReuseportStep.Wait(Duration.ofNanos(nanos));
    }

    static ReuseportStep stepAccept(int index) {
        return new ReuseportStep.Accept(index);
    }

    static ReuseportStep stepClosed(int index) {
        return new ReuseportStep.Closed(index);
    }

    static ReuseportStep stepDone(int closed, int successors, int waits) {
        return new ReuseportStep.Done(new ReuseportGroup.Retired(closed, successors, waits));
    }

    static Fault fault(int number, String what, String state, int errno, int pid) {
        return new Fault(ErrorKind.of(number).orElse(ErrorKind.INTERNAL), what, state, errno, pid);
    }

    static Throwable thrown(Fault fault) {
        return fault.thrown();
    }
}

package io.libzdt;

import java.io.Serializable;
import java.util.OptionalInt;

/** What an exception of libzdt holds; 0 where there is no errno and no pid. */
record Fault(ErrorKind kind, String what, String state, int errno, int pid) implements Serializable {
    static Fault of(ErrorKind kind, String what, String state) {
        return new Fault(kind, what, state, 0, 0);
    }

    static Fault of(ZdtFailure failure) {
        if (failure instanceof ZdtException e) {
            return e.fault;
        }
        return failure instanceof ZdtStateException e ? e.fault : ((ZdtArgumentException) failure).fault;
    }

    /** The same form as in every language. */
    String message() {
        String said = kind.word() + " (" + kind.number() + "): " + what;
        return state.isEmpty() ? said : said + "; " + state;
    }

    OptionalInt someErrno() {
        return errno == 0 ? OptionalInt.empty() : OptionalInt.of(errno);
    }

    OptionalInt somePid() {
        return pid == 0 ? OptionalInt.empty() : OptionalInt.of(pid);
    }

    /** As it is thrown. */
    Exception thrown() {
        return switch (kind) {
            case INVALID_ARGUMENT, PATH_TOO_LONG, NAME_USED, TOO_LARGE, NOT_READABLE -> new ZdtArgumentException(this);
            case WRONG_STATE, CLOSED, FORKED, LISTENER_UNCLAIMED, SIGNAL_NOT_BLOCKED -> new ZdtStateException(this);
            default -> told();
        };
    }

    /** As an event tells it, which throws nothing: never unchecked. */
    ZdtException told() {
        return switch (kind.number() / 100) {
            case 2 -> new SystemException(this);
            case 3 -> new TakeoverException(this);
            case 4 -> new ProtocolException(this);
            case 5 -> new TrustException(this);
            case 9 -> new InternalException(this);
            default -> new ZdtException(this);
        };
    }
}

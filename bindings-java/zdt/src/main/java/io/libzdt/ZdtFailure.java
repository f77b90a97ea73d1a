package io.libzdt;

import java.util.OptionalInt;

/**
 * What every exception of libzdt can be asked, whichever class it has.
 *
 * <p>Wrong use (1xx) is a {@link ZdtArgumentException} or a {@link ZdtStateException}, both unchecked; everything else is
 * a {@link ZdtException}.
 */
public sealed interface ZdtFailure permits ZdtException, ZdtArgumentException, ZdtStateException {
    /** {@return what kind of error this is} */
    default ErrorKind kind() {
        return Fault.of(this).kind();
    }

    /** {@return what was wrong} */
    default String what() {
        return Fault.of(this).what();
    }

    /** {@return what state one is in now and what to do; may be empty} */
    default String state() {
        return Fault.of(this).state();
    }

    /** {@return the errno of the failed system call, if there was one} */
    default OptionalInt errno() {
        return Fault.of(this).someErrno();
    }

    /** {@return the process the error speaks of (who is busy, who is not trusted), if there is one} */
    default OptionalInt pid() {
        return Fault.of(this).somePid();
    }
}

package io.libzdt;

import java.util.OptionalInt;

/** The call does not fit the state one is in; nothing was done. */
public final class ZdtStateException extends IllegalStateException implements ZdtFailure {
    private static final long serialVersionUID = 1;

    /** What was wrong, and what now. */
    private final Fault fault;

    ZdtStateException(Fault fault) {
        super(fault.message());
        this.fault = fault;
    }

    @Override
    public ErrorKind kind() {
        return fault.kind();
    }

    @Override
    public String what() {
        return fault.what();
    }

    @Override
    public String state() {
        return fault.state();
    }

    @Override
    public OptionalInt errno() {
        return fault.someErrno();
    }

    @Override
    public OptionalInt pid() {
        return fault.somePid();
    }
}

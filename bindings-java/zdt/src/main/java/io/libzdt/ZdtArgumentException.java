package io.libzdt;

import java.util.OptionalInt;

/** An argument is not what the call takes, or too much of it; nothing was done. */
public final class ZdtArgumentException extends IllegalArgumentException implements ZdtFailure {
    private static final long serialVersionUID = 1;

    /** What was wrong, and what now. */
    private final Fault fault;

    ZdtArgumentException(Fault fault) {
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

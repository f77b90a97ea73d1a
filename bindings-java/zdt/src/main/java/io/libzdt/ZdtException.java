package io.libzdt;

import java.io.IOException;
import java.util.OptionalInt;

/** A call failed, and not because it was made wrongly: what was wrong, what state one is in now, what to do. */
public sealed class ZdtException extends IOException implements ZdtFailure
        permits SystemException, TakeoverException, ProtocolException, TrustException, InternalException {
    private static final long serialVersionUID = 1;

    /** What was wrong, and what now. */
    private final Fault fault;

    ZdtException(Fault fault) {
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

package io.libzdt;

import java.io.IOException;

/** A call failed, and not because it was made wrongly: what was wrong, what state one is in now, what to do. */
public sealed class ZdtException extends IOException implements ZdtFailure
        permits SystemException, TakeoverException, ProtocolException, TrustException, InternalException {
    private static final long serialVersionUID = 1;

    /** What was wrong, and what now. */
    final Fault fault;

    ZdtException(Fault fault) {
        super(fault.message());
        this.fault = fault;
    }
}

package io.libzdt;

/** The call does not fit the state one is in; nothing was done. */
public final class ZdtStateException extends IllegalStateException implements ZdtFailure {
    private static final long serialVersionUID = 1;

    /** What was wrong, and what now. */
    final Fault fault;

    ZdtStateException(Fault fault) {
        super(fault.message());
        this.fault = fault;
    }
}

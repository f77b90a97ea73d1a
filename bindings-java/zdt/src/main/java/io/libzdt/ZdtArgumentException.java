package io.libzdt;

/** An argument is not what the call takes, or too much of it; nothing was done. */
public final class ZdtArgumentException extends IllegalArgumentException implements ZdtFailure {
    private static final long serialVersionUID = 1;

    /** What was wrong, and what now. */
    final Fault fault;

    ZdtArgumentException(Fault fault) {
        super(fault.message());
        this.fault = fault;
    }
}

package io.libzdt;

/** The system refused (2xx): see {@link #errno}. */
public final class SystemException extends ZdtException {
    private static final long serialVersionUID = 1;

    SystemException(Fault fault) {
        super(fault);
    }
}

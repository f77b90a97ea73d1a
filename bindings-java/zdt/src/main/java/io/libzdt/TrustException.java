package io.libzdt;

/** The path, or who waits there, is not to be trusted (5xx). */
public final class TrustException extends ZdtException {
    private static final long serialVersionUID = 1;

    TrustException(Fault fault) {
        super(fault);
    }
}

package io.libzdt;

/** The takeover did not come about, or ended (3xx). */
public final class TakeoverException extends ZdtException {
    private static final long serialVersionUID = 1;

    TakeoverException(Fault fault) {
        super(fault);
    }
}

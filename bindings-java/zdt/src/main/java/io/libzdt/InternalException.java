package io.libzdt;

/** A fault of libzdt itself (9xx): please report it. */
public final class InternalException extends ZdtException {
    private static final long serialVersionUID = 1;

    InternalException(Fault fault) {
        super(fault);
    }
}

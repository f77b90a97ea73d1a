package io.libzdt;

/** The other side speaks otherwise (4xx). */
public final class ProtocolException extends ZdtException {
    private static final long serialVersionUID = 1;

    ProtocolException(Fault fault) {
        super(fault);
    }
}

package io.libzdt;

/**
 * What becomes of a predecessor's listener of the same name that is another one: at another address, or of another kind.
 */
public enum OnMismatch {
    /** It is an error ({@link ErrorKind#LISTENER_MISMATCH}), and the listener stays unclaimed. */
    REFUSE,
    /** What was asked for is bound, and the predecessor's is left to it, as by {@link Takeover#retire}. */
    BIND
}

package io.libzdt;

import java.util.Optional;

/**
 * What went wrong. The numbers are the same in every language and are never reused.
 *
 * <p>Ranges: 1xx wrong use, 2xx the system, 3xx takeover, 4xx protocol, 5xx trust, 9xx a fault of libzdt.
 */
public enum ErrorKind {
    /** An argument is not what the call takes (an address that does not parse, a negative descriptor). */
    INVALID_ARGUMENT(101, "invalid argument", false),
    /** The path of the takeover socket is longer than a socket's path may be (107 bytes). */
    PATH_TOO_LONG(102, "path too long", false),
    /** The name of a listener is in use already. */
    NAME_USED(103, "name used", false),
    /** The call does not fit the state one is in (migrate before Drain, ready twice). */
    WRONG_STATE(104, "wrong state", false),
    /** The handle was closed. */
    CLOSED(105, "closed", false),
    /** The handle belongs to the process that this one was forked from. A JVM does not fork; here for completeness. */
    FORKED(106, "forked", false),
    /** State, unread or unsent bytes are over the limit. */
    TOO_LARGE(107, "too large", false),
    /** The successor does not read this protocol or state version: drain the connection instead. */
    NOT_READABLE(108, "not readable", false),
    /** An inherited listener was claimed by nobody before {@code ready}. */
    LISTENER_UNCLAIMED(109, "listener unclaimed", false),
    /** A thread leaves the drain signal unblocked, so a signalfd would never fire. */
    SIGNAL_NOT_BLOCKED(110, "signal not blocked", false),

    /** A system call failed; the errno is in the error. */
    SYSTEM(201, "system call failed", false),
    /** RLIMIT_NOFILE leaves too few descriptors for what is coming. */
    DESCRIPTOR_LIMIT(202, "descriptor limit", false),
    /** The directory of the takeover socket does not exist. */
    DIRECTORY_MISSING(203, "directory missing", false),
    /** The address of a listener is in use by somebody else. */
    ADDRESS_IN_USE(204, "address in use", true),
    /** The kernel, or this JVM, lacks what the call needs. */
    UNSUPPORTED(205, "unsupported", false),

    /** Another successor is at it, or the owner is not ready yet. */
    BUSY(301, "busy", true),
    /** The other side did not answer before the deadline. */
    NO_ANSWER(302, "no answer", true),
    /** The other side died or closed the link. */
    PEER_GONE(303, "peer gone", true),
    /** An inherited listener is not what its spec asks for. */
    LISTENER_MISMATCH(304, "listener mismatch", false),
    /** The attempt is lost: another process owns the service. */
    ATTEMPT_LOST(305, "attempt lost", true),
    /** The predecessor refused, for a reason that is in the message. */
    REFUSED(306, "refused", false),

    /** The two sides have no protocol version in common. */
    NO_COMMON_VERSION(401, "no common version", false),
    /** A message does not decode, or the peer does not speak the protocol at all. */
    MALFORMED(402, "malformed message", false),
    /** A message came out of order: a wrong sequence number, or one that does not fit the step. */
    OUT_OF_ORDER(403, "out of order", false),
    /** A message came with another number of descriptors than it says. */
    DESCRIPTOR_COUNT(404, "descriptor count", false),

    /** The peer runs as a user that is not trusted. */
    WRONG_USER(501, "wrong user", false),
    /** The directory of the takeover socket can be written by others and has no sticky bit, or is theirs. */
    UNSAFE_DIRECTORY(502, "unsafe directory", false),
    /** Something that is not a socket of ours lies at the path. */
    FOREIGN_FILE(503, "foreign file", false),
    /** The peer's pidfd is not of the process that the kernel reports. */
    WRONG_PROCESS(504, "wrong process", true),

    /** A fault of libzdt itself: please report it. */
    INTERNAL(901, "internal fault", false);

    private final int number;
    private final String word;
    private final boolean retryHelps;

    ErrorKind(int number, String word, boolean retryHelps) {
        this.number = number;
        this.word = word;
        this.retryHelps = retryHelps;
    }

    /** {@return the stable number} */
    public int number() {
        return number;
    }

    /** {@return the kind as a short word, the same in every language} */
    public String word() {
        return word;
    }

    /** {@return whether the same call, made again a little later, can succeed without anything being changed} */
    public boolean retryHelps() {
        return retryHelps;
    }

    /**
     * The kind with this number.
     *
     * @param number as {@link #number} gives it
     * @return the kind, or nothing where there is none
     */
    public static Optional<ErrorKind> of(int number) {
        for (ErrorKind kind : values()) {
            if (kind.number == number) {
                return Optional.of(kind);
            }
        }
        return Optional.empty();
    }
}

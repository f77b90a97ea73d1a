package io.libzdt;

import java.lang.ref.Cleaner;
import java.util.Optional;

/**
 * (successor) A connection that the predecessor has frozen and offers: build the objects for it, then {@link #adopt};
 * or {@link #refuse} it, and the predecessor goes on with it as it was.
 *
 * <p>It is answered once; {@link #close} refuses it if it was not. One that is forgotten is refused when the garbage
 * collector finds it, and keeps its client waiting until then. Any thread may answer; nothing here blocks.
 *
 * <p>Before it is adopted the connection is the predecessor's, who may take it back at any moment: objects may be built on
 * its {@link #descriptor} ({@link #takeDescriptors}), also registered with a poller without interest, but nothing may be
 * read from it, written to it or shut down. {@link Adopted#descriptor} is the same number then.
 */
public final class Offer extends Connection implements Event, AutoCloseable {
    /** What native code has of it, and nobody else once the offer was forgotten. */
    private static final class Held implements Runnable {
        final long key;
        volatile boolean given;

        Held(long key) {
            this.key = key;
        }

        @Override
        public void run() {
            Native.offerDropped(key, given);
        }
    }

    private final Held held;
    private final Cleaner.Cleanable unanswered;

    Offer(long key, Parcel parcel) {
        super(parcel);
        this.held = new Held(key);
        this.unanswered = Native.CLEANER.register(this, held);
    }

    /**
     * Its {@link #descriptor}, and those of its companions, are the caller's to close from here on, whatever becomes of the
     * offer: so objects can own them before it is decided, and no {@link Descriptors#dup} is needed. Who does not get the
     * connection closes them, without a shutdown, after the answer.
     *
     * @return {@link #descriptor}
     */
    public int takeDescriptors() {
        held.given = true;
        return descriptor();
    }

    /**
     * Takes the connection.
     *
     * <p>From here its descriptors belong to the caller, who writes {@code unsent} before anything else, uses {@code unread}
     * before it reads on, and ends the connection with shutdown and close.
     *
     * @return the connection; nothing if it went back to the predecessor meanwhile, and then nothing is left to do
     * @throws ZdtStateException the offer was answered before, or is gone with the handle ({@link ErrorKind#CLOSED})
     */
    public Optional<Adopted> adopt() {
        boolean ours = Native.offerAdopted(held.key, held.given);
        unanswered.clean();
        return ours ? Optional.of(new Adopted(parcel())) : Optional.empty();
    }

    /**
     * Gives the connection back; the predecessor serves it on. Does nothing if the offer was answered.
     *
     * @param why for people; it travels with the refusal
     */
    public void refuse(String why) {
        Native.offerRefused(held.key, held.given, why);
        unanswered.clean();
    }

    /** Refuses, if the offer was not answered. */
    @Override
    public void close() {
        unanswered.clean();
    }
}

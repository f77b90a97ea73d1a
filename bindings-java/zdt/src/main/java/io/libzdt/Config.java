package io.libzdt;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How a takeover behaves; {@link #DEFAULT} is right for most. What is not set has the default that libzdt has in every
 * language. Immutable.
 */
public final class Config {
    /** Nothing set. */
    public static final Config DEFAULT = builder().build();

    // Native code reads these; null or -1: not set.
    final String program;
    final String runtime;
    final long handshake;
    final long ready;
    final long commit;
    final long drain;
    final long probation;
    final long hang;
    final boolean bindOnMismatch;
    final long maxState;
    final long maxBytes;
    final String[] readsProtocols;
    final int[][] readsVersions;
    final int[] allowedUids;
    final int[] drainSignals;

    private Config(Builder b) {
        program = b.program;
        runtime = b.runtime;
        handshake = b.handshake;
        ready = b.ready;
        commit = b.commit;
        drain = b.drain;
        probation = b.probation;
        hang = b.hang;
        bindOnMismatch = b.onMismatch == OnMismatch.BIND;
        maxState = b.maxState;
        maxBytes = b.maxBytes;
        readsProtocols = b.reads.stream().map(Reads::protocol).toArray(String[]::new);
        readsVersions = b.reads.stream()
                .map(reads ->
                        reads.versions().stream().mapToInt(Integer::intValue).toArray())
                .toArray(int[][]::new);
        allowedUids = b.allowedUids;
        drainSignals = b.drainSignals;
    }

    /** {@return a builder with nothing set} */
    public static Builder builder() {
        return new Builder();
    }

    /** Sets what is to differ from the defaults. Durations are not negative. */
    public static final class Builder {
        private String program = "";
        private String runtime = "java " + System.getProperty("java.version");
        private long handshake = -1;
        private long ready = -1;
        private long commit = -1;
        private long drain = -1;
        private long probation = -1;
        private long hang = -1;
        private OnMismatch onMismatch = OnMismatch.REFUSE;
        private long maxState = -1;
        private long maxBytes = -1;
        private final List<Reads> reads = new ArrayList<>();
        private int[] allowedUids = {};
        private int[] drainSignals = {};

        private Builder() {}

        /**
         * Who this is, for the other side's messages, for instance {@code gateway 2.1}.
         *
         * @param program name and version
         * @return this
         */
        public Builder program(String program) {
            this.program = program;
            return this;
        }

        /**
         * The runtime; by default {@code java} and its version.
         *
         * @param runtime for instance {@code java 25 netty 4.2}
         * @return this
         */
        public Builder runtime(String runtime) {
            this.runtime = runtime;
            return this;
        }

        /**
         * How long the other side may take to answer in the handshake.
         *
         * @param atMost how long
         * @return this
         */
        public Builder handshake(Duration atMost) {
            handshake = nanos(atMost);
            return this;
        }

        /**
         * How long a successor may warm up between getting the listeners and {@link Takeover#ready}.
         *
         * @param atMost how long
         * @return this
         */
        public Builder ready(Duration atMost) {
            ready = nanos(atMost);
            return this;
        }

        /**
         * A successor commits once the first offers are settled, or after this.
         *
         * @param atMost how long
         * @return this
         */
        public Builder commit(Duration atMost) {
            commit = nanos(atMost);
            return this;
        }

        /**
         * How long draining may take: from {@link Event.Drain} until what is still on offer is taken back.
         *
         * @param atMost how long
         * @return this
         */
        public Builder drain(Duration atMost) {
            drain = nanos(atMost);
            return this;
        }

        /**
         * How long a predecessor still watches its successor once everything is settled, or the drain deadline has come: if
         * the successor dies meanwhile, {@link Event.Resume} follows and the predecessor accepts again; else
         * {@link Event.Done}. A successor that leaves for good, which is no death, ends it: {@link Event.Relieved}, then
         * {@code Done}. Zero: {@code Done} follows at once.
         *
         * @param duration how long
         * @return this
         */
        public Builder probation(Duration duration) {
            probation = nanos(duration);
            return this;
        }

        /**
         * How long the queue of a listener may stay unserved until whoever else holds it accepts from it.
         *
         * @param atMost how long
         * @return this
         */
        public Builder hang(Duration atMost) {
            hang = nanos(atMost);
            return this;
        }

        /**
         * What becomes of a predecessor's listener that is not what {@link Takeover#listener} asks for.
         *
         * @param what by default it is refused
         * @return this
         */
        public Builder onMismatch(OnMismatch what) {
            onMismatch = what;
            return this;
        }

        /**
         * The largest state of one connection.
         *
         * @param bytes how many
         * @return this
         */
        public Builder maxState(int bytes) {
            maxState = bytes;
            return this;
        }

        /**
         * The most unread bytes, and the most unsent bytes, of one connection or companion.
         *
         * @param bytes how many
         * @return this
         */
        public Builder maxBytes(int bytes) {
            maxBytes = bytes;
            return this;
        }

        /**
         * Which state versions of which protocols this program reads; call it for each protocol. By default whatever is
         * offered, and the application refuses what it does not know.
         *
         * @param protocol the protocol, as in {@link Frozen#protocol}
         * @param versions the state versions
         * @return this
         */
        public Builder reads(String protocol, int... versions) {
            reads.add(new Reads(protocol, versions));
            return this;
        }

        /**
         * Users beside our own effective one and root whose processes may take over from us, or be taken over.
         *
         * @param uids their numbers
         * @return this
         */
        public Builder allowedUids(int... uids) {
            allowedUids = uids.clone();
            return this;
        }

        /**
         * Signals that become a {@link Event.Drain} through a signalfd. Each must be blocked in every thread of the JVM,
         * which only a launcher can do: call {@link Takeover#drain} from a handler of the JVM's instead.
         *
         * @param signals their numbers
         * @return this
         */
        public Builder drainSignals(int... signals) {
            drainSignals = signals.clone();
            return this;
        }

        /** {@return what was set} */
        public Config build() {
            return new Config(this);
        }

        private static long nanos(Duration duration) {
            if (duration.isNegative()) {
                throw new ZdtArgumentException(Fault.of(
                        ErrorKind.INVALID_ARGUMENT, "a duration of " + duration, "give one that is not negative"));
            }
            return Native.nanos(duration);
        }
    }

    @Override
    public String toString() {
        return "Config[program=" + program + ", runtime=" + runtime + ", allowedUids=" + Arrays.toString(allowedUids)
                + "]";
    }
}

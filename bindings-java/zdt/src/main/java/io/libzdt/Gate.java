package io.libzdt;

import java.time.Duration;

/**
 * Counts what is in flight (requests, transactions), so that draining can wait for its end. Any thread; nothing but
 * {@link #await} blocks.
 */
public final class Gate {
    private final long gate = Native.gate();

    /** A gate that is open and has nobody inside. */
    public Gate() {
        long mine = gate;
        Native.CLEANER.register(this, () -> Native.gateForget(mine));
    }

    /** {@return whether one is inside now, and {@link #leave} must follow; false once the gate is closed} */
    public boolean enter() {
        return Native.gateEnter(gate);
    }

    /**
     * Leaves, once for each time inside.
     *
     * @throws ZdtStateException nobody is inside
     */
    public void leave() {
        if (!Native.gateLeave(gate)) {
            throw new ZdtStateException(
                    Fault.of(ErrorKind.WRONG_STATE, "nobody is inside the gate", "leave once for each enter"));
        }
    }

    /** Lets nobody in any more. Closing twice is fine. */
    public void close() {
        Native.gateClose(gate);
    }

    /** Lets them in again: the successor died and we serve on. */
    public void open() {
        Native.gateOpen(gate);
    }

    /** {@return how many are inside at this moment} */
    public long inFlight() {
        return Native.gateInFlight(gate);
    }

    /**
     * Waits until nobody is inside. Close the gate first, or others may enter right behind the last one. Interrupting the
     * thread does not end the wait.
     *
     * @param timeout how long to wait; zero: only look; null: for ever
     * @return whether nobody is inside
     */
    public boolean await(Duration timeout) {
        return Native.gateWait(gate, timeout == null ? Long.MAX_VALUE : Native.nanos(timeout));
    }
}

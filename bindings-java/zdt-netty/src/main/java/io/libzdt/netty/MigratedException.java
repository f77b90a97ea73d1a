package io.libzdt.netty;

import java.nio.channels.ClosedChannelException;

/**
 * Why a write failed: the connection has moved to the successor, and this was written while it was frozen. It was not
 * sent, and is in no state.
 */
public final class MigratedException extends ClosedChannelException {
    private static final long serialVersionUID = 1;

    MigratedException() {}

    @Override
    public String getMessage() {
        return "the connection has moved to another process; this was not sent";
    }
}

package io.libzdt.netty;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.io.ByteArrayOutputStream;

/**
 * What was read since a decoder last was between two messages. It may have used some of it, and kept that in a form that
 * cannot travel: the bytes can.
 */
final class Stretch {
    /** More than any head of a request, or a frame of a chat; who sends larger ones moves between them. */
    static final int LIMIT = 1 << 20;

    /** Read earlier; null: nothing. */
    private ByteArrayOutputStream kept;
    /** Being read, as it came. */
    private ByteBuf seen;
    /** In it: from here on it belongs to the stretch. */
    private int from;
    /** There was too much of it. */
    private boolean lost;

    /** The decoder is about to read this. */
    void begin(ByteBuf in) {
        seen = in.retainedDuplicate();
        from = seen.readerIndex();
    }

    /** It has read it. What is inside of a message that cannot move need not be kept. */
    void end(boolean keep) {
        if (keep) {
            keep(seen.writerIndex());
        } else {
            kept = null;
        }
        seen.release();
        seen = null;
    }

    private void keep(int to) {
        if (to > from && !lost) {
            if (kept == null) {
                kept = new ByteArrayOutputStream(to - from);
            }
            lost = kept.size() + to - from > LIMIT;
            if (lost) {
                kept = null;
            } else {
                kept.writeBytes(ByteBufUtil.getBytes(seen, from, to - from));
            }
        }
        from = to;
    }

    /** The decoder is between two messages, with so many bytes unread. Gives what came before, if that is wanted. */
    byte[] cut(int unread, boolean wanted) {
        byte[] before = null;
        if (seen != null) { // else the connection has ended
            int to = seen.writerIndex() - unread;
            if (wanted) {
                keep(to);
                before = lost ? null : bytes();
            }
            from = to;
        }
        kept = null;
        lost = false;
        return before;
    }

    boolean isLost() {
        return lost;
    }

    byte[] bytes() {
        return kept == null ? new byte[0] : kept.toByteArray();
    }

    void forget() {
        kept = null;
    }
}

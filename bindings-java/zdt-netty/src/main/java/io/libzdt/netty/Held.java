package io.libzdt.netty;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.util.ReferenceCountUtil;
import java.util.ArrayDeque;
import java.util.Queue;

/** What the handlers of a frozen connection wanted to do to it. */
final class Held {
    private record Write(Object message, ChannelPromise promise) {}

    private final Queue<Write> writes = new ArrayDeque<>(0);
    private ChannelPromise close;
    private boolean reads;

    void write(Object message, ChannelPromise promise) {
        writes.add(new Write(message, promise));
    }

    void close(ChannelPromise promise) {
        if (close == null) {
            close = promise;
        } else {
            close.addListener(done -> promise.trySuccess());
        }
    }

    void read() {
        reads = true;
    }

    boolean wantsToClose() {
        return close != null;
    }

    /** The connection is ours (again): all of it is done now. */
    void release(Front front) {
        ChannelHandlerContext ctx = front.ctx;
        for (Write write; (write = writes.poll()) != null; ) {
            ctx.write(write.message, write.promise);
        }
        ctx.flush();
        if (reads) {
            reads = false;
            ctx.read();
        }
        if (close != null) {
            ChannelPromise closing = close;
            close = null;
            front.close(ctx, closing);
        }
    }

    /** It is another process's: none of it is done. */
    void fail() {
        for (Write write; (write = writes.poll()) != null; ) {
            fail(write.message, write.promise);
        }
        if (close != null) {
            close.trySuccess();
        }
    }

    static void fail(Object message, ChannelPromise promise) {
        ReferenceCountUtil.release(message);
        promise.tryFailure(new MigratedException());
    }
}

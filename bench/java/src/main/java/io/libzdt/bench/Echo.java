package io.libzdt.bench;

import io.libzdt.netty.Migratable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** The handler of every connection: it echoes, has no state, and counts. */
final class Echo extends ChannelInboundHandlerAdapter implements Migratable {
    /** Of connections that began and ended. */
    static final class Count {
        private final AtomicInteger begun = new AtomicInteger();
        private final AtomicInteger ended = new AtomicInteger();
        private final int all;
        final CountDownLatch allBegun = new CountDownLatch(1);
        final CountDownLatch allEnded = new CountDownLatch(1);

        Count(int all) {
            this.all = all;
        }

        private void note(AtomicInteger which, CountDownLatch latch) {
            if (which.incrementAndGet() == all) {
                latch.countDown();
            }
        }

        @Override
        public String toString() {
            return begun + " have begun and " + ended + " have ended, of " + all;
        }
    }

    private final Count count;

    Echo(Count count) {
        this.count = count;
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        count.note(count.begun, count.allBegun);
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        count.note(count.ended, count.allEnded);
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object bytes) {
        ctx.writeAndFlush(bytes);
    }

    /** The clients end with a reset. */
    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        ctx.close();
    }

    @Override
    public byte[] exportState() {
        return new byte[0];
    }

    @Override
    public void importState(int version, byte[] state) {
        // There is none.
    }
}

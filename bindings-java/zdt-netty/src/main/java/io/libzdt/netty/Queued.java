package io.libzdt.netty;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.ChannelPromise;
import io.netty.handler.stream.ChunkedWriteHandler;

/** What a {@link ChunkedWriteHandler} may be keeping until the client has read more; it is right behind it. */
final class Queued extends ChannelOutboundHandlerAdapter {
    private int writes;

    private Queued() {}

    static Queued in(ChannelPipeline pipeline) {
        Queued queued = new Queued();
        ChannelHandlerContext chunked = pipeline.context(ChunkedWriteHandler.class);
        if (chunked != null) {
            pipeline.addAfter(chunked.name(), null, queued);
        }
        return queued;
    }

    boolean isEmpty() {
        return writes == 0;
    }

    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
        writes++;
        ctx.write(message, promise.unvoid().addListener(done -> writes--));
    }
}

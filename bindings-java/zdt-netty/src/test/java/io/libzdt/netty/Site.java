package io.libzdt.netty;

import io.libzdt.Event;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.LineBasedFrameDecoder;
import io.netty.handler.codec.string.StringDecoder;
import io.netty.handler.codec.string.StringEncoder;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiConsumer;

/** One generation of a server that does not answer lines, but something of its own. */
class Site implements AutoCloseable {
    final Server server;
    /** How many bytes have come. */
    final AtomicLong read = new AtomicLong();
    /** How many connections a successor did not take. */
    final AtomicLong returned = new AtomicLong();

    /** How many connections' handlers were told the end. */
    final AtomicLong ended = new AtomicLong();

    /** Of all connections, in the order in which they came. */
    final List<ChannelPipeline> pipelines = new CopyOnWriteArrayList<>();

    /** {@code build} is told the generation. */
    Site(Stage stage, BiConsumer<Long, ChannelPipeline> build) throws Exception {
        server = stage.server();
        server.with(pipeline -> {
            pipeline.remove(LineBasedFrameDecoder.class);
            pipeline.remove(StringDecoder.class);
            pipeline.remove(StringEncoder.class);
            pipeline.remove(Lines.class);
            pipeline.addLast(new ChannelInboundHandlerAdapter() {
                @Override
                public void channelRead(ChannelHandlerContext ctx, Object message) {
                    read.addAndGet(((ByteBuf) message).readableBytes());
                    ctx.fireChannelRead(message);
                }

                @Override
                public void channelInactive(ChannelHandlerContext ctx) {
                    ended.incrementAndGet();
                    ctx.fireChannelInactive();
                }

                @Override
                public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
                    if (event instanceof Event.Returned) {
                        returned.incrementAndGet();
                    }
                    ctx.fireUserEventTriggered(event);
                }
            });
            build.accept(server.takeover.generation(), pipeline);
            pipelines.add(pipeline);
        });
        server.listen(Server.ANY_PORT).ready();
    }

    int port() {
        return server.port();
    }

    /** The connection that came last. */
    HttpWatch watch() {
        return pipelines.get(pipelines.size() - 1).get(HttpWatch.class);
    }

    void awaitDone() throws Exception {
        server.awaitDone();
    }

    @Override
    public void close() throws Exception {
        server.close();
    }
}

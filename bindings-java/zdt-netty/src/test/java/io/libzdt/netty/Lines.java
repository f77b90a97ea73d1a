package io.libzdt.netty;

import io.libzdt.Event;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Answers each line by {@code GENERATION COUNT LINE}; the count is its state. The line {@code busy} makes it say "not now"
 * until the line {@code idle}; {@code mute} makes its state one that cannot be exported; {@code odd} one that cannot be
 * imported.
 */
final class Lines extends SimpleChannelInboundHandler<String> implements Migratable {
    /** What it was told, as words. */
    final List<String> told = new CopyOnWriteArrayList<>();

    /** What was said to it. */
    final List<String> said = new CopyOnWriteArrayList<>();

    volatile ChannelHandlerContext ctx;
    private final long generation;
    private int count;
    private boolean busy;
    private boolean mute;
    private boolean odd;

    Lines(long generation) {
        this.generation = generation;
    }

    @Override
    protected void channelRead0(ChannelHandlerContext ctx, String line) {
        count++;
        said.add(line);
        busy = line.equals("busy") || busy && !line.equals("idle");
        mute |= line.equals("mute");
        odd |= line.equals("odd");
        ctx.writeAndFlush(generation + " " + count + " " + line + "\n");
    }

    @Override
    public byte[] exportState() {
        if (mute) {
            throw new IllegalStateException("mute");
        }
        return busy ? null : ((odd ? "odd " : "") + count).getBytes(StandardCharsets.US_ASCII);
    }

    @Override
    public void importState(int version, byte[] state) {
        count = Integer.parseInt(new String(state, StandardCharsets.US_ASCII));
        told.add("imported");
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
        this.ctx = ctx;
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext ctx) {
        told.add("removed");
    }

    @Override
    public void channelRegistered(ChannelHandlerContext ctx) {
        told.add("registered");
    }

    @Override
    public void channelUnregistered(ChannelHandlerContext ctx) {
        told.add("unregistered");
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        if (told.contains("imported")) {
            ctx.writeAndFlush("resumed\n");
        }
        told.add("active");
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        told.add("inactive");
        ctx.writeAndFlush("too late\n");
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        ctx.close(); // the client is gone
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
        if (event instanceof Event) {
            told.add(event.getClass().getSimpleName());
        }
    }
}

package io.libzdt.examples.relay;

import io.libzdt.Event;
import io.libzdt.netty.Migratable;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.util.List;

/**
 * One connection: a decoder that answers what it decodes. What it does not carry out yet it leaves in its buffer, from
 * where it travels by itself.
 */
final class RelayHandler extends ByteToMessageDecoder implements Migratable {
    /** Netty counts a message as waiting until the last byte of it has gone: so in pieces. */
    private static final int PIECE = 8192;
    /** From so many bytes on that wait to be sent nothing more is carried out. */
    static final int PRESSURE = 1_048_576 + PIECE;

    private final String who;
    private final Switches switches;
    private Session session = new Session();

    RelayHandler(String who, Switches switches) {
        this.who = who;
        this.switches = switches;
    }

    @Override
    protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
        if (!takesMore(ctx)) {
            return;
        }
        ByteBuf reply = session.serve(in, who, ctx.alloc());
        if (reply != null) {
            while (reply.readableBytes() > PIECE) {
                ctx.write(reply.readRetainedSlice(PIECE));
            }
            ctx.write(reply);
            endIfSaid(ctx);
        }
    }

    /** The client is gone: what is left of its requests is dropped. */
    @Override
    protected void decodeLast(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {}

    private boolean takesMore(ChannelHandlerContext ctx) {
        return ctx.channel().isWritable() && !session.isEnding();
    }

    private void endIfSaid(ChannelHandlerContext ctx) {
        if (session.isEnding()) {
            ctx.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
        }
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) throws Exception {
        super.channelReadComplete(ctx);
        ctx.flush();
        ctx.channel().config().setAutoRead(takesMore(ctx));
    }

    /** Some replies have gone: what waits in the buffer comes before what waits in the socket. */
    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) throws Exception {
        if (takesMore(ctx)) {
            channelRead(ctx, Unpooled.EMPTY_BUFFER);
            channelReadComplete(ctx);
        }
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        endIfSaid(ctx); // it may have been said to the predecessor
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
        if (event instanceof Event.Returned returned && returned.why() == Event.Returned.Reason.REFUSED) {
            session.wasRefused();
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        ctx.close(); // the client is gone
    }

    @Override
    public byte[] exportState() throws InterruptedException {
        return switches.beforeOffering() ? session.state() : null;
    }

    @Override
    public void importState(int version, byte[] state) throws InterruptedException {
        switches.beforeAdopting();
        if (version != Session.STATE_VERSION) {
            throw new IllegalArgumentException("state version " + version);
        }
        Session moved = Session.restore(state);
        if (moved.wantsRefusal() || switches.refuseAll()) {
            throw new IllegalStateException(moved.wantsRefusal() ? "refuse-me" : "refuse-all");
        }
        session = moved;
    }
}

package io.libzdt.netty;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.libzdt.ZdtException;
import io.libzdt.internal.NettyInternals;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.codec.http.HttpExpectationFailedEvent;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.util.ReferenceCountUtil;
import java.io.ByteArrayOutputStream;
import java.util.Map;

/**
 * Looks on at both sides of an HTTP codec, wherever in a pipeline and whoever's it is: this handler is before it and sees
 * bytes, {@link Behind} is behind it and sees messages. So a connection can move although the codec keeps what it has used.
 * Touched only where Netty's HTTP is on the class path.
 */
final class HttpWatch extends ChannelDuplexHandler {
    /** Beyond this nothing more is read while something waits. */
    private static final int MANY = 64 << 10;

    private final Behind behind = new Behind();
    private final Stretch stretch = new Stretch();
    private final ChannelPipeline pipeline;
    private ChannelHandlerContext ctx;
    private Talk talk;
    /** Its turn to move has come: what is read between two messages waits, and travels. */
    private boolean holding;
    /** Read, and not given to the decoder. */
    private ByteArrayOutputStream held;
    /** The handlers wanted to read on. */
    private boolean reads;
    /** The decoder is at work. */
    private boolean decoding;
    /** What is answered is not for the client: it had it from the predecessor. */
    private boolean rehearsing;
    /** The connection is another process's. */
    private boolean moved;

    private HttpWatch(ChannelPipeline pipeline, ByteToMessageDecoder decoder) {
        this.pipeline = pipeline;
        this.talk = new Requests(pipeline, decoder);
    }

    /** Looks on from here on at the HTTP codec of this pipeline, which has read nothing yet; null: there is none. */
    static HttpWatch over(ChannelPipeline pipeline) throws ZdtException {
        String first = null;
        String last = null;
        ByteToMessageDecoder decoder = null;
        boolean encodes = false;
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            ChannelHandler handler = entry.getValue();
            boolean isBoth = handler instanceof HttpServerCodec;
            boolean isDecoder = handler instanceof HttpRequestDecoder;
            boolean isEncoder = handler instanceof HttpResponseEncoder;
            if (isBoth) {
                decoder = (ByteToMessageDecoder) NettyInternals.inboundHandler(handler);
            } else if (isDecoder) {
                decoder = (ByteToMessageDecoder) handler;
            }
            encodes |= isBoth || isEncoder;
            if (isBoth || isDecoder || isEncoder) {
                first = first == null || isDecoder ? entry.getKey() : first;
                last = entry.getKey();
            }
        }
        if (decoder == null || !encodes) {
            return null;
        }
        HttpWatch watch = new HttpWatch(pipeline, decoder);
        pipeline.addBefore(first, null, watch);
        pipeline.addAfter(last, null, watch.behind);
        return watch;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
        this.ctx = ctx;
    }

    boolean isIdle() {
        return talk.isIdle() && !stretch.isLost() && !decoding;
    }

    String whyNotMovable() {
        return talk.whyNotMovable();
    }

    Talk talk() {
        return talk;
    }

    /** All that was read of a message that no handler has seen. */
    byte[] unread() {
        ByteArrayOutputStream unread = new ByteArrayOutputStream(0);
        unread.writeBytes(talk.begun());
        unread.writeBytes(stretch.bytes());
        if (held != null) {
            unread.writeBytes(held.toByteArray());
        }
        return unread.toByteArray();
    }

    boolean isHolding() {
        return holding;
    }

    /** From here on requests that have not begun wait. */
    void hold() {
        holding = true;
    }

    /** It does not move, for now: whoever has waited has his turn. */
    void goOn() {
        holding = false;
        if (held != null && !decoding) { // else it comes when that is done
            decodeHeld();
            ctx.fireChannelReadComplete();
        }
        if (reads) {
            reads = false;
            ctx.read();
        }
    }

    /** It is another process's: nobody here sees any more of it. */
    void leave() {
        moved = true;
        held = null;
        stretch.forget();
    }

    /** The state of the connection, given the application's. */
    byte[] state(byte[] inner) {
        return talk instanceof Frames frames
                ? new WebSocketState(frames.upgrade, frames.agreed.getBytes(UTF_8), frames.window(), inner).toBytes()
                : inner;
    }

    /**
     * Has the handlers do again what made a WebSocket of the connection in the predecessor, so that they have what they need.
     * What they write meanwhile goes nowhere: the client has had it.
     */
    void rehearse(ChannelHandlerContext front, WebSocketState state) throws Exception {
        rehearsing = true;
        try {
            front.fireChannelRead(Unpooled.wrappedBuffer(state.upgrade()));
            front.fireChannelReadComplete();
        } finally {
            rehearsing = false;
        }
        if (talk instanceof Requests requests) {
            throw new IllegalStateException(
                    "the request for its WebSocket was answered here with " + requests.answer());
        }
        Frames frames = (Frames) talk;
        String agreed = new String(state.agreed(), UTF_8);
        if (!agreed.equals(frames.agreed)) {
            throw new IllegalStateException("other extensions or another subprotocol would be agreed upon here");
        }
        if (frames.hasCompressed()) {
            throw new IllegalStateException(
                    "it was greeted again, in what the next messages refer to; ask isAdopted()");
        }
        frames.prime(state.window());
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        if (!(message instanceof ByteBuf bytes)) {
            ctx.fireChannelRead(message);
        } else if (decoding || isWaiting()) {
            hold(ByteBufUtil.getBytes(bytes));
            bytes.release();
        } else {
            decode(bytes);
        }
    }

    private boolean isWaiting() {
        return holding && talk.letsWait() && !stretch.isLost();
    }

    /** The decoder finds nothing more to decode. */
    private void takeTheRest() throws ZdtException {
        ByteBuf rest = talk.unread();
        hold(ByteBufUtil.getBytes(rest));
        rest.skipBytes(rest.readableBytes());
        stretch.cut(0, false);
    }

    private void hold(byte[] bytes) {
        if (held == null) {
            held = new ByteArrayOutputStream(bytes.length);
        }
        held.writeBytes(bytes);
    }

    private void decode(ByteBuf bytes) {
        decoding = true;
        stretch.begin(bytes);
        try {
            ctx.fireChannelRead(bytes);
        } finally {
            stretch.end(talk.keeps());
            decoding = false;
        }
        if (held != null && !isWaiting()) {
            decodeHeld();
        }
    }

    private void decodeHeld() {
        ByteBuf next = Unpooled.wrappedBuffer(held.toByteArray());
        held = null;
        decode(next);
    }

    @Override
    public void read(ChannelHandlerContext ctx) {
        if (held != null && held.size() >= MANY) {
            reads = true;
        } else {
            ctx.read();
        }
    }

    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
        if (rehearsing) {
            ReferenceCountUtil.release(message);
            promise.trySuccess();
        } else {
            ctx.write(message, promise);
        }
    }

    /** Behind the codec. */
    final class Behind extends ChannelDuplexHandler {
        @Override
        public void channelRead(ChannelHandlerContext ctx, Object message) throws Exception {
            if (moved) {
                ReferenceCountUtil.release(message); // what is left in a decoder, or what it thinks of it
                return;
            }
            talk.read(message, stretch);
            if (decoding && isWaiting()) {
                takeTheRest();
            }
            ctx.fireChannelRead(message);
        }

        @Override
        public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) throws Exception {
            talk = talk.written(message, stretch);
            ctx.write(message, promise);
        }

        /** The client was told not to send the body that it had announced. */
        @Override
        public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
            if (event instanceof HttpExpectationFailedEvent && talk instanceof Requests requests) {
                requests.reset(stretch);
            }
            ctx.fireUserEventTriggered(event);
        }
    }
}

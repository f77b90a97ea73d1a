package io.libzdt.netty;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandler;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.http.websocketx.BinaryWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.handler.codec.http.websocketx.extensions.WebSocketExtension;
import io.netty.handler.codec.http.websocketx.extensions.WebSocketExtensionDecoder;
import java.util.Map;
import java.util.zip.Deflater;

/**
 * What a client may refer to when it compresses (RFC 7692, 7.2.3.2; RFC 1951, 2): the last 32 KiB that it has said. It is
 * right behind the inflater.
 */
final class Window extends ChannelInboundHandlerAdapter {
    private static final int SIZE = 32 << 10;
    /** Less than what any limit for one message allows. */
    private static final int PIECE = 1 << 10;

    private final Frames frames;
    private final ChannelHandlerContext inflater;
    private final byte[] ring = new byte[SIZE];
    private long written;
    /** What comes is said again, for the inflater alone. */
    private boolean priming;

    private Window(Frames frames, ChannelHandlerContext inflater) {
        this.frames = frames;
        this.inflater = inflater;
    }

    /** Behind the inflater of this pipeline; null: there is none. */
    static Window behind(ChannelPipeline pipeline, Frames frames) {
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            if (entry.getValue() instanceof WebSocketExtensionDecoder) {
                Window window = new Window(frames, pipeline.context(entry.getKey()));
                pipeline.addAfter(entry.getKey(), null, window);
                return window;
            }
        }
        return null;
    }

    byte[] bytes() {
        int length = (int) Math.min(written, SIZE);
        byte[] bytes = new byte[length];
        int from = (int) ((written - length) % SIZE);
        int first = Math.min(length, SIZE - from);
        System.arraycopy(ring, from, bytes, 0, first);
        System.arraycopy(ring, 0, bytes, first, length - first);
        return bytes;
    }

    /** The inflater is to know what the predecessor's knew. */
    void prime(byte[] said) throws Exception {
        Deflater deflater = new Deflater(Deflater.BEST_SPEED, true);
        priming = true;
        try {
            for (int from = 0; from < said.length; from += PIECE) {
                deflater.setInput(said, from, Math.min(PIECE, said.length - from));
                byte[] room = new byte[2 * PIECE];
                int length = deflater.deflate(room, 0, room.length, Deflater.SYNC_FLUSH) - 4; // without 00 00 FF FF
                ByteBuf piece = Unpooled.wrappedBuffer(room, 0, length);
                WebSocketFrame frame = new BinaryWebSocketFrame(true, WebSocketExtension.RSV1, piece);
                ((ChannelInboundHandler) inflater.handler()).channelRead(inflater, frame);
            }
        } finally {
            priming = false;
            deflater.end();
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        if (message instanceof WebSocketFrame frame && (priming || frames.wasCompressed(frame))) {
            keep(frame.content());
        }
        if (priming) {
            ((WebSocketFrame) message).release();
        } else {
            ctx.fireChannelRead(message);
        }
    }

    private void keep(ByteBuf content) {
        int from = content.readerIndex() + Math.max(0, content.readableBytes() - SIZE);
        int length = content.writerIndex() - from;
        int at = (int) (written % SIZE);
        int first = Math.min(length, SIZE - at);
        content.getBytes(from, ring, at, first);
        content.getBytes(from + first, ring, 0, length - first);
        written += length;
    }
}

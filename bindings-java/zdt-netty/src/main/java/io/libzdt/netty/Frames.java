package io.libzdt.netty;

import io.libzdt.ZdtException;
import io.libzdt.internal.NettyInternals;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.ContinuationWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PongWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrameAggregator;
import io.netty.handler.codec.http.websocketx.WebSocketFrameDecoder;
import java.io.ByteArrayOutputStream;
import java.util.Map;

/**
 * WebSocket (RFC 6455). It moves between two messages, and in the middle of a frame; in the middle of a fragmented message
 * only if an aggregator keeps the fragments from the application.
 */
final class Frames implements Talk {
    private static final String NETTY = "io.netty.";

    private final ChannelPipeline pipeline;
    private final Queued queued;
    /** The request for it, as it came. */
    final byte[] upgrade;
    /** What was agreed upon: extensions and subprotocol. */
    final String agreed;
    /** Once a frame has come. */
    private ByteToMessageDecoder decoder;
    /** The frames of a message that has begun, without those of control among them; null: none has. */
    private ByteArrayOutputStream begun;
    /** There is too much of it. */
    private boolean lost;
    /** A message of ours has begun. */
    private boolean writing;
    /** One side has said goodbye. */
    private boolean ending;
    /** The message of the client's that came last is compressed, */
    private boolean compressed;
    /** perhaps with a reference to what is here; null: it has compressed nothing, or forgets it. */
    private Window window;
    /** It does, and what it said before is not known. */
    private boolean forgotten;
    /** We have compressed something. */
    private boolean compressing;

    Frames(ChannelPipeline pipeline, byte[] upgrade, HttpHeaders response) {
        this.pipeline = pipeline;
        this.upgrade = upgrade;
        this.queued = Queued.in(pipeline);
        this.agreed = response.get(HttpHeaderNames.SEC_WEBSOCKET_EXTENSIONS, "") + "\n"
                + response.get(HttpHeaderNames.SEC_WEBSOCKET_PROTOCOL, "");
    }

    @Override
    public void read(Object message, Stretch stretch) throws ZdtException {
        if (!(message instanceof WebSocketFrame frame)) {
            return; // the end of the request for it
        }
        int unread = unread().readableBytes();
        if (isControl(frame)) {
            ending |= frame instanceof CloseWebSocketFrame;
            stretch.cut(unread, false);
            return;
        }
        if (!(frame instanceof ContinuationWebSocketFrame)) {
            compressed = frame.rsv() != 0;
            if (compressed && !agreed.contains("client_no_context_takeover")) {
                openWindow();
            }
        }
        byte[] bytes = stretch.cut(unread, !frame.isFinalFragment());
        if (frame.isFinalFragment()) {
            begun = null;
            lost = false;
        } else {
            keep(bytes);
        }
    }

    private void keep(byte[] bytes) {
        if (begun == null) {
            begun = new ByteArrayOutputStream();
        }
        lost |= bytes == null || begun.size() + bytes.length > Stretch.LIMIT;
        if (!lost) {
            begun.writeBytes(bytes);
        }
    }

    private void openWindow() {
        if (window == null) {
            window = Window.behind(pipeline, this);
            forgotten = window == null;
        }
    }

    /** Whether this one, which has been decompressed, had been compressed. */
    boolean wasCompressed(WebSocketFrame frame) {
        return compressed && !isControl(frame);
    }

    /** What the client may refer to. */
    byte[] window() {
        return window == null ? new byte[0] : window.bytes();
    }

    /** The same, in the predecessor. */
    void prime(byte[] said) throws Exception {
        if (said.length > 0) {
            openWindow();
            if (forgotten) {
                throw new IllegalStateException("its client compresses, and nothing here decompresses");
            }
            window.prime(said);
        }
    }

    /** Whether the client would have to know something that was not sent to it. */
    boolean hasCompressed() {
        return compressing && !agreed.contains("server_no_context_takeover");
    }

    private static boolean isControl(WebSocketFrame frame) {
        return frame instanceof PingWebSocketFrame
                || frame instanceof PongWebSocketFrame
                || frame instanceof CloseWebSocketFrame;
    }

    @Override
    public ByteBuf unread() throws ZdtException {
        if (decoder == null) {
            for (Map.Entry<String, ChannelHandler> entry : pipeline) {
                if (entry.getValue() instanceof WebSocketFrameDecoder
                        && entry.getValue() instanceof ByteToMessageDecoder found) {
                    decoder = found;
                }
            }
        }
        return (ByteBuf) NettyInternals.internalBuffer(decoder);
    }

    @Override
    public Talk written(Object message, Stretch stretch) {
        if (message instanceof WebSocketFrame frame) {
            ending |= frame instanceof CloseWebSocketFrame;
            compressing |= frame.rsv() != 0;
            writing = isControl(frame) ? writing : !frame.isFinalFragment();
        }
        return this;
    }

    @Override
    public boolean letsWait() {
        return begun == null && isIdle();
    }

    @Override
    public boolean isIdle() {
        return !ending && !writing && queued.isEmpty() && (begun == null || !lost && isAggregated());
    }

    /** Fragments are Netty's alone until the message is whole. */
    private boolean isAggregated() {
        boolean behind = false;
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            ChannelHandler handler = entry.getValue();
            if (handler instanceof WebSocketFrameAggregator) {
                return true;
            }
            if (behind && !handler.getClass().getName().startsWith(NETTY)) {
                return false;
            }
            behind |= handler instanceof HttpWatch.Behind;
        }
        return false;
    }

    @Override
    public byte[] begun() {
        return begun == null ? new byte[0] : begun.toByteArray();
    }

    @Override
    public String whyNotMovable() {
        return forgotten ? "its client compresses with what it said before, which is not known" : null;
    }
}

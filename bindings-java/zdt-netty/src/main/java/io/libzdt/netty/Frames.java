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
    /** The client has compressed something. */
    private boolean compressed;

    Frames(ChannelPipeline pipeline, byte[] upgrade, HttpHeaders response) {
        this.pipeline = pipeline;
        this.upgrade = upgrade;
        this.agreed = response.get(HttpHeaderNames.SEC_WEBSOCKET_EXTENSIONS, "") + "\n"
                + response.get(HttpHeaderNames.SEC_WEBSOCKET_PROTOCOL, "");
    }

    @Override
    public void read(Object message, Stretch stretch) throws ZdtException {
        if (!(message instanceof WebSocketFrame frame)) {
            return; // the end of the request for it
        }
        int unread = unread().readableBytes();
        compressed |= frame.rsv() != 0;
        ending |= frame instanceof CloseWebSocketFrame;
        if (isControl(frame)) {
            stretch.cut(unread, false);
            return;
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
            writing = isControl(frame) ? writing : !frame.isFinalFragment();
        }
        return this;
    }

    @Override
    public boolean isBetweenMessages() {
        return begun == null;
    }

    @Override
    public boolean isIdle() {
        return !ending && !writing && (begun == null || !lost && isAggregated());
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
        boolean remembers = compressed && !agreed.contains("client_no_context_takeover");
        return remembers ? "its client compresses with what it said before (no client_no_context_takeover)" : null;
    }
}

package io.libzdt.netty;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http2.Http2Connection;
import io.netty.handler.codec.http2.Http2ConnectionAdapter;
import io.netty.handler.codec.http2.Http2ConnectionHandler;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2FrameListener;
import io.netty.handler.codec.http2.Http2FrameListenerDecorator;
import io.netty.handler.codec.http2.Http2Stream;
import io.netty.util.concurrent.Future;

/**
 * HTTP/2: first a GOAWAY that refuses nothing, and a ping; after its round trip no request is on its way that does not know of
 * it, and a GOAWAY with the last stream follows (RFC 9113, 6.8). The connection ends with its last stream; no stream is reset.
 */
final class Http2Goodbye implements Goodbye {
    private static final long PING = 0x6c69627a6474L; // "libzdt"

    private final Leave leave;
    private final ChannelHandlerContext ctx;
    private final Http2ConnectionHandler handler;
    private final Http2Connection connection;
    private Future<?> patience;
    private boolean over;

    private Http2Goodbye(Leave leave, ChannelHandlerContext ctx) {
        this.leave = leave;
        this.ctx = ctx;
        this.handler = (Http2ConnectionHandler) ctx.handler();
        this.connection = handler.connection();
    }

    static Goodbye of(Leave leave) {
        ChannelHandlerContext ctx = leave.pipeline().context(Http2ConnectionHandler.class);
        return ctx == null ? null : new Http2Goodbye(leave, ctx);
    }

    @Override
    public String protocol() {
        return "HTTP/2";
    }

    @Override
    public void say() {
        if (connection.goAwaySent()) {
            return; // the application sees to it itself
        }
        leave.said();
        goAway(Integer.MAX_VALUE);
        handler.decoder().frameListener(new Acknowledgement(handler.decoder().frameListener()));
        handler.encoder().writePing(ctx, false, PING, ctx.newPromise());
        ctx.flush();
        patience = leave.after(leave.untilLast() / 2, this::nothingNewComes);
    }

    private void goAway(int lastStream) {
        handler.goAway(ctx, lastStream, Http2Error.NO_ERROR.code(), Unpooled.EMPTY_BUFFER, ctx.newPromise());
    }

    private void nothingNewComes() {
        if (over || !ctx.channel().isActive()) {
            return;
        }
        over = true;
        patience.cancel(false);
        goAway(connection.remote().lastStreamCreated());
        ctx.flush();
        connection.addListener(new Http2ConnectionAdapter() {
            @Override
            public void onStreamRemoved(Http2Stream stream) {
                endWithTheLastStream();
            }
        });
        endWithTheLastStream();
    }

    private void endWithTheLastStream() {
        if (connection.numActiveStreams() == 0) {
            ctx.channel().eventLoop().execute(() -> Lingering.end(leave.connection)); // after what closed it is written
        }
    }

    /** Nobody else has asked for this one. */
    private final class Acknowledgement extends Http2FrameListenerDecorator {
        Acknowledgement(Http2FrameListener listener) {
            super(listener);
        }

        @Override
        public void onPingAckRead(ChannelHandlerContext ctx, long data) throws Http2Exception {
            if (data == PING) {
                nothingNewComes();
            } else {
                super.onPingAckRead(ctx, data);
            }
        }
    }
}

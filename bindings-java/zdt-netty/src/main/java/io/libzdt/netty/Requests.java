package io.libzdt.netty;

import io.libzdt.ZdtException;
import io.libzdt.internal.NettyInternals;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;

/**
 * HTTP/1.1 (RFC 9112). It moves when every request that has begun is wholly read and its final response wholly written:
 * a request whose head the application has seen is answered by that application.
 */
final class Requests implements Talk {
    private final ChannelPipeline pipeline;
    private final ByteToMessageDecoder decoder;
    /** Read, and their final responses not written. */
    private int open;
    /** The last head was read, and not yet the end of its body. */
    private boolean reading;
    /** The response that is being written is not final. */
    private boolean interim;
    /** Nothing comes after the response that is on its way, or the decoder has given up. */
    private boolean ending;
    /** Another protocol, since then; null: still this one. */
    private String switched;
    /** Of the last response; null: there was none. */
    private HttpResponseStatus status;

    /** Of the last request. */
    private HttpMethod method = HttpMethod.GET;
    /** The last request as it came, if it asks for another protocol. */
    private byte[] upgrade;

    Requests(ChannelPipeline pipeline, ByteToMessageDecoder decoder) {
        this.pipeline = pipeline;
        this.decoder = decoder;
    }

    @Override
    public void read(Object message, Stretch stretch) throws ZdtException {
        if (message instanceof HttpObject object && object.decoderResult().isFailure()) {
            ending = true; // the decoder reads no further
        }
        if (message instanceof HttpRequest request) {
            open++;
            reading = true;
            method = request.method();
            ending |= !HttpUtil.isKeepAlive(request);
            boolean upgrades = request.headers().contains(HttpHeaderNames.UPGRADE);
            upgrade = upgrades ? stretch.cut(unread().readableBytes(), true) : null;
        }
        if (message instanceof LastHttpContent) {
            reading = false;
            stretch.cut(unread().readableBytes(), false);
        }
    }

    @Override
    public ByteBuf unread() throws ZdtException {
        return (ByteBuf) NettyInternals.internalBuffer(decoder);
    }

    /** The request is done with, without its end. */
    void reset(Stretch stretch) throws ZdtException {
        reading = false;
        stretch.cut(unread().readableBytes(), false);
    }

    @Override
    public Talk written(Object message, Stretch stretch) throws ZdtException {
        Talk next = this;
        if (message instanceof HttpResponse response) {
            status = response.status();
            boolean switches = isSwitching(status);
            interim = status.codeClass() == HttpStatusClass.INFORMATIONAL && !switches;
            if (switches) {
                String protocol = response.headers().get(HttpHeaderNames.UPGRADE, "another protocol");
                boolean toWebSocket = HttpHeaderValues.WEBSOCKET.contentEqualsIgnoreCase(protocol);
                if (toWebSocket && upgrade != null && !unread().isReadable()) {
                    next = new Frames(pipeline, upgrade, response.headers());
                }
                switched = protocol;
            } else if (switchesWith(response)) {
                switched = "what it was connected for";
            }
            ending |= !interim && (!HttpUtil.isKeepAlive(response) || lastsToTheEnd(response));
        }
        if (message instanceof LastHttpContent && !interim) {
            open = Math.max(0, open - 1); // there are servers that say 408 unasked
        }
        return next;
    }

    private static boolean isSwitching(HttpResponseStatus status) {
        return status.code() == HttpResponseStatus.SWITCHING_PROTOCOLS.code();
    }

    /** Whether something else is spoken after this response to the last request. */
    boolean switchesWith(HttpResponse response) {
        return isSwitching(response.status())
                || HttpMethod.CONNECT.equals(method) && response.status().codeClass() == HttpStatusClass.SUCCESS;
    }

    /** Whether no request waits behind the one that is answered next. */
    boolean isLast() {
        return open <= 1;
    }

    /** What the last request was answered with. */
    String answer() {
        return status == null ? "nothing, at once" : status.toString();
    }

    /** RFC 9112, 6.3: its body is everything that comes until the connection ends. */
    private boolean lastsToTheEnd(HttpResponse response) {
        int code = response.status().code();
        return code >= HttpResponseStatus.OK.code()
                && code != HttpResponseStatus.NO_CONTENT.code()
                && code != HttpResponseStatus.NOT_MODIFIED.code()
                && !HttpMethod.HEAD.equals(method)
                && !HttpUtil.isContentLengthSet(response)
                && !HttpUtil.isTransferEncodingChunked(response);
    }

    @Override
    public boolean keeps() {
        return !reading;
    }

    @Override
    public boolean letsWait() {
        return !reading && !ending;
    }

    @Override
    public boolean isIdle() {
        return !reading && open == 0 && !ending;
    }

    @Override
    public String whyNotMovable() {
        return switched == null ? null : "it has switched from HTTP to " + switched;
    }
}

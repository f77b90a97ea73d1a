package io.libzdt.netty;

import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.util.Map;

/** Right behind a codec of HTTP/1.1: which request has its response, and which response is to be the last. */
final class HttpExchanges extends ChannelDuplexHandler {
    /** Requests whose final response is not written to its end. */
    private int open;
    /** The body of a request is still to come. */
    private boolean receiving;
    /** A tunnel is asked for. */
    private boolean connect;
    /** What is being written is not the final response. */
    private boolean interim;
    /** Something else than HTTP/1.1 is spoken. */
    private boolean over;
    /** The last response has begun. */
    private boolean last;
    /** No further request is to be carried out: its client was told so. */
    private boolean dropping;
    /** Null: the connection goes on. */
    private HttpGoodbye goodbye;

    private HttpExchanges() {}

    /** Puts one where it belongs, if the pipeline has a codec and none yet. */
    static void watch(ChannelPipeline pipeline) {
        String codec = null;
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            ChannelHandler handler = entry.getValue();
            if (handler instanceof HttpExchanges) {
                return;
            }
            if (handler instanceof HttpServerCodec
                    || handler instanceof HttpRequestDecoder
                    || handler instanceof HttpResponseEncoder) {
                codec = entry.getKey();
            }
        }
        if (codec != null) {
            pipeline.addAfter(codec, null, new HttpExchanges());
        }
    }

    boolean isOver() {
        return over;
    }

    /** The next response is the last one, unless further requests are waiting for theirs. */
    void leave(HttpGoodbye goodbye) {
        this.goodbye = goodbye;
    }

    /** Whether it has not said that it will end. */
    boolean stay() {
        if (!last) {
            goodbye = null;
        }
        return !last;
    }

    /** Nothing has come for so long that nothing may come any more; who is being served will be told by the response. */
    void leaveTheSilent() {
        if (goodbye != null && !last && open == 0 && !receiving) {
            last = true;
            goodbye.said();
            goodbye.end();
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        if (over) {
            ctx.fireChannelRead(message);
            return;
        }
        if (message instanceof HttpRequest request) {
            dropping = last;
            if (!dropping) {
                open++;
                receiving = true;
                connect = request.method().equals(HttpMethod.CONNECT);
            }
        }
        if (dropping) {
            ReferenceCountUtil.release(message);
            return;
        }
        receiving &= !(message instanceof LastHttpContent);
        ctx.fireChannelRead(message);
    }

    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
        Object written = message;
        if (!over && message instanceof HttpResponse response) {
            interim = response.status().codeClass() == HttpStatusClass.INFORMATIONAL;
            over = response.status().equals(HttpResponseStatus.SWITCHING_PROTOCOLS)
                    || connect && response.status().codeClass() == HttpStatusClass.SUCCESS;
            if (goodbye != null && !interim && !over && open <= 1) {
                last = true;
                written = saysClose(response);
                goodbye.said();
            }
        }
        if (over) {
            ctx.write(written, promise);
            if (goodbye != null) {
                goodbye.switched();
                goodbye = null;
            }
            return;
        }
        ChannelPromise done = promise;
        if (message instanceof LastHttpContent && !interim) {
            open = Math.max(0, open - 1);
            if (last && goodbye != null) {
                done = promise.unvoid().addListener(end -> goodbye.end());
            }
        }
        ctx.write(written, done);
    }

    /** A copy where possible, since a response may be written to many clients. */
    private static HttpResponse saysClose(HttpResponse response) {
        HttpResponse copy = response;
        if (response instanceof FullHttpResponse full) {
            copy = full.replace(full.content());
        } else if (response.getClass() == DefaultHttpResponse.class) {
            copy = new DefaultHttpResponse(
                    response.protocolVersion(),
                    response.status(),
                    response.headers().copy());
        }
        HttpUtil.setKeepAlive(copy, false);
        return copy;
    }
}

package io.libzdt.netty;

import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;

/**
 * HTTP/1.1: the next response says {@code Connection: close}. The protocol has no word for a client that is silent; so it is
 * left alone for as long as the drain allows, and then ended between two requests (docs/decisions/0028). Behind the codec.
 */
final class HttpGoodbye extends ChannelDuplexHandler implements Goodbye {
    private final Leave leave;
    private final HttpWatch watch;
    private final Requests requests;
    private Future<?> silence;
    /** The last response has begun. */
    private boolean last;
    /** What is being written is not the final response. */
    private boolean interim;
    /** What is read comes after the last request. */
    private boolean dropping;

    private HttpGoodbye(Leave leave, HttpWatch watch, Requests requests) {
        this.leave = leave;
        this.watch = watch;
        this.requests = requests;
    }

    static Goodbye of(Leave leave) {
        Contents.watchAnyway(leave.pipeline()); // where nothing was read yet
        HttpWatch watch = leave.pipeline().get(HttpWatch.class);
        return watch != null && watch.talk() instanceof Requests requests && requests.whyNotMovable() == null
                ? new HttpGoodbye(leave, watch, requests)
                : null;
    }

    @Override
    public String protocol() {
        return "HTTP/1.1";
    }

    @Override
    public void say() {
        String codec = leave.pipeline().context(HttpWatch.Behind.class).name();
        leave.pipeline().addAfter(codec, null, this);
        silence = leave.after(leave.patience(), this::leaveTheSilent);
    }

    @Override
    public boolean callOff() {
        if (!last) {
            remove();
        }
        return !last;
    }

    private void remove() {
        silence.cancel(false);
        leave.pipeline().remove(this);
    }

    /** Nothing has come for so long that nothing may come any more. Whoever is being served will be told by the response. */
    private void leaveTheSilent() {
        if (!last && requests.isIdle() && watch.unread().length == 0) {
            sayClose();
            end();
        }
    }

    private void sayClose() {
        last = true;
        silence.cancel(false);
        leave.said();
    }

    private void end() {
        Lingering.end(leave.connection);
    }

    /** After the last response no request is carried out (RFC 9112, 9.6). */
    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        dropping |= last && message instanceof HttpRequest;
        if (dropping) {
            ReferenceCountUtil.release(message);
        } else {
            ctx.fireChannelRead(message);
        }
    }

    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
        Object written = message;
        if (message instanceof HttpResponse response) {
            interim = response.status().codeClass() == HttpStatusClass.INFORMATIONAL;
            if (!last && !interim && requests.isLast() && !requests.switchesWith(response)) {
                sayClose();
                written = saysClose(response);
            }
        }
        boolean isEnd = last && !interim && message instanceof LastHttpContent;
        ctx.write(written, isEnd ? promise.unvoid().addListener(done -> end()) : promise);
        if (requests.whyNotMovable() != null && !last) {
            remove();
            ctx.executor().execute(leave::spokenIs); // after the handlers have changed
        }
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

package io.libzdt.netty;

import io.netty.util.concurrent.Future;

/**
 * HTTP/1.1: the next response says {@code Connection: close}. The protocol has no word for a client that is silent; so it is
 * left alone for as long as the drain allows, and then ended between two requests (docs/decisions/0028).
 */
final class HttpGoodbye implements Goodbye {
    private final Leave leave;
    private final HttpExchanges exchanges;
    private Future<?> silence;

    private HttpGoodbye(Leave leave, HttpExchanges exchanges) {
        this.leave = leave;
        this.exchanges = exchanges;
    }

    static Goodbye of(Leave leave) {
        HttpExchanges exchanges = leave.pipeline().get(HttpExchanges.class);
        return exchanges == null || exchanges.isOver() ? null : new HttpGoodbye(leave, exchanges);
    }

    @Override
    public String protocol() {
        return "HTTP/1.1";
    }

    @Override
    public void say() {
        exchanges.leave(this);
        silence = leave.after(leave.patience(), exchanges::leaveTheSilent);
    }

    /** Whatever is said next is the last. */
    void said() {
        silence.cancel(false);
        leave.said();
    }

    /** It was. */
    void end() {
        Lingering.end(leave.child);
    }

    /** Something else is spoken from here on. */
    void switched() {
        silence.cancel(false);
        leave.child.channel.eventLoop().execute(leave::spokenIs); // after the handlers have changed
    }

    @Override
    public boolean callOff() {
        silence.cancel(false);
        return exchanges.stay();
    }
}

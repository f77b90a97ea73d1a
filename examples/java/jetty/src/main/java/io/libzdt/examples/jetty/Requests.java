package io.libzdt.examples.jetty;

import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.Fields;

/** {@code GET /} says who serves, {@code GET /slow?ms=N} the same a while later, {@code POST /echo} what it was sent. */
final class Requests extends Handler.Abstract {
    private final String who;

    Requests(String who) {
        this.who = who;
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
        switch (Request.getPathInContext(request)) {
            case "/" -> Content.Sink.write(response, true, who + "\n", callback);
            case "/slow" -> {
                Fields.Field ms = Request.extractQueryParameters(request).get("ms");
                Thread.sleep(ms == null ? 300 : ms.getValueAsInt());
                Content.Sink.write(response, true, who + "\n", callback);
            }
            case "/echo" -> {
                if (request.getLength() >= 0) {
                    response.getHeaders().put(HttpHeader.CONTENT_LENGTH, request.getLength());
                }
                Content.copy(request, response, callback);
            }
            default -> {
                return false;
            }
        }
        return true;
    }
}

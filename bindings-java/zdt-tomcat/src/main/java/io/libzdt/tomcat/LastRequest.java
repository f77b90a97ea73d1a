package io.libzdt.tomcat;

import java.io.IOException;
import org.apache.coyote.Adapter;
import org.apache.coyote.http11.AbstractHttp11Protocol;
import org.apache.coyote.http11.Http11Processor;
import org.apache.tomcat.util.net.AbstractEndpoint.Handler.SocketState;
import org.apache.tomcat.util.net.ApplicationBufferHandler;
import org.apache.tomcat.util.net.SocketWrapperBase;

/**
 * Tomcat's processor of HTTP/1.1, which can be asked whether the request at hand is the last one that has come: what is
 * pipelined behind a response that says {@code Connection: close} would be lost, and the response with it (a socket that is
 * closed with unread bytes sends RST).
 */
final class LastRequest extends Http11Processor {
    private static final ThreadLocal<LastRequest> SERVING = new ThreadLocal<>();

    LastRequest(AbstractHttp11Protocol<?> protocol, Adapter adapter) {
        super(protocol, adapter);
    }

    @Override
    public SocketState service(SocketWrapperBase<?> connection) throws IOException {
        SERVING.set(this);
        try {
            return super.service(connection);
        } finally {
            SERVING.remove();
        }
    }

    /** Whether nothing is known to come after the request that this thread has just read the head of. */
    static boolean isServed() {
        LastRequest serving = SERVING.get();
        if (serving == null || !(serving.request.getInputBuffer() instanceof ApplicationBufferHandler input)) {
            return true;
        }
        return input.getByteBuffer().remaining() <= Math.max(0, serving.request.getContentLengthLong())
                || serving.request.getMimeHeaders().getHeader("transfer-encoding") != null;
    }
}

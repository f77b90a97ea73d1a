package io.libzdt.jetty;

import io.libzdt.Descriptors;
import io.libzdt.Drainable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectableChannel;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpHeaderValue;
import org.eclipse.jetty.http.HttpVersion;
import org.eclipse.jetty.io.AbstractEndPoint;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.server.ConnectionMetaData;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.ServerConnector;

/** How the connections of a connector end: it sees every request, before any handler. */
final class Leave implements Drainable, HttpConfiguration.Customizer {
    /** A connection that is silent for so long is idle, and not between two pieces of a request's head. */
    private static final long SILENT_MILLIS = 1000;

    private final ServerConnector connector;
    /** How many requests are in flight on those that have any. */
    private final Map<EndPoint, Integer> busy = new ConcurrentHashMap<>();

    private volatile boolean draining;

    Leave(ServerConnector connector) {
        this.connector = connector;
    }

    @Override
    public Request customize(Request request, HttpFields.Mutable headers) {
        ConnectionMetaData about = request.getConnectionMetaData();
        EndPoint connection = about.getConnection().getEndPoint();
        busy.merge(connection, 1, Integer::sum);
        Request.addCompletionListener(
                request, failure -> busy.computeIfPresent(connection, (which, count) -> count == 1 ? null : count - 1));
        if (draining
                && about.getHttpVersion().getVersion() <= HttpVersion.HTTP_1_1.getVersion()
                && isLast(request, about.getConnection())) {
            headers.put(HttpHeader.CONNECTION, HttpHeaderValue.CLOSE);
        }
        return request;
    }

    /** Whether nothing is known to come after it: what is pipelined behind a response that says close would be lost. */
    private static boolean isLast(Request request, Connection connection) {
        // Jetty lets nobody look at what it has read; one may take it, and give it back.
        if (!(connection instanceof Connection.UpgradeFrom from && connection instanceof Connection.UpgradeTo to)) {
            return true;
        }
        ByteBuffer rest = from.onUpgradeFrom();
        if (rest == null) {
            return true;
        }
        int length = rest.remaining();
        to.onUpgradeTo(rest);
        return length <= Math.max(0, request.getLength())
                || request.getHeaders().contains(HttpHeader.TRANSFER_ENCODING);
    }

    @Override
    public void drain() {
        draining = true;
    }

    @Override
    public void resume() {
        draining = false;
    }

    @Override
    public int closeIdle(int atMost) {
        int closed = 0;
        for (EndPoint connection : connector.getConnectedEndPoints()) {
            if (closed < atMost && isIdle(connection)) {
                connection.close();
                closed++;
            }
        }
        return closed;
    }

    private boolean isIdle(EndPoint connection) {
        try {
            return !busy.containsKey(connection)
                    && connection instanceof AbstractEndPoint known
                    && known.getIdleFor() >= SILENT_MILLIS
                    && !Descriptors.isUnserved(Descriptors.of((SelectableChannel) connection.getTransport()));
        } catch (IOException | RuntimeException e) {
            return false; // it has ended meanwhile
        }
    }
}

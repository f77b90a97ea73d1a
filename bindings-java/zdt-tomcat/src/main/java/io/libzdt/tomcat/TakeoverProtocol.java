package io.libzdt.tomcat;

import io.libzdt.NioTakeover;
import io.libzdt.Takeover;
import org.apache.coyote.Processor;
import org.apache.coyote.http11.Http11NioProtocol;

/**
 * Tomcat's HTTP/1.1 over NIO with a listener that takes part in a {@link Takeover}; the rest is Tomcat's, TLS and HTTP/2
 * included.
 *
 * <pre>{@code
 * var takeover = Takeover.open(path);
 * var protocol = new TakeoverProtocol();
 * protocol.listener(NioTakeover.of(takeover), "http");
 * protocol.setPort(8080);
 * var connector = new Connector(protocol);
 * connector.setThrowOnFailure(true); // else Tomcat logs what is wrong, and starts without the connector
 * tomcat.setConnector(connector);
 * tomcat.start();
 * takeover.ready();
 * takeover.awaitDone();
 * tomcat.stop();
 * }</pre>
 *
 * <p>The connections are drained, as {@link NioTakeover} says. Pausing the connector closes the listener here, for good.
 */
public final class TakeoverProtocol extends Http11NioProtocol {
    /** As Tomcat makes one from the name of its class. */
    public TakeoverProtocol() {
        super(new TakeoverEndpoint());
    }

    /**
     * Where its listener comes from: inherited, or bound at the connector's address and port when Tomcat wants it. Without
     * an address it serves IPv6 and IPv4, where there is IPv6. Before Tomcat's start.
     *
     * @param nio the takeover
     * @param name of the listener
     */
    public void listener(NioTakeover nio, String name) {
        ((TakeoverEndpoint) getEndpoint()).listener(nio, name);
    }

    @Override
    protected Processor createProcessor() {
        return new LastRequest(this, getAdapter());
    }

    /** Tomcat asks for each request, once it has its head; 1: the response says that the connection ends. */
    @Override
    public int getMaxKeepAliveRequests() {
        boolean leave = ((TakeoverEndpoint) getEndpoint()).isDraining() && LastRequest.isServed();
        return leave ? 1 : super.getMaxKeepAliveRequests();
    }
}

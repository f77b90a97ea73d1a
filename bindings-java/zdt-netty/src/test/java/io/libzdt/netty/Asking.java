package io.libzdt.netty;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;

/**
 * A client of a {@link WebServer} that makes a new connection when it was told so. It asks by POST, which is not to be sent
 * again if it fails: the request may have been carried out.
 */
interface Asking extends AutoCloseable {
    /** Of clients. */
    enum Kind {
        JAVA_HTTP_1_1,
        JAVA_HTTP_2,
        NETTY_HTTP_2
    }

    /** Those that outlive a GOAWAY: before Java 24 its own loses what is under way at any (JDK-8335181). */
    static Stream<Kind> kinds() {
        boolean outlives = Runtime.version().feature() >= 24;
        return Stream.of(Kind.values()).filter(kind -> outlives || kind != Kind.JAVA_HTTP_2);
    }

    /** The generation that answers. */
    String ask() throws Exception;

    @Override
    default void close() throws Exception {}

    static HttpClient http(HttpClient.Version version) throws Exception {
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, WebServer.CERTIFICATE.toTrustManagerFactory().getTrustManagers(), null);
        return HttpClient.newBuilder().version(version).sslContext(tls).build();
    }

    /** Java's own. */
    record Java(HttpClient client, int port) implements Asking {
        Java(HttpClient.Version version, int port) throws Exception {
            this(http(version), port);
        }

        HttpResponse<String> post() throws Exception {
            HttpRequest request = HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/"))
                    .timeout(Stage.PATIENCE)
                    .POST(BodyPublishers.ofString("x"))
                    .build();
            return client.send(request, BodyHandlers.ofString());
        }

        @Override
        public String ask() throws Exception {
            return post().body();
        }
    }

    /** Netty's, in HTTP/2. */
    final class Netty implements Asking {
        private final int port;
        private Http2Client client;

        Netty(int port) throws Exception {
            this.port = port;
            client = new Http2Client(port);
        }

        @Override
        public String ask() throws Exception {
            String answer = client.post("/").get(20, TimeUnit.SECONDS);
            if (answer == null) {
                client.close();
                client = new Http2Client(port);
                answer = client.post("/").get(20, TimeUnit.SECONDS);
            }
            return answer;
        }

        @Override
        public void close() throws Exception {
            client.close();
        }
    }
}

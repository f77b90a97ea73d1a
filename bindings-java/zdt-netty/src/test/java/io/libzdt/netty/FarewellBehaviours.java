package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Config;
import io.libzdt.Event;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpClient.Version;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** How those that cannot move take leave of their clients. */
interface FarewellBehaviours extends Stage {
    private WebServer web(Duration drain, Duration spread) throws Exception {
        return new WebServer(path(), transport(), Server.config().drain(drain), spread);
    }

    /** Whose goodbyes are all due at once. */
    private WebServer web() throws Exception {
        return web(Duration.ofSeconds(60), Duration.ZERO);
    }

    /** It retries nothing that was sent: a POST may have been carried out. */
    private static HttpClient http(Version version) throws Exception {
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, WebServer.CERTIFICATE.toTrustManagerFactory().getTrustManagers(), null);
        return HttpClient.newBuilder().version(version).sslContext(tls).build();
    }

    private static HttpRequest post(WebServer server, String path) {
        return HttpRequest.newBuilder(URI.create("https://localhost:" + server.port() + path))
                .timeout(PATIENCE)
                .POST(BodyPublishers.ofString("x"))
                .build();
    }

    private static String answer(HttpClient client, WebServer server) throws Exception {
        return client.send(post(server, "/"), BodyHandlers.ofString()).body();
    }

    @Test
    default void the_next_response_of_http_says_close() throws Exception {
        HttpClient client = http(Version.HTTP_1_1);
        try (WebServer first = web().ready()) {
            assertEquals("1", answer(client, first));
            try (WebServer second = web().ready()) {
                Stage.until("its turn", () -> first.leaving() == 1);
                HttpResponse<String> last = client.send(post(first, "/"), BodyHandlers.ofString());
                assertEquals("1", last.body());
                assertEquals("close", last.headers().firstValue("connection").orElseThrow());
                assertEquals("2", answer(client, first));
                first.awaitDone();
                assertEquals(Map.of("HTTP/1.1", 1L), first.netty.counters().goodbyes());
                assertEquals(0, first.netty.counters().cut());
                assertEquals(1, second.netty.connections());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    default void clients_that_retry_nothing_see_no_failure_through_a_takeover(Version version) throws Exception {
        try (WebServer first = web().ready()) {
            AtomicBoolean over = new AtomicBoolean();
            List<FutureTask<Integer>> clients = new ArrayList<>();
            for (int number = 0; number < 8; number++) {
                Asking asking = version == Version.HTTP_2 ? new Asking2(first.port()) : new Asking1(first);
                FutureTask<Integer> task = new FutureTask<>(() -> {
                    int requests = 0;
                    try (asking) {
                        for (String generation = "1"; !over.get() || generation.equals("1"); requests++) {
                            String next = asking.ask();
                            assertTrue(next.compareTo(generation) >= 0, "back to the predecessor");
                            generation = next;
                        }
                    }
                    return requests;
                });
                clients.add(task);
                new Thread(task).start();
            }
            Stage.until("everybody to be served", () -> first.netty.connections() == clients.size());
            try (WebServer second = web().ready()) {
                first.awaitDone();
                over.set(true);
                for (FutureTask<Integer> client : clients) {
                    assertTrue(client.get() > 0);
                }
                Counters counters = first.netty.counters();
                assertEquals(0, counters.cut());
                assertEquals(Map.of(version == Version.HTTP_2 ? "HTTP/2" : "HTTP/1.1", 8L), counters.goodbyes());
            }
        }
    }

    /** A client that makes a new connection when it was told so. */
    interface Asking extends AutoCloseable {
        /** The generation that answers. */
        String ask() throws Exception;

        @Override
        default void close() throws Exception {}
    }

    /** Java's own, in HTTP/1.1. */
    record Asking1(HttpClient client, WebServer server) implements Asking {
        Asking1(WebServer server) throws Exception {
            this(http(Version.HTTP_1_1), server);
        }

        @Override
        public String ask() throws Exception {
            return answer(client, server);
        }
    }

    /** Netty's, in HTTP/2: Java's own loses what is under way at any GOAWAY before Java 24 (JDK-8335181). */
    final class Asking2 implements Asking {
        private final int port;
        private Http2Client client;

        Asking2(int port) throws Exception {
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

    @Test
    default void a_silent_client_of_http_sees_an_end_before_the_deadline() throws Exception {
        Duration drain = Duration.ofSeconds(2);
        try (WebServer server = web(drain, Duration.ZERO).ready();
                Client client = Client.secure(server.port(), WebServer.CERTIFICATE)) {
            request(client, "/");
            hearsResponse(client, "1", false);
            server.takeover.drain();
            assertNull(client.hear());
            client.close();
            server.awaitDone();
            assertEquals(0, server.netty.counters().cut());
            assertEquals(Map.of("HTTP/1.1", 1L), server.netty.counters().goodbyes());
        }
    }

    @Test
    default void a_response_under_way_is_finished_and_what_was_asked_after_it_does_no_harm() throws Exception {
        try (WebServer server = web().ready();
                Client client = Client.secure(server.port(), WebServer.CERTIFICATE)) {
            request(client, "/stream?10");
            assertEquals("HTTP/1.1 200 OK", client.hear());
            server.takeover.drain();
            Stage.until("its turn", () -> server.leaving() == 1);
            for (String line = client.hear(); !line.equals("0"); line = client.hear()) {}
            assertEquals("", client.hear());
            request(client, "/");
            hearsResponse(client, "1", true);
            request(client, "/");
            assertNull(client.hear());
            client.close();
            server.awaitDone();
        }
    }

    @Test
    default void whoever_is_amid_the_handshake_is_served_once() throws Exception {
        try (WebServer server = web().ready();
                java.net.Socket plain = new java.net.Socket("127.0.0.1", server.port())) {
            Stage.until("it to be accepted", () -> server.netty.connections() == 1);
            server.takeover.drain();
            Stage.until("its turn", () -> server.leaving() == 1);
            try (Client client = Client.secure(plain, WebServer.CERTIFICATE)) {
                request(client, "/");
                hearsResponse(client, "1", true);
                assertNull(client.hear());
            }
            server.awaitDone();
        }
    }

    @Test
    default void a_goodbye_that_was_not_said_is_called_off_when_the_successor_dies() throws Exception {
        Config.Builder watching = Server.config().probation(PATIENCE);
        List<Client> silent = new ArrayList<>();
        try (WebServer server = new WebServer(path(), transport(), watching, Duration.ZERO).ready();
                Client told = Client.secure(server.port(), WebServer.CERTIFICATE)) {
            for (int number = 0; number < 3; number++) {
                silent.add(Client.secure(server.port(), WebServer.CERTIFICATE));
            }
            try (Jvm mortal = Jvm.start(Mortal.class, path().toString())) {
                assertEquals("committed", mortal.line());
                Stage.until("their turns", () -> server.leaving() == 4);
                request(told, "/");
                hearsResponse(told, "1", true);
            }
            Stage.until("it to be called off", () -> server.leaving() == 0);
            assertNull(told.hear(), "whoever was told finds it true");
            for (Client client : silent) {
                request(client, "/");
                hearsResponse(client, "1", false);
            }
            assertEquals(Map.of("HTTP/1.1", 1L), server.netty.counters().goodbyes());

            // The next successor makes up for it.
            try (WebServer next = web().ready()) {
                Stage.until("their turns", () -> server.leaving() == 3);
                for (Client client : silent) {
                    request(client, "/");
                    hearsResponse(client, "1", true);
                    assertNull(client.hear());
                    client.close();
                }
                Stage.until("them to leave", () -> server.netty.connections() == 0);
                assertEquals(0, next.netty.connections());
                assertEquals(Map.of("HTTP/1.1", 4L), server.netty.counters().goodbyes());
            }
        }
    }

    @Test
    default void goodbyes_of_an_application_are_spread_over_time() throws Exception {
        final class Leaver extends ChannelInboundHandlerAdapter implements Farewell {
            private final Queue<Long> leavings;

            Leaver(Queue<Long> leavings) {
                this.leavings = leavings;
            }

            @Override
            public void leave(ChannelHandlerContext ctx, Event.Drain drain) {
                leavings.add(System.nanoTime());
                ctx.writeAndFlush("bye\n").addListener(ChannelFutureListener.CLOSE);
            }
        }
        Queue<Long> leavings = new ConcurrentLinkedQueue<>();
        List<Client> clients = new ArrayList<>();
        // The lines' own handler is the last, and keeps the events to itself.
        try (Server server = server().with(pipeline -> pipeline.addLast(new Leaver(leavings)))
                .listen(Server.ANY_PORT)
                .ready()) {
            server.netty.spread(Duration.ofSeconds(2));
            for (int number = 0; number < 40; number++) {
                clients.add(new Client(server.port()).say("a\n").hears("1 1 a"));
            }
            long began = System.nanoTime();
            server.takeover.drain();
            for (Client client : clients) {
                client.hears("bye");
                assertNull(client.hear());
                client.close();
            }
            server.awaitDone();
            long early =
                    leavings.stream().filter(at -> at - began < 200_000_000).count();
            assertTrue(early <= 8, early + " of 40 in the first tenth");
            assertTrue(leavings.stream().anyMatch(at -> at - began >= 1_700_000_000), "nobody in the last tenths");
            assertEquals(Map.of("Leaver", 40L), server.netty.counters().goodbyes());
        }
    }

    @Test
    default void without_nettys_codecs_connections_are_drained_all_the_same() throws Exception {
        List<String> jars = List.of("netty-codec-http", "netty-handler");
        try (Jvm poor = Jvm.startWithout(jars, Poor.class, path().toString())) {
            assertEquals("null", poor.line());
            assertEquals(0, poor.process().waitFor());
        }
    }

    private static void request(Client client, String path) throws Exception {
        client.say("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }

    private static void hearsResponse(Client client, String body, boolean last) throws Exception {
        client.hears("HTTP/1.1 200 OK");
        boolean close = false;
        for (String line = client.hear(); !line.isEmpty(); line = client.hear()) {
            close |= line.equalsIgnoreCase("connection: close");
        }
        assertEquals(last, close);
        assertEquals(body.charAt(0), client.hearByte());
    }

    @Test
    default void a_websocket_is_closed_with_service_restart() throws Exception {
        LinkedBlockingQueue<String> heard = new LinkedBlockingQueue<>();
        try (WebServer server = web().ready()) {
            WebSocket client = http(Version.HTTP_1_1)
                    .newWebSocketBuilder()
                    .buildAsync(URI.create("wss://localhost:" + server.port() + "/socket"), new WebSocket.Listener() {
                        @Override
                        public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean last) {
                            heard.add(text.toString());
                            socket.request(1);
                            return null;
                        }

                        @Override
                        public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
                            heard.add("close " + code);
                            return null;
                        }

                        @Override
                        public void onError(WebSocket socket, Throwable error) {
                            heard.add(error.toString());
                        }
                    })
                    .get();
            client.sendText("a", true).get();
            assertEquals("1 a", heard.poll(20, TimeUnit.SECONDS));
            server.takeover.drain();
            assertEquals("close 1012", heard.poll(20, TimeUnit.SECONDS));
            server.awaitDone();
            assertEquals(Map.of("WebSocket", 1L), server.netty.counters().goodbyes());
            assertEquals(0, server.netty.counters().cut());
        }
    }

    @Test
    default void a_long_stream_of_http2_is_finished() throws Exception {
        try (WebServer first = web().ready();
                Http2Client client = new Http2Client(first.port())) {
            assertEquals("1", client.post("/").get(20, TimeUnit.SECONDS));
            CompletableFuture<String> streamed = client.post("/stream?20");
            try (WebServer second = web().ready();
                    Http2Client newcomer = new Http2Client(first.port())) {
                Stage.until("both to come", () -> client.goAways.size() == 2);
                assertEquals(List.of(Integer.MAX_VALUE, 5), client.goAways);
                assertEquals("2", newcomer.post("/").get(20, TimeUnit.SECONDS));
                assertFalse(streamed.isDone());
                assertEquals(".".repeat(20) + "1", streamed.get(20, TimeUnit.SECONDS));
                client.awaitEnd();
                first.awaitDone();
                assertEquals(0, first.netty.counters().cut());
                assertEquals(Map.of("HTTP/2", 1L), first.netty.counters().goodbyes());
                assertEquals(1, second.netty.connections());
            }
        }
    }

    @Test
    default void a_stream_that_never_ends_is_ended_at_the_deadline() throws Exception {
        try (WebServer server = web(Duration.ofMillis(500), Duration.ZERO).ready();
                Http2Client client = new Http2Client(server.port())) {
            CompletableFuture<String> never = client.post("/never");
            assertEquals("1", client.post("/").get(20, TimeUnit.SECONDS));
            server.takeover.drain();
            server.awaitDone();
            assertEquals(1, server.netty.counters().cut());
            assertTrue(never.handle((response, failure) -> failure != null).get(20, TimeUnit.SECONDS));
        }
    }
}

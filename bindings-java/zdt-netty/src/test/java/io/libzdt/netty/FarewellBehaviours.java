package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Config;
import io.netty.channel.Channel;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import java.net.URI;
import java.net.http.HttpClient.Version;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** How those that cannot move take leave of their clients. */
interface FarewellBehaviours extends Stage {
    private WebServer web(Duration drain, Duration spread) throws Exception {
        return new WebServer(path(), transport(), Server.config().drain(drain), spread);
    }

    /** Whose goodbyes are all due at once. */
    private WebServer web() throws Exception {
        return web(Duration.ofSeconds(60), Duration.ZERO);
    }

    @Test
    default void the_next_response_of_http_says_close() throws Exception {
        try (WebServer first = web().ready();
                Asking.Java client = new Asking.Java(Version.HTTP_1_1, first.port())) {
            assertEquals("1", client.ask());
            try (WebServer second = web().ready()) {
                Stage.until("its turn", () -> first.leaving() == 1);
                HttpResponse<String> last = client.post();
                assertEquals("1", last.body());
                assertEquals("close", last.headers().firstValue("connection").orElseThrow());
                assertEquals("2", client.ask());
                first.awaitDone();
                assertEquals(Map.of("HTTP/1.1", 1L), first.netty.counters().goodbyes());
                assertEquals(0, first.netty.counters().cut());
                assertEquals(1, second.netty.connections());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.libzdt.netty.Asking#kinds")
    default void clients_that_retry_nothing_see_no_failure_through_a_takeover(Asking.Kind kind) throws Exception {
        try (WebServer first = web().ready()) {
            AtomicBoolean over = new AtomicBoolean();
            List<FutureTask<Integer>> clients = new ArrayList<>();
            for (int number = 0; number < 8; number++) {
                Asking asking = switch (kind) {
                    case JAVA_HTTP_1_1 -> new Asking.Java(Version.HTTP_1_1, first.port());
                    case JAVA_HTTP_2 -> new Asking.Java(Version.HTTP_2, first.port());
                    case NETTY_HTTP_2 -> new Asking.Netty(first.port());
                };
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
                assertEquals(
                        Map.of(kind == Asking.Kind.JAVA_HTTP_1_1 ? "HTTP/1.1" : "HTTP/2", 8L), counters.goodbyes());
            }
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

    /** Of HTTP/1.1 without TLS; whose goodbyes are all due at once. */
    private Server plain(Config.Builder config, List<Channel> channels) throws Exception {
        Server server = new Server(path(), transport(), config).with(pipeline -> {
            channels.add(pipeline.channel());
            while (pipeline.last() != pipeline.first()) {
                pipeline.removeLast();
            }
            pipeline.addLast(new HttpServerCodec(), new HttpObjectAggregator(1 << 16), new Web(1));
        });
        server.netty.spread(Duration.ZERO);
        return server.listen(Server.ANY_PORT).ready();
    }

    @Test
    default void who_goes_on_talking_is_not_reset() throws Exception {
        List<Channel> channels = new CopyOnWriteArrayList<>();
        try (Server server = plain(Server.config(), channels);
                Client client = new Client(server.port())) {
            request(client, "/");
            hearsResponse(client, "1", false);
            server.takeover.drain();
            Channel channel = channels.get(0);
            Child child = channel.pipeline().get(Child.class);
            Stage.until(
                    "its turn",
                    () -> channel.eventLoop()
                            .submit(() -> child.leave != null && child.leave.isTurn())
                            .get());
            request(client, "/");
            hearsResponse(client, "1", true);
            assertNull(client.hear());
            for (int number = 0; number < 5; number++) {
                request(client, "/");
                Thread.sleep(20); // or else a reset would come too late to be noticed
            }
            client.close();
            server.awaitDone();
        }
    }

    @Test
    default void without_a_successor_and_without_tls_leave_is_taken_as_well() throws Exception {
        try (Server server = plain(Server.config().drain(Duration.ofSeconds(2)), new CopyOnWriteArrayList<>());
                Client asked = new Client(server.port());
                Client silent = new Client(server.port())) {
            request(asked, "/");
            hearsResponse(asked, "1", false);
            Stage.until("both to be there", () -> server.netty.connections() == 2);
            server.takeover.drain();
            for (Client client : List.of(asked, silent)) {
                assertNull(client.hear());
                client.close();
            }
            server.awaitDone();
            assertEquals(new Counters(0, Map.of(), Map.of("HTTP/1.1", 2L), 0), server.netty.counters());
        }
    }

    @Test
    default void whoever_can_move_after_all_is_told_nothing() throws Exception {
        try (Pages first = new Pages(this, HttpBehaviours.STOCK);
                Client client = new Client(first.port())) {
            first.server.netty.spread(Duration.ZERO);
            HttpBehaviours.sees(client.say(HttpBehaviours.get("/a")), "1 GET /a ");
            first.server.takeover.drain();
            Child child = first.pipelines.get(0).get(Child.class);
            Stage.until("its turn", () -> child.leave != null && child.leave.isTurn());
            try (Pages second = new Pages(this, HttpBehaviours.STOCK)) {
                first.awaitDone();
                HttpBehaviours.sees(client.say(HttpBehaviours.get("/b")), "2 GET /b ");
                HttpBehaviours.sees(client.say(HttpBehaviours.get("/c")), "2 GET /c ");
                assertEquals(new Counters(1, Map.of(), Map.of(), 0), first.server.netty.counters());
                assertEquals(1, second.server.netty.connections());
            }
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
            WebSocket client = Asking.http(Version.HTTP_1_1)
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
    default void who_turns_to_websocket_when_leave_is_due_is_told_in_its_words() throws Exception {
        try (WebServer server = web().ready();
                Client client = Client.secure(server.port(), WebServer.CERTIFICATE)) {
            client.say("GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
            Stage.until(
                    "the handshake of TLS",
                    () -> server.channels.get(0).pipeline().get(HttpWatch.class) != null);
            server.takeover.drain();
            Stage.until("its turn", () -> server.leaving() == 1);
            client.say("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                    .hears("HTTP/1.1 101 Switching Protocols");
            for (String line = client.hear(); !line.isEmpty(); line = client.hear()) {}
            StringBuilder frame = new StringBuilder();
            while (frame.length() < 4 + "Service Restart".length()) {
                frame.append((char) client.hearByte());
            }
            assertEquals("Service Restart", frame.substring(4), "a head of two bytes, and the code");
            client.close();
            server.awaitDone();
            assertEquals(Map.of("WebSocket", 1L), server.netty.counters().goodbyes());
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

package io.libzdt.netty;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.libzdt.Offer;
import io.libzdt.Takeover;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpChunkedInput;
import io.netty.handler.codec.http.HttpContentCompressor;
import io.netty.handler.codec.http.HttpContentDecompressor;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpServerExpectContinueHandler;
import io.netty.handler.codec.http.HttpServerKeepAliveHandler;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.cors.CorsConfigBuilder;
import io.netty.handler.codec.http.cors.CorsHandler;
import io.netty.handler.stream.ChunkedStream;
import io.netty.handler.stream.ChunkedWriteHandler;
import io.netty.handler.timeout.IdleStateHandler;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** What becomes of a connection that speaks HTTP, with codecs as they come with Netty and no help of the application. */
interface HttpBehaviours extends Stage {
    Consumer<ChannelPipeline> STOCK =
            pipeline -> pipeline.addLast(new HttpServerCodec(), new HttpObjectAggregator(1 << 20));

    default Pages pages() throws Exception {
        return new Pages(this, STOCK);
    }

    static String get(String uri) {
        return "GET " + uri + " HTTP/1.1\r\nHost: here\r\n\r\n";
    }

    /** Sees that the next response has this page. */
    static Client sees(Client client, String page) throws IOException {
        assertEquals("HTTP/1.1 200 OK", client.hear());
        for (String line = client.hear(); !line.isEmpty(); line = client.hear()) {}
        return client.hears(page);
    }

    static void closeAll(List<Client> clients) throws IOException {
        for (Client client : clients) {
            client.close();
        }
    }

    @Test
    default void an_idle_http_connection_moves_between_requests() throws Exception {
        try (Pages first = pages();
                Client client = new Client(first.port());
                Client silent = new Client(first.port())) {
            sees(client.say(get("/a")), "1 GET /a ");
            try (Pages second = pages()) {
                first.awaitDone();
                assertEquals(0, first.server.netty.stayed());
                sees(client.say(get("/b")), "2 GET /b ");
                sees(silent.say(get("/c")), "2 GET /c ");
            }
        }
    }

    @Test
    default void the_head_of_a_request_moves_wherever_it_is_cut() throws Exception {
        String request = "POST /a?b=c HTTP/1.1\r\nHost: here\r\nX-Folded: one\r\n two\r\nContent-Length: 4\r\n\r\nbody";
        int head = request.indexOf("body");
        List<Client> clients = new ArrayList<>();
        try (Pages first = pages()) {
            for (int cut = 1; cut < head; cut++) {
                clients.add(new Client(first.port()).say(request.substring(0, cut)));
            }
            Stage.until("all to be read", () -> first.read.get() == (head - 1) * head / 2);
            try (Pages second = pages()) {
                first.awaitDone();
                for (int cut = 1; cut < head; cut++) {
                    sees(clients.get(cut - 1).say(request.substring(cut)), "2 POST /a?b=c body");
                }
            }
        } finally {
            closeAll(clients);
        }
    }

    @Test
    default void pipelined_requests_are_answered_once_each_wherever_they_are_cut() throws Exception {
        List<String> requests = List.of(get("/1"), "POST /2 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", get("/3"));
        List<String> pages = List.of("GET /1 ", "POST /2 ", "GET /3 ");
        String all = String.join("", requests);
        List<Client> clients = new ArrayList<>();
        try (Pages first = pages()) {
            for (int cut = 0; cut <= all.length(); cut++) {
                clients.add(new Client(first.port()).say(all.substring(0, cut)));
            }
            Stage.until("all to be read", () -> first.read.get() == all.length() * (all.length() + 1) / 2);
            try (Pages second = pages()) {
                first.awaitDone();
                for (int cut = 0; cut <= all.length(); cut++) {
                    Client client = clients.get(cut).say(all.substring(cut));
                    int end = 0;
                    for (int i = 0; i < requests.size(); i++) {
                        end += requests.get(i).length();
                        sees(client, (end <= cut ? 1 : 2) + " " + pages.get(i));
                    }
                    client.saysNoMore();
                    assertNull(client.hear());
                }
            }
        } finally {
            closeAll(clients);
        }
    }

    /** Decoder and encoder for themselves, and all that is usual around them. */
    Consumer<ChannelPipeline> FURNISHED = pipeline -> pipeline.addLast(
            new IdleStateHandler(0, 0, 600),
            new HttpRequestDecoder(),
            new HttpResponseEncoder(),
            new HttpServerKeepAliveHandler(),
            new HttpContentCompressor(),
            new HttpContentDecompressor(0),
            new HttpServerExpectContinueHandler(),
            new CorsHandler(CorsConfigBuilder.forAnyOrigin().build()),
            new HttpObjectAggregator(1 << 20),
            new ChunkedWriteHandler());

    @Test
    default void a_connection_with_all_that_is_usual_around_http_moves() throws Exception {
        try (Pages first = new Pages(this, FURNISHED);
                Client client = new Client(first.port())) {
            client.say("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n");
            sees(client, "1 POST /a one");
            client.say("GET /gone HTTP/1.1\r\n\r\n")
                    .hears("HTTP/1.1 204 No Content")
                    .hears("");
            client.say("HEAD /b HTTP/1.1\r\n\r\n")
                    .hears("HTTP/1.1 204 No Content")
                    .hears("");
            client.say("POST /c HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
            client.hears("HTTP/1.1 100 Continue").hears("");
            sees(client.say("two"), "1 POST /c two");
            try (Pages second = new Pages(this, FURNISHED)) {
                first.awaitDone();
                assertEquals(0, first.server.netty.stayed());
                sees(client.say(get("/d")), "2 GET /d ");
            }
        }
    }

    /** Its turn to move comes while it is answering the first request. */
    @Test
    default void requests_that_come_while_another_one_is_answered_are_the_successors() throws Exception {
        try (Pages first = pages();
                Client client = new Client(first.port()).say(get("/slow"))) {
            Stage.until("it to be asked", () -> first.waiting() == 1);
            try (Pages second = pages()) {
                Stage.until("its turn to move", () -> first.watch().isHolding());
                client.say(get("/a") + get("/b") + "GET /c HT");
                Stage.until(
                        "it to be read",
                        () -> first.watch().unread().length == 2 * get("/a").length() + 9);
                first.answer();
                sees(client, "1 GET /slow ");
                sees(client, "2 GET /a ");
                sees(client, "2 GET /b ");
                sees(client.say("TP/1.1\r\n\r\n"), "2 GET /c ");
                first.awaitDone();
            }
        }
    }

    @Test
    default void a_body_that_has_begun_is_read_to_its_end_and_what_follows_is_the_successors() throws Exception {
        String head = "POST /a HTTP/1.1\r\nContent-Length: 8\r\n\r\n";
        try (Pages first = pages();
                Client client = new Client(first.port()).say(head + "half")) {
            Stage.until("it to be read", () -> first.read.get() == head.length() + 4);
            try (Pages second = pages()) {
                Stage.until("its turn to move", () -> first.watch().isHolding());
                sees(client.say("half" + get("/b") + "GET /c"), "1 POST /a halfhalf");
                sees(client, "2 GET /b ");
                sees(client.say(" HTTP/1.1\r\n\r\n"), "2 GET /c ");
                first.awaitDone();
            }
        }
    }

    @Test
    default void a_response_that_is_read_slowly_moves_with_what_is_left_of_it() throws Exception {
        try (Pages first = pages();
                Client client = new Client(first.port()).say(get("/big"))) {
            byte[] head = client.bytes().readNBytes("HTTP/1.1 200 OK\r\ncontent-length: 8388608\r\n\r\n".length());
            try (Pages second = pages()) {
                first.awaitDone();
                assertEquals(0, first.server.netty.stayed());
                assertTrue(new String(head, US_ASCII).endsWith("\r\n\r\n"));
                assertArrayEquals(new byte[Pages.BIG], client.bytes().readNBytes(Pages.BIG));
                sees(client.say(get("/a")), "2 GET /a ");
            }
        }
    }

    @Test
    default void a_connection_that_is_to_be_closed_after_its_response_is_closed() throws Exception {
        try (Pages first = new Pages(this, FURNISHED);
                Client client = new Client(first.port()).say("GET /slow HTTP/1.0\r\n\r\n")) {
            Stage.until("it to be asked", () -> first.waiting() == 1);
            try (Pages second = new Pages(this, FURNISHED)) {
                Stage.until("its turn to move", () -> first.watch().isHolding());
                first.answer();
                sees(client, "1 GET /slow ");
                assertNull(client.hear());
                first.awaitDone();
            }
        }
    }

    @Test
    default void requests_that_wait_for_a_successor_that_dies_are_answered_all_the_same() throws Exception {
        try (Pages first = pages();
                Client half = new Client(first.port()).say("GET /h")) {
            Stage.until("it to be read", () -> first.read.get() == 6);
            try (Client slow = new Client(first.port()).say(get("/slow"))) {
                Stage.until("it to be asked", () -> first.waiting() == 1);
                try (Jvm doomed = Jvm.start(Doomed.class, path().toString())) {
                    assertEquals("offered", doomed.line());
                    Stage.until("its turn to move", () -> first.watch().isHolding());
                    slow.say(get("/a"));
                    Stage.until(
                            "it to be read",
                            () -> first.watch().unread().length == get("/a").length());
                }
                sees(half.say(" HTTP/1.1\r\n\r\n"), "1 GET /h ");
                first.answer();
                sees(slow, "1 GET /slow ");
                sees(slow, "1 GET /a ");
                sees(half.say(get("/b")), "1 GET /b ");
            }
        }
    }

    @Test
    default void half_a_head_that_is_refused_goes_on_where_it_was() throws Exception {
        try (Pages first = pages();
                Client client = new Client(first.port()).say("GET /a HTTP/1.1\r\nHost: he")) {
            Stage.until("it to be read", () -> first.read.get() == 25);
            try (Takeover successor = bareSuccessor()) {
                try (Offer offer = Stage.offer(successor)) {
                    assertArrayEquals("GET /a HTTP/1.1\r\nHost: he".getBytes(US_ASCII), offer.unread());
                    client.say("re\r\n");
                }
                Stage.goesOn(successor);
                sees(client.say("\r\n" + get("/b")), "1 GET /a ");
                sees(client, "1 GET /b ");
            }
        }
    }

    /** Of the rest only the one who makes it knows. */
    @Test
    default void a_response_that_is_still_being_made_is_made_to_its_end() throws Exception {
        Consumer<ChannelPipeline> chunking = pipeline -> {
            FURNISHED.accept(pipeline);
            pipeline.addLast(new SimpleChannelInboundHandler<FullHttpRequest>(false) {
                @Override
                protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
                    if (!request.uri().equals("/made")) {
                        ctx.fireChannelRead(request);
                        return;
                    }
                    request.release();
                    HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
                    HttpUtil.setContentLength(head, Pages.BIG);
                    ctx.write(head);
                    InputStream made = new ByteArrayInputStream(new byte[Pages.BIG]);
                    ctx.writeAndFlush(new HttpChunkedInput(new ChunkedStream(made)));
                }
            });
        };
        try (Pages first = new Pages(this, chunking);
                Client client = new Client(first.port()).say(get("/made"))) {
            client.bytes().readNBytes("HTTP/1.1 200 OK\r\ncontent-length: 8388608\r\n\r\n".length());
            try (Pages second = new Pages(this, chunking)) {
                Stage.until("its turn to move", () -> first.watch().isHolding());
                client.say(get("/a"));
                assertArrayEquals(new byte[Pages.BIG], client.bytes().readNBytes(Pages.BIG));
                sees(client, "2 GET /a ");
                first.awaitDone();
            }
        }
    }

    /** Whoever keeps a connection open never needs another one. */
    @Test
    default void clients_keep_their_connections_over_twenty_takeovers() throws Exception {
        Consumer<ChannelPipeline> both = pipeline -> Chats.COMPRESSED.accept(pipeline);
        Site last = new Chats(this, both, false);
        try (Chatter chatter = new Chatter(last.port(), "/chat", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
                Client client = new Client(last.port())) {
            for (int generation = 1; generation <= 20; generation++) {
                chatter.sayCompressed("again and again").hears(generation + " again and again");
                client.say(get("/nothing") + "GET /no").hears("HTTP/1.1 404 Not Found");
                while (!client.hear().isEmpty()) {}
                Site next = new Chats(this, both, false);
                last.awaitDone();
                assertEquals(0, last.server.netty.stayed());
                last.close();
                last = next;
                client.say("thing HTTP/1.1\r\n\r\n").hears("HTTP/1.1 404 Not Found");
                while (!client.hear().isEmpty()) {}
            }
        } finally {
            last.close();
        }
    }
}

package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import java.io.IOException;
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
}

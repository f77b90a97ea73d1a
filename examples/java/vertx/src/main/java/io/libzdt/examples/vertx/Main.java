package io.libzdt.examples.vertx;

import io.libzdt.Config;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.libzdt.netty.NettyTakeover;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** HTTP and WebSocket on Vert.x. Type the same command again: the new process takes over, and nobody notices. */
public final class Main {
    private Main() {}

    /**
     * Serves until a successor has taken over.
     *
     * @param arguments {@code --takeover PATH --port N}, {@code --probation-ms N}
     * @throws Exception it cannot begin
     */
    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        int port = Integer.parseInt(options.get("port"));
        var probation = Duration.ofMillis(Long.parseLong(options.getOrDefault("probation-ms", "10000")));
        try (var takeover = Takeover.open(
                Path.of(options.get("takeover")),
                Config.builder().probation(probation).build())) {
            var netty = NettyTakeover.of(takeover);
            var vertx = Vertx.builder()
                    .withTransport(new TakeoverTransport(netty, "http", ListenerSpec.tcp("0.0.0.0:" + port)))
                    .build();
            String who = "generation " + takeover.generation() + "\n";
            var server = new HttpServerOptions().setMaxWebSocketFrameSize(1 << 24).setMaxWebSocketMessageSize(1 << 24);
            vertx.createHttpServer(server)
                    .webSocketHandler(socket -> {
                        socket.textMessageHandler(socket::writeTextMessage);
                        socket.binaryMessageHandler(socket::writeBinaryMessage);
                    })
                    .requestHandler(request -> answer(vertx, request, who))
                    .listen(port)
                    .await(60, TimeUnit.SECONDS);
            takeover.ready();
            System.out.println("ready");
            takeover.awaitDone();
            vertx.close().await(10, TimeUnit.SECONDS);
        }
    }

    private static void answer(Vertx vertx, HttpServerRequest request, String who) {
        switch (request.path()) {
            case "/" -> request.response().end(who);
            case "/slow" ->
                vertx.setTimer(
                        Long.parseLong(request.getParam("ms", "300")),
                        id -> request.response().end(who));
            case "/echo" -> request.body().onSuccess(request.response()::end);
            default -> request.response().setStatusCode(404).end();
        }
    }
}

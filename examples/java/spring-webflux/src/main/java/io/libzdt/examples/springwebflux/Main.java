package io.libzdt.examples.springwebflux;

import java.time.Duration;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.core.Ordered;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.reactive.HandlerMapping;
import org.springframework.web.reactive.handler.SimpleUrlHandlerMapping;
import org.springframework.web.reactive.socket.WebSocketHandler;
import org.springframework.web.reactive.socket.WebSocketMessage;
import reactor.core.publisher.Mono;

/** Spring WebFlux on reactor-netty: the starter and {@code libzdt.socket} are all there is of libzdt. */
@SpringBootApplication
@RestController
public class Main {
    private final String who;

    Main(@Value("pid ${PID}") String who) {
        this.who = who;
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Main.class, arguments);
        System.out.println("ready");
    }

    @GetMapping("/")
    Mono<String> who() {
        return Mono.just(who + "\n");
    }

    @GetMapping("/slow")
    Mono<String> slow(@RequestParam(name = "ms", defaultValue = "300") long ms) {
        return Mono.delay(Duration.ofMillis(ms)).thenReturn(who + "\n");
    }

    @PostMapping("/echo")
    Mono<byte[]> echo(@RequestBody(required = false) Mono<byte[]> body) {
        return body.defaultIfEmpty(new byte[0]);
    }

    @Bean
    HandlerMapping webSockets() {
        WebSocketHandler echo = session -> session.send(session.receive()
                .map(message -> new WebSocketMessage(message.getType(), message.retain().getPayload())));
        return new SimpleUrlHandlerMapping(Map.of("/ws", echo), Ordered.HIGHEST_PRECEDENCE);
    }
}

package io.libzdt.web;

import io.libzdt.Takeover;
import org.springframework.boot.ApplicationRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.context.WebServerInitializedEvent;
import org.springframework.context.ApplicationListener;
import org.springframework.context.annotation.Bean;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** The site on Spring Boot: what its command line says is all the configuration. */
@SpringBootApplication
@RestController
class SpringSite {
    private final String who;

    /** The handle is asked for its generation alone. */
    SpringSite(Takeover takeover) {
        who = "generation " + takeover.generation();
    }

    public static void main(String[] arguments) {
        SpringApplication.run(SpringSite.class, arguments);
        Told.isReady();
    }

    /** Who serves, and what was sent. */
    @RequestMapping("/")
    String answers(@RequestBody(required = false) String sent) {
        return sent == null ? who : who + sent;
    }

    @Bean
    ApplicationListener<WebServerInitializedEvent> port() {
        return event -> Told.listensAt(event.getWebServer().getPort());
    }

    /** Part of the application's start: it is ready when its runners are through. */
    @Bean
    ApplicationRunner waits() {
        return arguments -> Told.waits();
    }
}

package io.libzdt.examples.springmvc;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** Spring MVC on Tomcat: the starter and {@code libzdt.socket} are all there is of libzdt. */
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
    String who() {
        return who + "\n";
    }

    @GetMapping("/slow")
    String slow(@RequestParam(name = "ms", defaultValue = "300") long ms) throws InterruptedException {
        Thread.sleep(ms);
        return who + "\n";
    }

    @PostMapping("/echo")
    byte[] echo(@RequestBody(required = false) byte[] body) {
        return body == null ? new byte[0] : body;
    }
}

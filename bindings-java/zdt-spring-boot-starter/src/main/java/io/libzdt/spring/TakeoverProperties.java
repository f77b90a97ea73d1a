package io.libzdt.spring;

import io.libzdt.Config;
import java.nio.file.Path;
import java.time.Duration;
import org.springframework.boot.context.properties.ConfigurationProperties;

/**
 * {@code libzdt.*}. What is not set is as libzdt has it.
 *
 * @param socket where the takeover socket is; without it libzdt stays out of the way
 * @param ready how long the application may take to start, once it has the listeners
 * @param drain how long what is in flight may take to end
 * @param probation how long the predecessor stays to serve again if its successor dies
 */
@ConfigurationProperties("libzdt")
public record TakeoverProperties(Path socket, Duration ready, Duration drain, Duration probation) {
    Config config(String program) {
        Config.Builder config = Config.builder().program(program);
        if (ready != null) {
            config.ready(ready);
        }
        if (drain != null) {
            config.drain(drain);
        }
        if (probation != null) {
            config.probation(probation);
        }
        return config.build();
    }
}

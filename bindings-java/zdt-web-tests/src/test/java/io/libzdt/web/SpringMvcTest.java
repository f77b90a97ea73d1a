package io.libzdt.web;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Spring MVC on Tomcat. */
@Timeout(180)
final class SpringMvcTest implements DrainingBehaviours {
    @TempDir
    private Path directory;

    @Override
    public Path path() {
        return directory.resolve("takeover.sock");
    }

    @Override
    public Class<?> main() {
        return SpringSite.class;
    }

    @Override
    public List<String> withoutJars() {
        return List.of("/netty-", "/reactor-netty", "/spring-webflux", "/jetty-");
    }
}

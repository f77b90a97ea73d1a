package io.libzdt.web;

import java.nio.file.Path;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** On Tomcat. */
@Timeout(180)
final class TomcatTest implements DrainingBehaviours {
    @TempDir
    private Path directory;

    @Override
    public Path path() {
        return directory.resolve("takeover.sock");
    }

    @Override
    public Class<?> main() {
        return TomcatSite.class;
    }
}

package io.libzdt.web;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A web server at a takeover socket of its own: {@code generation N}, and the body of the request, is what it answers. */
interface Site {
    Path path();

    /** Its program. */
    Class<?> main();

    /** It is to work without the jars whose paths contain one of these. */
    default List<String> withoutJars() {
        return List.of();
    }

    /** The next generation, which listens and waits to be told that it is ready; with these properties. */
    default Generation start(String... properties) throws Exception {
        List<String> arguments = new ArrayList<>(List.of(
                "--libzdt.socket=" + path(),
                "--server.address=127.0.0.1",
                "--server.port=0",
                "--spring.main.banner-mode=off",
                "--logging.level.root=warn"));
        arguments.addAll(List.of(properties));
        return Generation.start(withoutJars(), main(), arguments);
    }

    /** One whose drain is long, and that watches its successor for long. */
    default Generation patient(String... properties) throws Exception {
        List<String> all = new ArrayList<>(List.of("--libzdt.drain=60s", "--libzdt.probation=60s"));
        all.addAll(List.of(properties));
        return start(all.toArray(String[]::new));
    }

    /** One that is done when its connections have ended, and ends them soon. */
    default Generation quick() throws Exception {
        return start("--libzdt.drain=6s", "--libzdt.probation=0s");
    }
}

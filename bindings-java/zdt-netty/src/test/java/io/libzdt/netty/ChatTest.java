package io.libzdt.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.libzdt.examples.Chat;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of the README, as processes of their own. */
final class ChatTest {
    @TempDir
    private Path directory;

    @Test
    void nobody_has_to_say_their_name_twice() throws Exception {
        String path = directory.resolve("chat.sock").toString();
        try (Jvm first = Jvm.start(Chat.class, path, "0")) {
            String listening = first.line();
            int port = Integer.parseInt(listening.substring(listening.lastIndexOf(':') + 1));
            try (Client anna = new Client(port).say("anna\nhere\n").hears("anna: here");
                    Client bert = new Client(port).say("bert\nhere\n").hears("bert: here");
                    Jvm second = Jvm.start(Chat.class, path, "0")) {
                anna.hears("bert: here");
                assertEquals(listening, second.line());
                assertEquals(0, first.process().waitFor());
                anna.say("still here\n").hears("anna: still here");
                bert.hears("anna: still here");
            }
        }
    }
}

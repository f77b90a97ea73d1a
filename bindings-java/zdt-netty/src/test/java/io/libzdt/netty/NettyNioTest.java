package io.libzdt.netty;

import java.nio.file.Path;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** On Netty's transport over java.nio. */
@Timeout(300)
final class NettyNioTest
        implements ListeningBehaviours,
                CompanionBehaviours,
                MovingBehaviours,
                LeavingBehaviours,
                HttpBehaviours,
                SwitchingBehaviours,
                TroubleBehaviours,
                WebSocketBehaviours,
                FarewellBehaviours,
                OwnFarewellBehaviours {
    @TempDir
    private Path directory;

    @Override
    public Path path() {
        return directory.resolve("takeover.sock");
    }

    @Override
    public Loops transport() {
        return Loops.NIO;
    }
}

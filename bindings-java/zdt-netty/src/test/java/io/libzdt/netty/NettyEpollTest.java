package io.libzdt.netty;

import io.netty.channel.IoHandlerFactory;
import io.netty.channel.epoll.EpollIoHandler;
import java.nio.file.Path;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** On Netty's transport over epoll. */
@Timeout(300)
final class NettyEpollTest
        implements ListeningBehaviours,
                MovingBehaviours,
                LeavingBehaviours,
                HttpBehaviours,
                WebSocketBehaviours,
                FarewellBehaviours {
    @TempDir
    private Path directory;

    @Override
    public Path path() {
        return directory.resolve("takeover.sock");
    }

    @Override
    public IoHandlerFactory transport() {
        return EpollIoHandler.newFactory();
    }
}

package io.libzdt;

import java.io.FileDescriptor;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.nio.channels.Pipe;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.spi.SelectorProvider;
import java.time.Duration;

/** Waits for any descriptor to be readable: java.nio has no way to, so one of its pipes is made to believe it is its own. */
final class Poller implements AutoCloseable {
    private final Selector selector = Selector.open();
    private final Pipe.SourceChannel channel;

    Poller(int descriptor) throws ReflectiveOperationException, IOException {
        // The build opens sun.nio.ch to the tests; libzdt itself needs no such thing.
        Constructor<?> pipe = Class.forName("sun.nio.ch.SourceChannelImpl")
                .getDeclaredConstructor(SelectorProvider.class, FileDescriptor.class);
        Method number = Class.forName("sun.nio.ch.IOUtil").getDeclaredMethod("newFD", int.class);
        pipe.setAccessible(true);
        number.setAccessible(true);
        Object copy = number.invoke(null, Descriptors.dup(descriptor));
        channel = (Pipe.SourceChannel) pipe.newInstance(SelectorProvider.provider(), copy);
        channel.configureBlocking(false);
        channel.register(selector, SelectionKey.OP_READ);
    }

    boolean isReadable(Duration within) throws IOException {
        selector.selectedKeys().clear();
        return (within.isZero() ? selector.selectNow() : selector.select(within.toMillis())) == 1;
    }

    @Override
    public void close() throws IOException {
        selector.close();
        channel.close();
    }
}

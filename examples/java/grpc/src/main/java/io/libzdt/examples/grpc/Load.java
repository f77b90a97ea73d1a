package io.libzdt.examples.grpc;

import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCalls;
import java.io.OutputStream;
import java.util.HashSet;
import java.util.Iterator;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/** Clients that call without a pause, with no retries: {@code Load HOST PORT}, until standard input
 * ends. Ends with 1 if a call fails. */
public final class Load {
    private static final int CLIENTS = 4;

    private final LongAdder calls = new LongAdder();
    private final LongAdder failed = new LongAdder();
    private final Set<String> served = ConcurrentHashMap.newKeySet();

    private volatile boolean over;

    private Load() {}

    /**
     * Calls.
     *
     * @param arguments where the server is
     * @throws Exception somebody wants it to end
     */
    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[1]);
        var load = new Load();
        var threads = Executors.newFixedThreadPool(2 * CLIENTS);
        for (int i = 0; i < CLIENTS; i++) {
            ManagedChannel channel = NettyChannelBuilder.forAddress(arguments[0], port)
                    .usePlaintext()
                    .disableRetry()
                    .build();
            threads.execute(() -> load.calls(channel, false));
            threads.execute(() -> load.calls(channel, true));
        }
        System.in.transferTo(OutputStream.nullOutputStream());
        load.over = true;
        threads.shutdown();
        threads.awaitTermination(1, TimeUnit.HOURS);
        System.out.println(load.calls + " calls, " + load.failed + " failed, served by " + new HashSet<>(load.served));
        System.exit(load.failed.sum() == 0 && load.calls.sum() > 0 ? 0 : 1);
    }

    private void calls(ManagedChannel channel, boolean streams) {
        while (!over) {
            try {
                if (streams) {
                    stream(channel);
                } else {
                    String answer = ClientCalls.blockingUnaryCall(channel, Echo.UNARY, CallOptions.DEFAULT, "hello");
                    served.add(answer.substring(0, answer.indexOf(':')));
                    Thread.sleep(2);
                }
                calls.increment();
            } catch (StatusRuntimeException | IllegalStateException e) {
                failed.increment();
                System.err.println(e);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private static void stream(ManagedChannel channel) {
        Iterator<String> answers =
                ClientCalls.blockingServerStreamingCall(channel, Echo.STREAM, CallOptions.DEFAULT, "piece");
        for (int i = 0; i < 10; i++) {
            if (!answers.hasNext() || !answers.next().equals("piece " + i)) {
                throw new IllegalStateException("piece " + i + " of a stream is missing");
            }
        }
    }
}

package io.libzdt.examples.grpc;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.stub.ServerCalls;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** A service without a compiler of protocols: its messages are texts. */
final class Echo {
    /** Answers with who serves, and what was sent. */
    static final MethodDescriptor<String, String> UNARY = method("Unary", MethodDescriptor.MethodType.UNARY);

    /** Answers ten times, a tenth of a second apart. */
    static final MethodDescriptor<String, String> STREAM =
            method("Stream", MethodDescriptor.MethodType.SERVER_STREAMING);

    private Echo() {}

    static ServerServiceDefinition service(String who) {
        return ServerServiceDefinition.builder("Echo")
                .addMethod(UNARY, ServerCalls.asyncUnaryCall((text, answers) -> {
                    answers.onNext(who + ": " + text);
                    answers.onCompleted();
                }))
                .addMethod(STREAM, ServerCalls.asyncServerStreamingCall((text, answers) -> {
                    for (int i = 0; i < 10; i++) {
                        answers.onNext(text + " " + i);
                        pause();
                    }
                    answers.onCompleted();
                }))
                .build();
    }

    private static void pause() {
        try {
            Thread.sleep(100);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static MethodDescriptor<String, String> method(String name, MethodDescriptor.MethodType type) {
        return MethodDescriptor.<String, String>newBuilder(new Text(), new Text())
                .setType(type)
                .setFullMethodName("Echo/" + name)
                .build();
    }

    private static final class Text implements MethodDescriptor.Marshaller<String> {
        @Override
        public InputStream stream(String text) {
            return new ByteArrayInputStream(text.getBytes(UTF_8));
        }

        @Override
        public String parse(InputStream bytes) {
            try {
                return new String(bytes.readAllBytes(), UTF_8);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}

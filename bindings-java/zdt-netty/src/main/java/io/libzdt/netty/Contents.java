package io.libzdt.netty;

import io.libzdt.ZdtException;
import io.libzdt.internal.NettyInternals;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** What a connection has in its pipeline and its buffers, and whether all of it can travel. */
final class Contents {
    private static final String NETTY = "io.netty.";
    /**
     * Netty's own handlers, and its bases of other people's, that keep nothing of a connection, or a decoder's bytes exactly
     * as they came. Any other one stays: who knows what {@code SslHandler} or {@code HttpServerCodec} remembers.
     */
    private static final Set<String> PLAIN = Set.of(
            "channel.ChannelHandlerAdapter",
            "channel.ChannelInboundHandlerAdapter",
            "channel.ChannelOutboundHandlerAdapter",
            "channel.ChannelDuplexHandler",
            "channel.SimpleChannelInboundHandler",
            "handler.codec.ByteToMessageDecoder",
            "handler.codec.MessageToByteEncoder",
            "handler.codec.MessageToMessageCodec",
            "handler.codec.MessageToMessageDecoder",
            "handler.codec.MessageToMessageEncoder",
            "handler.codec.DelimiterBasedFrameDecoder",
            "handler.codec.FixedLengthFrameDecoder",
            "handler.codec.LengthFieldBasedFrameDecoder",
            "handler.codec.LengthFieldPrepender",
            "handler.codec.LineBasedFrameDecoder",
            "handler.codec.bytes.ByteArrayDecoder",
            "handler.codec.bytes.ByteArrayEncoder",
            "handler.codec.protobuf.ProtobufDecoder",
            "handler.codec.protobuf.ProtobufEncoder",
            "handler.codec.protobuf.ProtobufVarint32FrameDecoder",
            "handler.codec.protobuf.ProtobufVarint32LengthFieldPrepender",
            "handler.codec.string.LineEncoder",
            "handler.codec.string.StringDecoder",
            "handler.codec.string.StringEncoder",
            "handler.flush.FlushConsolidationHandler",
            "handler.logging.LoggingHandler",
            "handler.timeout.IdleStateHandler",
            "handler.timeout.ReadTimeoutHandler",
            "handler.timeout.WriteTimeoutHandler");

    /** Of a handler's class: the class of Netty's that is not plain, if there is one. */
    private static final ClassValue<Optional<String>> KEEPER = new ClassValue<>() {
        @Override
        protected Optional<String> computeValue(Class<?> type) {
            Class<?> base = type;
            while (base != null && !base.getName().startsWith(NETTY)) {
                base = base.getSuperclass();
            }
            boolean plain = base == null || PLAIN.contains(base.getName().substring(NETTY.length()));
            return plain ? Optional.empty() : Optional.of(base.getSimpleName());
        }
    };

    private Contents() {}

    /** Why a connection with this pipeline cannot move; null: it can. */
    static String whyNotMovable(ChannelPipeline pipeline) {
        int migratable = 0;
        boolean first = true;
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            ChannelHandler handler = entry.getValue();
            if (first != handler instanceof Child) {
                return "a handler was put before libzdt's (use addLast, not addFirst)";
            }
            first = false;
            Optional<String> keeper = KEEPER.get(handler.getClass());
            if (keeper.isPresent()) {
                return keeper.get() + " keeps what cannot be exported";
            }
            if (pipeline.context(handler).executor() != pipeline.channel().eventLoop()) {
                return handler.getClass().getName() + " runs outside of the event loop";
            }
            migratable += handler instanceof Migratable ? 1 : 0;
        }
        return switch (migratable) {
            case 0 -> "no handler is Migratable";
            case 1 -> null;
            default -> "more than one handler is Migratable";
        };
    }

    /** The handler with state; null: there is none. */
    static Migratable migratable(ChannelPipeline pipeline) {
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            if (entry.getValue() instanceof Migratable migratable) {
                return migratable;
            }
        }
        return null;
    }

    /**
     * A copy of what was read and not decoded. Null: not now, since what a later decoder holds has come through an earlier
     * one and cannot be put before it again.
     */
    static byte[] unread(ChannelPipeline pipeline) throws ZdtException {
        List<ByteBuf> cumulations = cumulations(pipeline);
        for (ByteBuf later : cumulations.subList(Math.min(1, cumulations.size()), cumulations.size())) {
            if (later.isReadable()) {
                return null;
            }
        }
        return cumulations.isEmpty() ? new byte[0] : bytes(cumulations.get(0));
    }

    /** Whoever is told the end of the connection here must not take for a request what the successor carries out. */
    static void forgetUnread(ChannelPipeline pipeline) throws ZdtException {
        for (ByteBuf cumulation : cumulations(pipeline)) {
            cumulation.skipBytes(cumulation.readableBytes());
        }
    }

    private static List<ByteBuf> cumulations(ChannelPipeline pipeline) throws ZdtException {
        List<ByteBuf> cumulations = new ArrayList<>(1);
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            if (entry.getValue() instanceof ByteToMessageDecoder decoder) {
                cumulations.add((ByteBuf) NettyInternals.internalBuffer(decoder));
            }
        }
        return cumulations;
    }

    /** How many bytes are written and not in the socket. */
    static long unsentLength(Channel channel) {
        long[] length = {0};
        forEachUnsent(channel, message -> {
            length[0] += message instanceof ByteBuf bytes ? bytes.readableBytes() : 1;
            return true;
        });
        return length[0];
    }

    /** A copy of what is written and not in the socket. Null: not now, there is something else than bytes among it. */
    static byte[] unsent(Channel channel) {
        ByteArrayOutputStream unsent = new ByteArrayOutputStream(0);
        boolean[] onlyBytes = {true};
        forEachUnsent(channel, message -> {
            onlyBytes[0] = message instanceof ByteBuf;
            if (onlyBytes[0]) {
                unsent.writeBytes(bytes((ByteBuf) message));
            }
            return onlyBytes[0];
        });
        return onlyBytes[0] ? unsent.toByteArray() : null;
    }

    private static void forEachUnsent(Channel channel, ChannelOutboundBuffer.MessageProcessor processor) {
        ChannelOutboundBuffer buffer = channel.unsafe().outboundBuffer();
        if (buffer == null) {
            return; // closed
        }
        buffer.addFlush(); // what was written and not flushed travels as well
        try {
            buffer.forEachFlushedMessage(processor);
        } catch (Exception e) {
            throw new AssertionError("the processors above throw nothing", e);
        }
    }

    private static byte[] bytes(ByteBuf buffer) {
        byte[] bytes = new byte[buffer.readableBytes()];
        buffer.getBytes(buffer.readerIndex(), bytes);
        return bytes;
    }
}

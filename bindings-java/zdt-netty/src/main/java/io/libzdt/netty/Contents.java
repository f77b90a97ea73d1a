package io.libzdt.netty;

import io.libzdt.ZdtException;
import io.libzdt.internal.NettyInternals;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What a connection has in its pipeline and its buffers, and whether all of it can travel. */
final class Contents {
    private static final System.Logger LOG = System.getLogger("io.libzdt.netty");
    private static final String NETTY = "io.netty.";
    /**
     * Netty's own handlers, and its bases of other people's, that keep nothing of a connection, or a decoder's bytes exactly
     * as they came. Any other one stays: who knows what {@code SslHandler} remembers.
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

    /** Those that keep nothing between two requests, nor two messages of a WebSocket; {@link HttpWatch} knows when that is. */
    private static final Set<String> PLAIN_BETWEEN = Set.of(
            "handler.codec.http.HttpContentCompressor",
            "handler.codec.http.HttpContentDecompressor",
            "handler.codec.http.HttpObjectAggregator",
            "handler.codec.http.HttpRequestDecoder",
            "handler.codec.http.HttpResponseEncoder",
            "handler.codec.http.HttpServerCodec",
            "handler.codec.http.HttpServerExpectContinueHandler",
            "handler.codec.http.HttpServerKeepAliveHandler",
            "handler.codec.http.HttpServerUpgradeHandler",
            "handler.codec.http.cors.CorsHandler",
            "handler.codec.http.websocketx.Utf8FrameValidator",
            "handler.codec.http.websocketx.WebSocket08FrameDecoder",
            "handler.codec.http.websocketx.WebSocket08FrameEncoder",
            "handler.codec.http.websocketx.WebSocket13FrameDecoder",
            "handler.codec.http.websocketx.WebSocket13FrameEncoder",
            "handler.codec.http.websocketx.WebSocketFrameAggregator",
            "handler.codec.http.websocketx.WebSocketServerProtocolHandler",
            "handler.codec.http.websocketx.WebSocketServerProtocolHandshakeHandler",
            "handler.codec.http.websocketx.extensions.WebSocketServerExtensionHandler",
            "handler.codec.http.websocketx.extensions.compression.PerMessageDeflateDecoder",
            "handler.codec.http.websocketx.extensions.compression.PerMessageDeflateEncoder",
            "handler.codec.http.websocketx.extensions.compression.WebSocketServerCompressionHandler",
            "handler.stream.ChunkedWriteHandler");

    /** What a handler remembers. */
    private enum Memory {
        NOTHING,
        NOTHING_BETWEEN,
        SOMETHING
    }

    /** What a handler of this class is to Netty: the first class of Netty's above it; itself, if there is none. */
    private static Class<?> netty(Class<?> type) {
        Class<?> base = type;
        while (base != null && !base.getName().startsWith(NETTY)) {
            base = base.getSuperclass();
        }
        return base == null ? type : base;
    }

    private static final ClassValue<Memory> MEMORY = new ClassValue<>() {
        @Override
        protected Memory computeValue(Class<?> type) {
            String name = netty(type).getName();
            String own = name.substring(name.startsWith(NETTY) ? NETTY.length() : 0);
            if (PLAIN.contains(own) || !name.startsWith(NETTY)) {
                return Memory.NOTHING;
            }
            return PLAIN_BETWEEN.contains(own) ? Memory.NOTHING_BETWEEN : Memory.SOMETHING;
        }
    };

    /** Whether Netty's HTTP is on the class path, and with it {@link HttpWatch} can be touched. */
    private static final boolean HTTP = isThere("io.netty.handler.codec.http.websocketx.WebSocketFrameDecoder");

    private Contents() {}

    private static boolean isThere(String name) {
        try {
            Class.forName(name, false, Contents.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException absent) {
            return false;
        }
    }

    /** Looks on from here on at what a codec does that keeps something; before anything is read. */
    static void watch(ChannelPipeline pipeline) {
        if (mayMove(pipeline)) {
            watchAnyway(pipeline);
        }
    }

    /** The same, with the first bytes that its handlers are about to read; those that they have to read for it are read. */
    static void watchFrom(ChannelHandlerContext front, ByteBuf first) {
        try {
            if (HTTP && mayMove(front.pipeline())) {
                HttpWatch.from(front, first);
            }
        } catch (ZdtException e) {
            LOG.log(System.Logger.Level.WARNING, "connections with this codec stay where they are", e);
        }
    }

    /** The same where the connection stays: who takes leave must know whether the client is being served. */
    static void watchAnyway(ChannelPipeline pipeline) {
        try {
            if (HTTP && watched(pipeline) == null) {
                HttpWatch.over(pipeline);
            }
        } catch (ZdtException e) {
            LOG.log(System.Logger.Level.WARNING, "connections with this codec stay where they are", e);
        }
    }

    private static boolean mayMove(ChannelPipeline pipeline) {
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            if (MEMORY.get(entry.getValue().getClass()) == Memory.SOMETHING) {
                return false;
            }
        }
        return true;
    }

    /** Null: it has no codec that must be looked at. */
    private static HttpWatch watched(ChannelPipeline pipeline) {
        return HTTP ? pipeline.get(HttpWatch.class) : null;
    }

    /** Whether it is worth while to freeze the connection. */
    static boolean isIdle(ChannelPipeline pipeline) {
        HttpWatch watch = watched(pipeline);
        return watch == null || watch.isIdle();
    }

    /** What comes from here on waits, if it can. */
    static void hold(ChannelPipeline pipeline) {
        HttpWatch watch = watched(pipeline);
        if (watch != null) {
            watch.hold();
        }
    }

    /** It does not wait any longer: the connection is served on. */
    static void goOn(ChannelPipeline pipeline) {
        HttpWatch watch = watched(pipeline);
        if (watch != null) {
            watch.goOn();
        }
    }

    /** Why a connection with this pipeline cannot move; null: it can. */
    static String whyNotMovable(ChannelPipeline pipeline) {
        HttpWatch watch = watched(pipeline);
        if (watch != null && watch.whyNotMovable() != null) {
            return watch.whyNotMovable();
        }
        int migratable = 0;
        boolean first = true;
        for (Map.Entry<String, ChannelHandler> entry : pipeline) {
            ChannelHandler handler = entry.getValue();
            if (first != handler instanceof Front) {
                return "a handler was put before libzdt's (use addLast, not addFirst)";
            }
            first = false;
            Memory memory = MEMORY.get(handler.getClass());
            if (memory == Memory.SOMETHING || memory == Memory.NOTHING_BETWEEN && watch == null) {
                String keeper = netty(handler.getClass()).getSimpleName();
                String advice = keeper.equals("SslHandler") ? ": end TLS in front of this process to have it move" : "";
                return keeper + " keeps what cannot be exported" + advice;
            }
            if (pipeline.context(handler).executor() != pipeline.channel().eventLoop()) {
                return handler.getClass().getName() + " runs outside of the event loop";
            }
            migratable += handler instanceof Migratable ? 1 : 0;
        }
        return switch (migratable) {
            case 0 -> watch == null && pipeline.first() instanceof Child ? "no handler is Migratable" : null;
            case 1 -> pipeline.first() instanceof Child ? null : "a companion's state is the connection's";
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
        HttpWatch watch = watched(pipeline);
        if (watch != null) {
            ByteBuf ofItsCodec = watch.talk().unread();
            cumulations.removeIf(cumulation -> cumulation == ofItsCodec);
            boolean elsewhere = cumulations.stream().anyMatch(ByteBuf::isReadable);
            return elsewhere || !watch.isIdle() ? null : watch.unread();
        }
        for (ByteBuf later : cumulations.subList(Math.min(1, cumulations.size()), cumulations.size())) {
            if (later.isReadable()) {
                return null;
            }
        }
        return cumulations.isEmpty() ? new byte[0] : bytes(cumulations.get(0));
    }

    /** Whoever is told the end of the connection here must not take for a request what the successor carries out. */
    static void forgetUnread(ChannelPipeline pipeline) throws ZdtException {
        List<ByteBuf> cumulations = cumulations(pipeline);
        HttpWatch watch = watched(pipeline);
        if (watch != null) {
            watch.leave();
            cumulations.add(watch.talk().unread());
        }
        for (ByteBuf cumulation : cumulations) {
            cumulation.skipBytes(cumulation.readableBytes());
        }
    }

    /** What the successor must know; null: not now. */
    static Exported state(ChannelPipeline pipeline) throws Exception {
        Migratable migratable = migratable(pipeline);
        byte[] state = migratable == null ? new byte[0] : exported(migratable);
        if (state == null) {
            return null;
        }
        HttpWatch watch = watched(pipeline);
        byte[] whole = watch == null ? state : watch.state(state);
        int none = whole.length == 0 ? 0 : 1;
        return new Exported(migratable == null ? none : migratable.stateVersion(), whole);
    }

    private static byte[] exported(Migratable migratable) {
        try {
            return migratable.exportState();
        } catch (Throwable e) {
            throw new IllegalStateException(name(migratable) + " did not give its state: " + e, e);
        }
    }

    private static void imported(Migratable migratable, int version, byte[] state) {
        try {
            migratable.importState(version, state);
        } catch (Throwable e) {
            throw new IllegalStateException(name(migratable) + " did not take the state: " + e, e);
        }
    }

    private static String name(Migratable migratable) {
        return migratable.getClass().getName();
    }

    /** A state, and its version. */
    record Exported(int version, byte[] state) {}

    /** The handlers of an offered connection take its state over, or refuse it. */
    static void importState(Child child, int version, byte[] state) throws Exception {
        ChannelPipeline pipeline = child.channel.pipeline();
        byte[] inner = state;
        if (HTTP && WebSocketState.is(state)) {
            WebSocketState upgraded = WebSocketState.of(state);
            inner = upgraded.inner();
            Migratable early = migratable(pipeline);
            if (early != null) {
                imported(early, version, inner);
                inner = new byte[0];
            }
            child.tellActive();
            HttpWatch.rehearse(child.ctx, upgraded);
            if (early != null) {
                return;
            }
        }
        Migratable migratable = migratable(pipeline);
        if (migratable != null) {
            imported(migratable, version, inner);
        } else if (inner.length > 0) {
            throw new IllegalStateException("it has a state, and no handler here is Migratable");
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

package io.libzdt.netty;

import static io.libzdt.netty.HttpBehaviours.get;
import static io.libzdt.netty.HttpBehaviours.sees;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/** What becomes of a connection that changes what it speaks, and its pipeline with it. */
interface SwitchingBehaviours extends Stage {
    /** Puts these in when the first bytes have shown that they are wanted, and {@code used} of them are used. */
    static Consumer<ChannelPipeline> sniffing(int used, Supplier<List<ChannelHandler>> codec) {
        return pipeline -> pipeline.addLast(new ByteToMessageDecoder() {
            @Override
            protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
                if (in.readableBytes() > used) {
                    in.skipBytes(used);
                    List<ChannelHandler> handlers = codec.get();
                    for (int i = handlers.size() - 1; i >= 0; i--) {
                        ctx.pipeline().addAfter(ctx.name(), null, handlers.get(i));
                    }
                    ctx.pipeline().remove(this);
                }
            }
        });
    }

    private static List<ChannelHandler> stock() {
        return List.of(new HttpServerCodec(), new HttpObjectAggregator(1 << 20));
    }

    @Test
    default void a_pipeline_that_gets_its_codec_with_the_first_bytes_moves() throws Exception {
        try (Pages first = new Pages(this, sniffing(0, SwitchingBehaviours::stock));
                Client client = new Client(first.port())) {
            sees(client.say(get("/a") + "GET /b HT"), "1 GET /a ");
            try (Pages second = new Pages(this, sniffing(0, SwitchingBehaviours::stock))) {
                first.awaitDone();
                client.say("T");
                try (Pages third = new Pages(this, sniffing(0, SwitchingBehaviours::stock))) {
                    second.awaitDone();
                    sees(client.say("P/1.1\r\n\r\n"), "3 GET /b ");
                }
            }
        }
    }

    /** Nobody has counted what came before. */
    @Test
    default void a_connection_whose_codec_comes_after_something_else_stays() throws Exception {
        try (Pages first = new Pages(this, sniffing(3, SwitchingBehaviours::stock));
                Client client = new Client(first.port())) {
            sees(client.say("hi!" + get("/a") + "GET /b HT"), "1 GET /a ");
            try (Pages second = new Pages(this, HttpBehaviours.STOCK)) {
                Stage.until("it to stay", () -> first.server.netty.stayed() == 1);
                sees(client.say("TP/1.1\r\n\r\n"), "1 GET /b ");
            }
        }
    }

    @Test
    default void a_connection_that_has_switched_to_something_unknown_stays() throws Exception {
        Consumer<ChannelPipeline> switching =
                pipeline -> pipeline.addLast(new HttpServerCodec(), new SimpleChannelInboundHandler<HttpRequest>() {
                    @Override
                    protected void channelRead0(ChannelHandlerContext ctx, HttpRequest request) {
                        HttpResponseStatus switches = HttpResponseStatus.SWITCHING_PROTOCOLS;
                        FullHttpResponse response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, switches);
                        response.headers().set("Upgrade", "telnet");
                        ctx.writeAndFlush(response);
                    }
                });
        try (Pages first = new Pages(this, switching);
                Client client = new Client(first.port())) {
            client.say("GET / HTTP/1.1\r\nUpgrade: telnet\r\n\r\n").hears("HTTP/1.1 101 Switching Protocols");
            try (Pages second = new Pages(this, HttpBehaviours.STOCK)) {
                Stage.until("it to stay", () -> first.server.netty.stayed() == 1);
            }
        }
    }
}

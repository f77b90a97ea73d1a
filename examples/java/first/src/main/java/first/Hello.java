// GUIDE: begin
package first;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;

/** Answers every request with who answers. Nothing here knows of takeovers. */
class Hello extends SimpleChannelInboundHandler<FullHttpRequest> {
    private final long generation;

    Hello(long generation) {
        this.generation = generation;
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
        var text = "Hello from generation " + generation + ", process "
                + ProcessHandle.current().pid() + ", Java " + Runtime.version().feature() + "\n";
        var response = new DefaultFullHttpResponse(
                HttpVersion.HTTP_1_1, HttpResponseStatus.OK, Unpooled.copiedBuffer(text, UTF_8));
        HttpUtil.setContentLength(response, response.content().readableBytes());
        context.writeAndFlush(response);
    }
}
// GUIDE: end

package io.libzdt.examples;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.libzdt.Takeover;
import io.libzdt.netty.Migratable;
import io.libzdt.netty.NettyTakeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.handler.codec.LineBasedFrameDecoder;
import io.netty.handler.codec.string.StringDecoder;
import io.netty.handler.codec.string.StringEncoder;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.net.InetSocketAddress;
import java.nio.file.Path;

/**
 * A chat on Netty that can be taken over: the first line one says is one's name, every other one goes to everybody. Start
 * it, connect with netcat, start it again: nobody has to say their name twice. The one on asyncio
 * (bindings-python/examples/chat.py) can take over, too.
 *
 * <pre>java -cp ... io.libzdt.examples.Chat /tmp/chat.sock 7007</pre>
 */
public final class Chat {
    public static void main(String[] arguments) throws Exception {
        Path path = Path.of(arguments[0]);
        InetSocketAddress address = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[1]));
        EventLoopGroup group = new MultiThreadIoEventLoopGroup(EpollIoHandler.newFactory());
        ChannelGroup everybody = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
        // README: begin
        var takeover = Takeover.open(path); // finds a predecessor, or is the first
        var netty = NettyTakeover.of(takeover);
        var bootstrap = new ServerBootstrap().group(group).childHandler(new ChannelInitializer<Channel>() {
            @Override
            protected void initChannel(Channel channel) { // for whoever is accepted, and whoever is adopted
                channel.pipeline().addLast(new LineBasedFrameDecoder(4096));
                channel.pipeline().addLast(new StringDecoder(UTF_8), new StringEncoder(UTF_8));
                channel.pipeline().addLast(new Guest(everybody)); // which is Migratable
            }
        });
        var listener = netty.listen(bootstrap, "chat", address).sync().channel(); // inherited, or bound
        System.out.println("listening at " + listener.localAddress());
        takeover.ready(); // from here on we accept, and a predecessor offers its connections
        takeover.awaitDone(); // a successor has everything
        // README: end
        group.shutdownGracefully();
    }

    private Chat() {}

    /** One connection. */
    static final class Guest extends SimpleChannelInboundHandler<String> implements Migratable {
        private final ChannelGroup everybody;
        private String name = "";

        Guest(ChannelGroup everybody) {
            this.everybody = everybody;
        }

        @Override
        public void channelActive(ChannelHandlerContext context) {
            everybody.add(context.channel());
        }

        @Override
        protected void channelRead0(ChannelHandlerContext context, String line) {
            if (name.isEmpty()) {
                name = line;
            } else {
                everybody.writeAndFlush(name + ": " + line + "\n");
            }
        }

        // STATE: begin
        @Override
        public byte[] exportState() {
            return name.getBytes(UTF_8);
        }

        @Override
        public void importState(int version, byte[] state) {
            name = new String(state, UTF_8);
        }
        // STATE: end
    }
}

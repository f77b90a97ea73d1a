// GUIDE: begin
package first;

import io.libzdt.Takeover;
import io.libzdt.netty.NettyTakeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;

public class Server {
    public static void main(String[] arguments) throws Exception {
        var path = Path.of(arguments[0]);
        var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[1]));
        var group = new MultiThreadIoEventLoopGroup(NioIoHandler.newFactory());
        var takeover = Takeover.open(path); // finds a predecessor, or is the first
        var netty = NettyTakeover.of(takeover);
        var bootstrap = new ServerBootstrap().group(group).childHandler(new ChannelInitializer<Channel>() {
            @Override
            protected void initChannel(Channel channel) { // for whoever is accepted, and whoever is adopted
                channel.pipeline().addLast(new HttpServerCodec(), new HttpObjectAggregator(1 << 20));
                channel.pipeline().addLast(new Hello(takeover.generation()));
            }
        });
        netty.listen(bootstrap, "http", address).sync(); // inherited, or bound
        takeover.drainAtShutdown(Duration.ofSeconds(35)); // SIGTERM: what is being served is served to its end
        takeover.ready(); // from here on we accept, and a predecessor offers its connections
        takeover.awaitDone(); // a successor has everything
        group.shutdownGracefully();
    }
}
// GUIDE: end

package io.libzdt.examples.relay;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.libzdt.Config;
import io.libzdt.ErrorKind;
import io.libzdt.ListenerSpec;
import io.libzdt.Takeover;
import io.libzdt.ZdtException;
import io.libzdt.netty.NettyTakeover;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.util.Version;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import sun.misc.Signal;

/** The relay on Netty: a small server whose connections move to its successor, with everything half-way through. */
public final class Relay {
    private static final Set<String> FLAGS = Set.of("hold-before-ready", "refuse-all");
    private static final Set<String> VALUES = Set.of(
            "takeover",
            "listen",
            "transport",
            "loops",
            "probation-ms",
            "drain-ms",
            "commit-ms",
            "handshake-ms",
            "ready-ms",
            "hang-ms",
            "adopt-delay-ms",
            "stop-after-adopting",
            "die-after-adopting",
            "die-after-offering");
    private static final JsonFactory JSON = new JsonFactory();

    private Relay() {}

    /**
     * Serves until a successor has taken over.
     *
     * @param arguments as PROTOCOL.md says; {@code --transport epoll|nio}, {@code --loops N}
     */
    public static void main(String[] arguments) {
        try {
            run(options(arguments));
            System.exit(0);
        } catch (Throwable e) {
            System.err.println("relay-java: " + e);
            System.exit(1);
        }
    }

    private static Map<String, String> options(String[] arguments) {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i < arguments.length; i++) {
            String name = arguments[i].startsWith("--") ? arguments[i].substring(2) : "";
            if (FLAGS.contains(name)) {
                options.put(name, "");
            } else if (VALUES.contains(name) && i + 1 < arguments.length) {
                options.put(name, arguments[++i]);
            } else {
                throw new IllegalArgumentException(arguments[i] + " is not an option, or has no value");
            }
        }
        return options;
    }

    private static void run(Map<String, String> options) throws Exception {
        String runtime = "java " + System.getProperty("java.version") + " netty " + nettyVersion();
        Config.Builder config =
                Config.builder().program("relay").runtime(runtime).reads(Session.PROTOCOL, Session.STATE_VERSION);
        Map<String, Consumer<Duration>> durations = Map.of(
                "probation-ms", config::probation,
                "drain-ms", config::drain,
                "commit-ms", config::commit,
                "handshake-ms", config::handshake,
                "ready-ms", config::ready,
                "hang-ms", config::hang);
        durations.forEach((name, duration) -> {
            if (options.containsKey(name)) {
                duration.accept(Duration.ofMillis(Long.parseLong(options.get(name))));
            }
        });
        long pid = ProcessHandle.current().pid();
        Takeover takeover = Takeover.open(Path.of(options.get("takeover")), config.build());
        tell(
                "started",
                Map.of("pid", pid, "language", "java", "runtime", runtime, "generation", takeover.generation()));
        boolean inherited = takeover.predecessor().isPresent();

        Switches switches = new Switches(takeover, options);
        Onlooker onlooker = new Onlooker(takeover, switches);
        NettyTakeover netty = NettyTakeover.of(takeover, onlooker);
        onlooker.of(netty);
        String who = pid + " java " + takeover.generation();
        IoHandlerFactory transport = options.getOrDefault("transport", "epoll").equals("nio")
                ? NioIoHandler.newFactory()
                : EpollIoHandler.newFactory();
        int loops = Integer.parseInt(options.getOrDefault("loops", "1"));
        EventLoopGroup group = new MultiThreadIoEventLoopGroup(loops, transport);
        ServerBootstrap bootstrap = new ServerBootstrap()
                .group(group)
                .childOption(
                        ChannelOption.WRITE_BUFFER_WATER_MARK,
                        new WriteBufferWaterMark(RelayHandler.PRESSURE - 1, RelayHandler.PRESSURE - 1))
                .childHandler(new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        channel.pipeline().addLast(new RelayHandler(who, switches));
                    }
                });
        ListenerSpec spec = ListenerSpec.parse(options.get("listen"));
        Channel listener =
                netty.listen(bootstrap, "relay", spec, Session.PROTOCOL).sync().channel();
        InetSocketAddress address = (InetSocketAddress) listener.localAddress();
        String told = address.getAddress().getHostAddress() + ":" + address.getPort();
        tell("listening", Map.of("address", told, "inherited", inherited));
        switches.beforeReady();

        Signal.handle(new Signal("TERM"), signal -> drain(takeover));
        try {
            takeover.ready();
        } catch (ZdtException e) {
            if (e.kind() != ErrorKind.ATTEMPT_LOST) {
                throw e;
            }
            takeover.close(); // nothing was adopted, and the predecessor serves on
        }
        takeover.awaitDone();
    }

    private static void drain(Takeover takeover) {
        try {
            takeover.drain();
        } catch (IOException e) {
            System.err.println("relay-java: SIGTERM: " + e);
        }
    }

    private static String nettyVersion() {
        Version version = Version.identify().get("netty-transport");
        return version == null ? "" : version.artifactVersion();
    }

    /** Writes an event line (PROTOCOL.md, section 3). */
    static void tell(String event, Map<String, Object> fields) {
        StringWriter line = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(line)) {
            json.writeStartObject();
            json.writeStringField("event", event);
            for (Map.Entry<String, Object> field : fields.entrySet()) {
                json.writeObjectField(field.getKey(), field.getValue());
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        synchronized (System.out) {
            System.out.println(line);
            System.out.flush();
        }
    }
}

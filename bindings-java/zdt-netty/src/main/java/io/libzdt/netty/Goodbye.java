package io.libzdt.netty;

import io.netty.channel.ChannelHandlerContext;
import java.util.List;
import java.util.function.Function;

/** What is said to the client of a connection that stays, in the words of its protocol. On the connection's event loop. */
interface Goodbye {
    /** Of the protocol, for the counters. */
    String protocol();

    /** Says it, or sees to it that it is said at the next occasion; {@link Leave#said} then. It ends the connection. */
    void say();

    /** The successor has died. Whether it was not said yet, and will not be. */
    default boolean callOff() {
        return false;
    }

    /** The one for this pipeline; null: nobody knows what is spoken. */
    static Goodbye of(Leave leave) {
        // HTTP comes last: its observer stays where another protocol took over. Each class is touched only when it is
        // its turn, which a method reference would do at once.
        List<Function<Leave, Goodbye>> kinds = List.of(
                Goodbye::own,
                asked -> Http2Goodbye.of(asked),
                asked -> WebSocketGoodbye.of(asked),
                asked -> HttpGoodbye.of(asked));
        for (Function<Leave, Goodbye> kind : kinds) {
            try {
                Goodbye goodbye = kind.apply(leave);
                if (goodbye != null) {
                    return goodbye;
                }
            } catch (NoClassDefFoundError absent) {
                // Netty's codec is not on the class path, so no pipeline has it.
            }
        }
        return null;
    }

    /** Behind TLS it turns out only with its handshake what is spoken: {@link Leaving#spokenIs} follows. */
    static void lookBehindTls(Leaving connection) {
        if (Tls.IS_THERE) {
            Negotiation.await(connection);
        }
    }

    /** Every connection asks, and where a class is missing each look for it costs as much as accepting one: so one looks once. */
    final class Tls {
        static final boolean IS_THERE = isThere();

        private Tls() {}

        private static boolean isThere() {
            try {
                Class.forName("io.netty.handler.ssl.SslHandler", false, Goodbye.class.getClassLoader());
                return true;
            } catch (ClassNotFoundException absent) {
                return false;
            }
        }
    }

    private static Goodbye own(Leave leave) {
        ChannelHandlerContext ctx = leave.pipeline().context(Farewell.class);
        return ctx == null ? null : new Own(leave, ctx);
    }

    /** The application's own. */
    record Own(Leave leave, ChannelHandlerContext ctx) implements Goodbye {
        @Override
        public String protocol() {
            return ctx.handler().getClass().getSimpleName();
        }

        @Override
        public void say() {
            leave.said();
            ctx.executor().execute(this::leaveIt);
        }

        private void leaveIt() {
            try {
                ((Farewell) ctx.handler()).leave(ctx, leave.drain);
            } catch (Exception e) {
                leave.failed(e);
            }
        }

        /** It is told by the event, and asked again in the next drain if it is still there. */
        @Override
        public boolean callOff() {
            return true;
        }
    }
}

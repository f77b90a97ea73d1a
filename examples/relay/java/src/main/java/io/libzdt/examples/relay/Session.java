package io.libzdt.examples.relay;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufUtil;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** The relay's protocol (PROTOCOL.md) without any I/O: bytes in, bytes out, and the state that travels. */
final class Session {
    static final String PROTOCOL = "relay";
    static final int STATE_VERSION = 1;

    private static final int LINE = 128;
    private static final int ECHO = 65_536;
    private static final int BIG = 1_048_576;
    private static final int PAD = 1_000_000;
    private static final int HEAD = 24;
    private static final int REFUSE_ME = 1;
    private static final int ENDING = 2;

    private String name = "";
    private long counter;
    private int rx;
    private int tx;
    private int flags;
    private byte[] pad = new byte[0];

    /** Why a request is answered by {@code ERR}. */
    private static final class Wrong extends Exception {
        private static final long serialVersionUID = 1;

        Wrong(String reason) {
            super(reason, null, false, false);
        }
    }

    /** The session that a predecessor described. */
    static Session restore(byte[] state) {
        ByteBuffer in = ByteBuffer.wrap(state);
        require(state.length >= HEAD, "too short");
        Session session = new Session();
        session.counter = in.getLong();
        session.rx = in.getInt();
        session.tx = in.getInt();
        session.flags = in.get();
        byte[] name = new byte[in.get() & 0xff];
        require(in.getShort() == 0 && (session.flags & ~(REFUSE_ME | ENDING)) == 0, "not of version 1");
        long padding = in.getInt() & 0xffffffffL;
        require(padding <= PAD && in.remaining() == name.length + padding, "wrong length");
        in.get(name);
        session.name = new String(name, StandardCharsets.ISO_8859_1);
        require(name.length == 0 || isName(session.name), "the name is no name");
        session.pad = new byte[(int) padding];
        in.get(session.pad);
        return session;
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new IllegalArgumentException("state: " + what);
        }
    }

    byte[] state() {
        return ByteBuffer.allocate(HEAD + name.length() + pad.length)
                .putLong(counter)
                .putInt(rx)
                .putInt(tx)
                .put((byte) flags)
                .put((byte) name.length())
                .putShort((short) 0)
                .putInt(pad.length)
                .put(name.getBytes(StandardCharsets.ISO_8859_1))
                .put(pad)
                .array();
    }

    String name() {
        return name;
    }

    boolean wantsRefusal() {
        return (flags & REFUSE_ME) != 0;
    }

    /** It was refused: the next successor may have it. */
    void wasRefused() {
        flags &= ~REFUSE_ME;
    }

    /** Whether nothing more is carried out. */
    boolean isEnding() {
        return (flags & ENDING) != 0;
    }

    /** Carries out the request that {@code in} begins with, and gives the reply; null: it is not complete. */
    ByteBuf serve(ByteBuf in, String who, ByteBufAllocator allocator) {
        try {
            return request(in, who, allocator);
        } catch (Wrong wrong) {
            flags |= ENDING;
            return reply(allocator, "ERR " + counter + " " + wrong.getMessage(), new byte[0]);
        }
    }

    private ByteBuf request(ByteBuf in, String who, ByteBufAllocator allocator) throws Wrong {
        int end = in.bytesBefore(Math.min(LINE, in.readableBytes()), (byte) '\n');
        if (end < 0) {
            if (in.readableBytes() < LINE) {
                return null;
            }
            throw new Wrong("line");
        }
        String request = text(in, end);
        String[] words = request.split(" ", 2);
        String word = words[0];
        String rest = words.length == 1 ? "" : words[1];
        if (word.equals("HELLO") != name.isEmpty()) {
            throw new Wrong("hello");
        }
        int length = end + 1 + (word.equals("ECHO") ? number(rest, ECHO) : 0);
        if (in.readableBytes() < length) {
            return null;
        }
        byte[] payload = ByteBufUtil.getBytes(in, in.readerIndex() + end + 1, length - end - 1);
        long number = counter + 1;
        int sum = Crc.add(rx, ByteBufUtil.getBytes(in, in.readerIndex(), length));
        String line = word + " " + number;
        byte[] body = new byte[0];
        switch (word) {
            case "HELLO" -> {
                if (!isName(rest)) {
                    throw new Wrong("line");
                }
                name = rest;
                line += " " + rest;
            }
            case "ECHO" -> {
                line += " " + payload.length;
                body = payload;
            }
            case "BIG" -> {
                body = Pattern.of(number, number(rest, BIG));
                line += " " + body.length;
            }
            case "PAD" -> {
                pad = Pattern.of(number, number(rest, PAD));
                line += " " + pad.length;
            }
            default -> line += plain(request, sum, who);
        }
        counter = number;
        rx = sum;
        in.skipBytes(length);
        return reply(allocator, line, body);
    }

    /** The rest of the reply to a request without a number in it. */
    private String plain(String request, int sum, String who) throws Wrong {
        return switch (request) {
            case "SUM" -> " %08x %08x".formatted(sum, tx);
            case "WHO" -> " " + who;
            case "PAD?" -> " %d %08x".formatted(pad.length, Crc.add(0, pad));
            case "TAG refuse-me" -> {
                flags |= REFUSE_ME;
                yield " refuse-me";
            }
            case "BYE" -> {
                flags |= ENDING;
                yield "";
            }
            default -> throw new Wrong("line");
        };
    }

    private ByteBuf reply(ByteBufAllocator allocator, String line, byte[] body) {
        byte[] head = (line + "\n").getBytes(StandardCharsets.ISO_8859_1);
        tx = Crc.add(Crc.add(tx, head), body);
        return allocator.buffer(head.length + body.length).writeBytes(head).writeBytes(body);
    }

    private static String text(ByteBuf in, int length) throws Wrong {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(in.nioBuffer(in.readerIndex(), length))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new Wrong("line");
        }
    }

    private static boolean isName(String name) {
        return name.matches("[A-Za-z0-9._-]{1,64}");
    }

    private static int number(String digits, int limit) throws Wrong {
        if (!digits.matches("[0-9]{1,10}")) {
            throw new Wrong("line");
        }
        long number = Long.parseLong(digits);
        if (number > limit) {
            throw new Wrong("size");
        }
        return (int) number;
    }
}

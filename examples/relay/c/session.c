#include "session.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE = 128,
    NAME = 64,
    ECHO = 65536,
    BIG = 1048576,
    PAD = 1000000,
    PRESSURE = 1048576, /* bytes of replies from which on nothing more is carried out */
    STATE_HEAD = 24
};

/* ---- bytes ---- */

unsigned char *bytes_room(struct bytes *bytes, size_t length) {
    if (bytes->room - bytes->end < length) {
        size_t there = bytes_length(bytes);
        size_t room = bytes->room / 2 > there + length ? bytes->room : 2 * (there + length);
        unsigned char *data = malloc(room);
        if (!data) {
            perror("relay-c: malloc");
            exit(1);
        }
        if (there > 0)
            memcpy(data, bytes->data + bytes->start, there);
        free(bytes->data);
        *bytes = (struct bytes){.data = data, .end = there, .room = room};
    }
    return bytes->data + bytes->end;
}

void bytes_put(struct bytes *bytes, const void *data, size_t length) {
    if (data && length > 0)
        memcpy(bytes_room(bytes, length), data, length);
    bytes->end += length;
}

void bytes_take(struct bytes *bytes, size_t length) {
    bytes->start += length;
    if (bytes->start == bytes->end)
        bytes->start = bytes->end = 0;
}

void bytes_free(struct bytes *bytes) {
    free(bytes->data);
    *bytes = (struct bytes){0};
}

/* ---- checksum and pattern ---- */

/* CRC-32 as zlib has it, continued from `crc`. */
static uint32_t checksum(uint32_t crc, const void *data, size_t length) {
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t value = byte;
            for (int bit = 0; bit < 8; bit++)
                value = value & 1 ? 0xEDB88320u ^ value >> 1 : value >> 1;
            table[byte] = value;
        }
    const unsigned char *bytes = data;
    crc = ~crc;
    for (size_t at = 0; at < length; at++)
        crc = table[(crc ^ bytes[at]) & 0xff] ^ crc >> 8;
    return ~crc;
}

/* Puts pattern(counter), `length` bytes of it. */
static void put_pattern(struct bytes *bytes, uint64_t counter, size_t length) {
    unsigned char *to =
        bytes_room(bytes, length + 65); /* the last line is written whole and cut, with a NUL behind it */
    for (uint32_t line = 0; (size_t)line * 64 < length; line++)
        snprintf((char *)to + (size_t)line * 64, 65, "%016" PRIx64 " %08" PRIx32 " %s\n", counter, line,
                 ".....................................");
    bytes_put(bytes, NULL, length);
}

/* ---- the state that travels ---- */

static uint32_t get32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(struct bytes *bytes, uint32_t value) {
    unsigned char big[4] = {value >> 24 & 0xff, value >> 16 & 0xff, value >> 8 & 0xff, value & 0xff};
    bytes_put(bytes, big, sizeof big);
}

static bool is_name(const char *name, size_t length) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    for (size_t at = 0; at < length; at++)
        if (!name[at] || !strchr(allowed, name[at]))
            return false;
    return length >= 1 && length <= NAME;
}

bool session_restore(struct session *session, const void *state, size_t length) {
    const unsigned char *at = state;
    if (length < STATE_HEAD)
        return false;
    size_t name = at[17], pad = get32(at + 20);
    if (at[16] > (SESSION_REFUSE_ME | SESSION_ENDING) || at[18] || at[19] || pad > PAD ||
        length != STATE_HEAD + name + pad || (name > 0 && !is_name((const char *)at + STATE_HEAD, name)))
        return false;
    session->counter = (uint64_t)get32(at) << 32 | get32(at + 4);
    session->rx = get32(at + 8);
    session->tx = get32(at + 12);
    session->flags = at[16];
    memcpy(session->name, at + STATE_HEAD, name);
    session->name[name] = 0;
    bytes_put(&session->pad, at + STATE_HEAD + name, pad);
    return true;
}

void session_state(const struct session *session, struct bytes *state) {
    size_t name = strlen(session->name), pad = bytes_length(&session->pad);
    put32(state, (uint32_t)(session->counter >> 32));
    put32(state, (uint32_t)session->counter);
    put32(state, session->rx);
    put32(state, session->tx);
    bytes_put(state, (unsigned char[]){session->flags, (unsigned char)name, 0, 0}, 4);
    put32(state, (uint32_t)pad);
    bytes_put(state, session->name, name);
    bytes_put(state, bytes_first(&session->pad), pad);
}

/* ---- requests ---- */

/* The line of a reply; its body follows with reply_body. */
static void reply(struct session *session, const char *format, ...) {
    char line[LINE + 64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    session->tx = checksum(session->tx, line, (size_t)length);
    bytes_put(&session->output, line, (size_t)length);
}

static void reply_body(struct session *session, const void *body, size_t length) {
    session->tx = checksum(session->tx, body, length);
    bytes_put(&session->output, body, length);
}

/* A decimal number up to `limit`, or the word for what is wrong with it. */
static const char *number(const char *digits, size_t limit, size_t *result) {
    size_t length = strlen(digits);
    if (length < 1 || length > 10 || strspn(digits, "0123456789") != length)
        return "line";
    unsigned long long value = strtoull(digits, NULL, 10);
    *result = (size_t)value;
    return value <= limit ? NULL : "size";
}

/* Carries out the first request of the input. *used: its length, 0 where it is not complete. Else the word for an error. */
static const char *request(struct session *session, const char *who, size_t *used) {
    const unsigned char *input = bytes_first(&session->input);
    size_t there = bytes_length(&session->input);
    const unsigned char *end = there ? memchr(input, '\n', there < LINE ? there : LINE) : NULL;
    *used = 0;
    if (!end)
        return there < LINE ? NULL : "line";

    char word[LINE]; /* the first word; `rest` is what is behind the space */
    size_t line = (size_t)(end - input);
    memcpy(word, input, line);
    word[line] = 0;
    if (strlen(word) != line)
        return "line"; /* a NUL byte */
    char *rest = strchr(word, ' ');
    rest ? *rest++ = 0 : (rest = word + line, 0);

    if ((strcmp(word, "HELLO") == 0) != (session->name[0] == 0))
        return "hello";
    size_t n = 0, length = line + 1;
    const char *wrong = NULL;
    if (strcmp(word, "ECHO") == 0) {
        if ((wrong = number(rest, ECHO, &n)))
            return wrong;
        length += n;
        if (there < length)
            return NULL;
    }
    uint64_t counter = session->counter + 1;
    uint32_t rx = checksum(session->rx, input, length);
    if (strcmp(word, "HELLO") == 0 && is_name(rest, strlen(rest))) {
        strcpy(session->name, rest); /* is_name saw to the length */
        reply(session, "HELLO %" PRIu64 " %s\n", counter, rest);
    } else if (strcmp(word, "ECHO") == 0) {
        reply(session, "ECHO %" PRIu64 " %zu\n", counter, n);
        reply_body(session, end + 1, n);
    } else if (strcmp(word, "BIG") == 0) {
        if ((wrong = number(rest, BIG, &n)))
            return wrong;
        reply(session, "BIG %" PRIu64 " %zu\n", counter, n);
        put_pattern(&session->output, counter, n);
        session->tx = checksum(session->tx, session->output.data + session->output.end - n, n);
    } else if (strcmp(word, "SUM") == 0 && !*rest) {
        reply(session, "SUM %" PRIu64 " %08" PRIx32 " %08" PRIx32 "\n", counter, rx, session->tx);
    } else if (strcmp(word, "WHO") == 0 && !*rest) {
        reply(session, "WHO %" PRIu64 " %s\n", counter, who);
    } else if (strcmp(word, "PAD") == 0) {
        if ((wrong = number(rest, PAD, &n)))
            return wrong;
        bytes_take(&session->pad, bytes_length(&session->pad));
        put_pattern(&session->pad, counter, n);
        reply(session, "PAD %" PRIu64 " %zu\n", counter, n);
    } else if (strcmp(word, "PAD?") == 0 && !*rest) {
        size_t pad = bytes_length(&session->pad);
        uint32_t crc = checksum(0, bytes_first(&session->pad), pad);
        reply(session, "PAD? %" PRIu64 " %zu %08" PRIx32 "\n", counter, pad, crc);
    } else if (strcmp(word, "TAG") == 0 && strcmp(rest, "refuse-me") == 0) {
        session->flags |= SESSION_REFUSE_ME;
        reply(session, "TAG %" PRIu64 " refuse-me\n", counter);
    } else if (strcmp(word, "BYE") == 0 && !*rest) {
        session->flags |= SESSION_ENDING;
        reply(session, "BYE %" PRIu64 "\n", counter);
    } else {
        return "line";
    }
    session->counter = counter;
    session->rx = rx;
    *used = length;
    return NULL;
}

bool session_serve(struct session *session, const char *who) {
    bool any = false;
    while (session_takes_more(session)) {
        size_t used;
        const char *wrong = request(session, who, &used);
        if (wrong) {
            reply(session, "ERR %" PRIu64 " %s\n", session->counter, wrong);
            session->flags |= SESSION_ENDING;
        } else if (used == 0) {
            break;
        }
        bytes_take(&session->input, used);
        any = true;
    }
    return any;
}

bool session_takes_more(const struct session *session) {
    return !(session->flags & SESSION_ENDING) && bytes_length(&session->output) < PRESSURE;
}

bool session_ended(const struct session *session) {
    return session->flags & SESSION_ENDING && bytes_length(&session->output) == 0;
}

void session_free(struct session *session) {
    bytes_free(&session->pad);
    bytes_free(&session->input);
    bytes_free(&session->output);
}

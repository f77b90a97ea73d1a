/* The relay's protocol (PROTOCOL.md) without any I/O: bytes in, bytes out, and the state that travels. */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "bytes.h"
#include <stdbool.h>
#include <stdint.h>

#define SESSION_PROTOCOL      "relay"
#define SESSION_STATE_VERSION 1

enum { SESSION_REFUSE_ME = 1, SESSION_ENDING = 2 };

/* What one connection is to the relay. All bytes 0 is a new one. */
struct session {
    char name[65];
    uint64_t counter;
    uint32_t rx, tx; /* checksums: of the requests carried out, of the replies made */
    uint8_t flags;
    struct bytes pad;
    struct bytes input;  /* received and not carried out yet: it travels as `unread` */
    struct bytes output; /* replies that are not in the socket yet: it travels as `unsent` */
};

/* Fills a new session with a state that a predecessor wrote; false where it is not one of version 1. */
bool session_restore(struct session *session, const void *state, size_t length);
/* Writes the state that travels. */
void session_state(const struct session *session, struct bytes *state);
/* Carries out what is complete in the input, as far as pressure allows; `who` answers WHO. Says whether it did anything. */
bool session_serve(struct session *session, const char *who);
/* Whether it takes more bytes now. */
bool session_takes_more(const struct session *session);
/* Whether nothing is left but to end the connection. */
bool session_ended(const struct session *session);
void session_free(struct session *session);

#endif

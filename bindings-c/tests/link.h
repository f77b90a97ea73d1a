/* What the tests of two processes share. */
#ifndef LINK_H
#define LINK_H

#include "check.h"

enum { BIG_STATE = 200 * 1024, LIVE = 40, QUEUED = 3 };
enum {
    WITH_COMPANION = 1,
    BIG = 2,
    REFUSED = 3,
    ADDRESSED = 4,
    DIALLED = 5
}; /* connections with something special */

extern zdt_error *err; /* of the call at hand */

zdt_bytes text_bytes(const char *text);
bool same(zdt_bytes bytes, const char *text);
/* A handle for these tests; ready_ms as in zdt_config. */
zdt_takeover *open_with(const char *path, int64_t ready_ms);
/* The first of a chain, with a listener and ready. */
zdt_takeover *serving(const char *path, int *listener);
/* The handle of a successor that has the listener and is ready. */
zdt_takeover *succeed(const char *path, int *listener);
/* Starts a role as our successor and waits until it is to get our connections. */
pid_t successor(zdt_takeover *t, const char *role, const char *path, zdt_event *event);
int dial(int listener);
int accept_one(int listener);
/* Offers connection n with everything it can have; companion -1: none. */
void migrate(zdt_takeover *t, long n, int fd, int companion);
/* Checks every field of an offer, and says which connection it is. */
long check_offer(const zdt_offer *offer);

#endif

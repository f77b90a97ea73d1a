/* A predecessor and a successor in one process: whoever waits for one of them lets both work. */
#ifndef TWO_H
#define TWO_H

#include "check.h"

enum { FIRST, SECOND };
struct two {
    zdt_takeover *t[2];
    zdt_event waiting[2][16]; /* came while the other one was waited for; their causes and successors are gone */
    int count[2];
};

/* No probation. */
zdt_config quick(void);
/* zdt_open of the next generation, while `owner` answers it in this thread and is told nothing yet. */
int open_beside(zdt_takeover *owner, const char *path, const zdt_config *config, zdt_takeover **t, zdt_error **err);
/* A predecessor that is ready, with nothing to serve, and its successor, which is not. */
struct two two_open(const char *path, zdt_config first, zdt_config second);
/* The same, with the successor ready and ZDT_DRAIN taken. */
struct two two_draining(const char *path, zdt_config first, zdt_config second);
/* Whether the next event of this one, within 20 s, is of this kind. */
bool next_of(struct two *two, int who, int kind, zdt_event *event);
/* The next offer to the successor, which may commit before it; to be answered. NULL: there is none. */
zdt_offer *offered(struct two *two);
void two_free(struct two *two);

/* Two connected sockets, and a connection of the second, frozen, with this id. */
zdt_connection frozen(uint64_t id, int pair[2]);

#endif

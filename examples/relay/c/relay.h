/* The server as it would be without takeovers: epoll, a listener, connections. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "session.h"

/* One connection: its socket and what is being said on it. */
struct live {
    struct live *previous, *next;
    int fd;
    bool frozen; /* out of the poller: on offer to a successor */
    struct session session;
};

/* All that is served. One thread; whatever epoll says about a connection carries its pointer. */
struct relay {
    int epoll;
    int listener; /* -1: closed for good */
    bool accepting;
    struct live *first;
    size_t count;
    struct live *next_to_offer; /* a place in the list, moved on when that connection ends */
    char who[64];               /* what WHO answers */
};

/* Says what failed, and ends the process. */
_Noreturn void die(const char *what);

void relay_start(struct relay *relay, int listener);
void relay_accept(struct relay *relay);         /* from here on it accepts */
void relay_stop_accepting(struct relay *relay); /* from here on it does not, but may again */
void relay_accept_all(struct relay *relay);     /* accepts whoever waits */
void relay_close_listener(struct relay *relay); /* it never accepts again */
/* Makes a connection of this socket, out of the poller still: fill its session, then thaw it. */
struct live *relay_add(struct relay *relay, int fd);
void relay_freeze(struct relay *relay, struct live *live);
/* Puts it into the poller; that makes its first event, so bytes that came along are seen to at once. */
void relay_thaw(struct relay *relay, struct live *live);
/* Lets go of a connection that another process uses: close, and nothing else. */
void relay_let_go(struct relay *relay, struct live *live);
/* Ends a connection that is ours. */
void relay_end(struct relay *relay, struct live *live);
/* Waits up to timeout_ms and serves what is ready; says whether `other`, a descriptor in the poller too, is readable. */
bool relay_turn(struct relay *relay, int timeout_ms, const int *other);

#endif

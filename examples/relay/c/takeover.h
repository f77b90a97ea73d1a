/* The relay's part in a takeover: what it does at each event, and what it tells about it on stdout. */
#ifndef RELAY_TAKEOVER_H
#define RELAY_TAKEOVER_H

#include "relay.h"
#include <zdt.h>

struct options {
    const char *takeover; /* path of the takeover socket */
    const char *listen;   /* tcp://ADDRESS:PORT */
    int64_t probation_ms; /* 0: the default, as for zdt_config; negative: none */
    int64_t drain_ms;
    int64_t commit_ms;
    int64_t handshake_ms;
    int64_t ready_ms;
    int64_t hang_ms;
    /* Switches for tests (PROTOCOL.md, section 4); a count of -1 is off. */
    bool hold_before_ready;
    bool refuse_all;
    unsigned adopt_delay_ms;
    long stop_after_adopting;
    long die_after_adopting;
    long die_after_offering;
};

struct takeover {
    zdt_takeover *zdt;
    struct options options;
    struct relay *relay;
    int event_fd;
    bool draining;   /* from Drain with a successor until everything offered is settled or back */
    bool said_all;   /* zdt_migrated_all was called */
    bool alone;      /* draining, and nobody to take the connections: they are served to their end */
    bool retired;    /* the successor left the listener to us */
    bool leaving;    /* done or aborted: exit once nothing is left, or at the deadline */
    double began;    /* seconds: when Drain came */
    double deadline; /* seconds: when draining has to be over */
    double told;     /* seconds: when progress was told last */
    size_t expected; /* connections at Drain */
    size_t offered, moved, returned, adopted;
    size_t told_moved, told_returned;
};

/* Finds the predecessor or is the first, gets the listener, says ready. Ends the process where that fails. */
void takeover_start(struct takeover *takeover, struct relay *relay, const struct options *options);
/* Sees to all events there are. */
void takeover_events(struct takeover *takeover);
/* What time brings: progress, and the last connections' end. Says whether the process is to go on. */
bool takeover_tick(struct takeover *takeover);

#endif

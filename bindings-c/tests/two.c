#define _GNU_SOURCE
#include "two.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

static zdt_error *err;

zdt_config quick(void) {
    zdt_config config = ZDT_CONFIG_INIT;
    config.probation_ms = -1;
    return config;
}

struct opening {
    const char *path;
    const zdt_config *config;
    zdt_takeover **t;
    zdt_error **err;
    int result;
    atomic_bool done;
};

static void *open_here(void *argument) {
    struct opening *opening = argument;
    opening->result = zdt_open(opening->path, opening->config, opening->t, opening->err);
    opening->done = true;
    return NULL;
}

int open_beside(zdt_takeover *owner, const char *path, const zdt_config *config, zdt_takeover **t, zdt_error **e) {
    struct opening opening = {.path = path, .config = config, .t = t, .err = e};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, open_here, &opening) == 0);
    zdt_event event = ZDT_EVENT_INIT;
    while (!opening.done)
        CHECK(WORKS(zdt_next_event(owner, 5, &event, &err)) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return opening.result;
}

struct two two_open(const char *path, zdt_config first, zdt_config second) {
    struct two two = {.count = {0, 0}};
    WORKS(zdt_open(path, &first, &two.t[FIRST], &err));
    WORKS(zdt_ready(two.t[FIRST], &err));
    WORKS(open_beside(two.t[FIRST], path, &second, &two.t[SECOND], &err));
    return two;
}

struct two two_draining(const char *path, zdt_config first, zdt_config second) {
    struct two two = two_open(path, first, second);
    zdt_event event = ZDT_EVENT_INIT;
    WORKS(zdt_ready(two.t[SECOND], &err));
    CHECK(next_of(&two, FIRST, ZDT_DRAIN, &event));
    return two;
}

/* The oldest event that waits for this one. */
static bool waiting_for(struct two *two, int who, zdt_event *event) {
    if (two->count[who] == 0)
        return false;
    *event = two->waiting[who][0];
    two->count[who]--;
    for (int at = 0; at < two->count[who]; at++)
        two->waiting[who][at] = two->waiting[who][at + 1];
    return true;
}

static bool take(struct two *two, int who, zdt_event *event) {
    for (int turn = 0; turn < 10000; turn++) {
        if (waiting_for(two, who, event))
            return true;
        for (int one = FIRST; one <= SECOND; one++) {
            zdt_event came = ZDT_EVENT_INIT;
            if (WORKS(zdt_next_event(two->t[one], 1, &came, &err)) != 1)
                continue;
            CHECK(two->count[one] < 16);
            two->waiting[one][two->count[one]++] = came;
        }
    }
    return false;
}

bool next_of(struct two *two, int who, int kind, zdt_event *event) {
    if (take(two, who, event) && event->kind == kind)
        return true;
    fprintf(stderr, "of %d event %d came, not %d\n", who, event->kind, kind);
    return false;
}

zdt_offer *offered(struct two *two) {
    zdt_event event = ZDT_EVENT_INIT;
    while (take(two, SECOND, &event) && event.kind == ZDT_COMMITTED)
        ;
    CHECK(event.kind == ZDT_OFFER);
    return event.offer;
}

void two_free(struct two *two) {
    zdt_event event = ZDT_EVENT_INIT;
    for (int who = FIRST; who <= SECOND; who++)
        while (waiting_for(two, who, &event))
            if (event.offer)
                WORKS(zdt_refuse(two->t[who], &event.offer, NULL, &err));
    zdt_free(two->t[SECOND]);
    zdt_free(two->t[FIRST]);
}

zdt_connection frozen(uint64_t id, int pair[2]) {
    zdt_connection connection = ZDT_CONNECTION_INIT;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    connection.id = id;
    connection.fd = pair[1];
    connection.protocol = "test";
    return connection;
}

/* A worker: it accepts, serves, and migrates what it has. */
#define _GNU_SOURCE
#include "prefork.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST_LINE = 4096, ROOM = 4 * LONGEST_LINE };

/* A connection: what is known of it, and what is under way. */
struct live {
    struct live *next, **self;
    int fd;
    bool frozen; /* on offer: not to be touched */
    unsigned long long count;
    size_t unread_length, unsent_length;
    char unread[LONGEST_LINE], unsent[ROOM];
};

static int poller, listener = -1;
static bool draining, migrating;
static struct live *all;
static zdt_worker *w;

static void watch(int fd, void *what, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) && errno != EEXIST)
        must(-1, "epoll_ctl", NULL);
}

static void unwatch(int fd) { (void)epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL); /* it may be out already */ }

/* Takes a connection out of the list, without a word to its peer. */
static void forget(struct live *live) {
    unwatch(live->fd);
    close(live->fd);
    if (live->next)
        live->next->self = live->self;
    *live->self = live->next;
    free(live);
}

/* Answers the complete lines there are, as far as there is room. Whether there was one. */
static bool answer(struct live *live) {
    char *end = memchr(live->unread, '\n', live->unread_length);
    if (!end)
        return false;
    size_t length = (size_t)(end + 1 - live->unread);
    if (ROOM - live->unsent_length < length + 64)
        return false;
    int head = snprintf(live->unsent + live->unsent_length, 64, "%llu %d ", ++live->count, (int)getpid());
    memcpy(live->unsent + live->unsent_length + head, live->unread, length);
    live->unsent_length += (size_t)head + length;
    memmove(live->unread, end + 1, live->unread_length -= length);
    return true;
}

/* Reads, answers, writes, until it would have to wait. */
static void serve(struct live *live) {
    for (;;) {
        while (answer(live))
            ;
        ssize_t n;
        if (live->unsent_length)
            n = send(live->fd, live->unsent, live->unsent_length, MSG_NOSIGNAL);
        else if (live->unread_length < LONGEST_LINE)
            n = recv(live->fd, live->unread + live->unread_length, LONGEST_LINE - live->unread_length, 0);
        else
            n = 0; /* a line that is too long */
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            shutdown(live->fd, SHUT_RDWR); /* another process may still hold a copy */
            forget(live);
            return;
        }
        if (live->unsent_length)
            memmove(live->unsent, live->unsent + n, live->unsent_length -= (size_t)n);
        else
            live->unread_length += (size_t)n;
    }
    struct epoll_event event = {.events = live->unsent_length ? EPOLLOUT : EPOLLIN, .data.ptr = live};
    must(epoll_ctl(poller, EPOLL_CTL_MOD, live->fd, &event), "epoll_ctl", NULL);
}

static struct live *add(int fd) {
    struct live *live = calloc(1, sizeof *live);
    must(live ? 0 : -1, "calloc", NULL);
    live->fd = fd;
    live->next = all;
    live->self = &all;
    if (all)
        all->self = &live->next;
    all = live;
    watch(fd, live, EPOLLIN);
    return live;
}

static void accept_all(void) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
        serve(add(fd));
}

static void accept_from_here_on(void) {
    draining = migrating = false;
    if (listener >= 0)
        watch(listener, &listener, EPOLLIN);
}

/* Freezes and offers every connection, as far as there is room. */
static void migrate(void) {
    if (!migrating)
        return;
    for (struct live *live = all; live; live = live->next) {
        if (live->frozen)
            continue;
        char state[32];
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        struct zdt_connection connection = ZDT_CONNECTION_INIT;
        connection.id = (uintptr_t)live;
        connection.fd = live->fd;
        connection.protocol = "count";
        connection.state_version = 1;
        connection.state = (zdt_bytes){state, (size_t)snprintf(state, sizeof state, "%llu", live->count)};
        if (getpeername(live->fd, (struct sockaddr *)&peer, &length) == 0) {
            connection.peer = (struct sockaddr *)&peer;
            connection.peer_length = length;
        }
        connection.unread = (zdt_bytes){live->unread, live->unread_length};
        connection.unsent = (zdt_bytes){live->unsent, live->unsent_length};
        unwatch(live->fd);
        live->frozen = true;
        int migrated = zdt_worker_migrate(w, &connection, NULL);
        if (migrated == 0)
            continue;
        live->frozen = false; /* full, or it cannot move: served on */
        watch(live->fd, live, live->unsent_length ? EPOLLOUT : EPOLLIN);
        if (migrated == ZDT_FULL)
            return; /* until there is room */
    }
    zdt_worker_migrated_all(w, NULL); /* fails where the attempt is off by now: ZDT_RESUME follows */
}

/* The state of a connection on offer; false where it is not one that we know. */
static bool known(const struct zdt_offer *offer, unsigned long long *count) {
    char state[32] = "", *end = state;
    if (strcmp(offer->protocol, "count") != 0 || offer->state.length >= sizeof state ||
        offer->unread.length > LONGEST_LINE || offer->unsent.length > ROOM)
        return false;
    if (offer->state.length)
        memcpy(state, offer->state.data, offer->state.length);
    *count = strtoull(state, &end, 10);
    return end != state && *end == '\0';
}

/* What was half-way comes along: it is used and written before anything else. */
static void adopt(struct zdt_event *event) {
    unsigned long long count;
    struct zdt_connection connection = ZDT_CONNECTION_INIT;
    if (!known(event->offer, &count)) {
        zdt_worker_refuse(w, &event->offer, "no count", NULL);
        return;
    }
    const struct sockaddr_in *peer = (const void *)event->offer->peer;
    printf("adopting %d %d\n", (int)getpid(), peer ? ntohs(peer->sin_port) : 0);
    if (options.slowly_ms)
        poll(NULL, 0, (int)options.slowly_ms);
    if (zdt_worker_adopt(w, &event->offer, &connection, NULL) != 0)
        return; /* it went back meanwhile */
    struct live *live = add(connection.fd);
    live->count = count;
    if ((live->unread_length = connection.unread.length))
        memcpy(live->unread, connection.unread.data, connection.unread.length);
    if ((live->unsent_length = connection.unsent.length))
        memcpy(live->unsent, connection.unsent.data, connection.unsent.length);
    zdt_connection_free(&connection);
    serve(live);
}

static void thaw(struct live *live, int why) {
    live->frozen = false;
    watch(live->fd, live, live->unsent_length ? EPOLLOUT : EPOLLIN);
    if (why == ZDT_TAKEN_BACK)
        migrate(); /* a worker over there died: another may take it */
}

static void take_events(void) {
    struct zdt_event event = ZDT_EVENT_INIT;
    zdt_error *err = NULL;
    while (must(zdt_worker_next_event(w, 0, &event, &err), "next_event", err))
        switch (event.kind) {
        case ZDT_READY: printf("ready %d\n", (int)getpid()); /* fall through */
        case ZDT_RESUME:
        case ZDT_ACCEPT: accept_from_here_on(); break;
        case ZDT_OFFER: adopt(&event); break;
        case ZDT_DRAIN:
            unwatch(listener);
            draining = true;
            migrating = event.successor != NULL; /* fall through */
        case ZDT_ROOM: migrate(); break;
        case ZDT_SETTLED: forget((struct live *)(uintptr_t)event.id); break; /* closes our copy, no shutdown */
        case ZDT_RETURNED: thaw((struct live *)(uintptr_t)event.id, event.reason); break;
        case ZDT_DONE:
        case ZDT_RELIEVED:
        case ZDT_ABORTED:
            migrating = false;
            if (listener >= 0)
                close(listener); /* what is left is served to its end */
            listener = -1;
            break;
        }
    /* Draining alone, a worker is through when the last client has left. */
    if (draining && !migrating && !all)
        zdt_worker_migrated_all(w, NULL);
}

int work(int seat) {
    struct zdt_config with = config();
    zdt_error *err = NULL;
    must(zdt_worker_join(seat, &with, &w, &err), "join", err);
    listener = must(zdt_worker_listener(w, "count", &err), "listener", err);
    poller = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1", NULL);
    watch(zdt_worker_event_fd(w), &w, EPOLLIN);
    while (listener >= 0 || all) {
        struct epoll_event ready; /* one at a time: what follows may forget others */
        int count = epoll_wait(poller, &ready, 1, -1);
        if (count < 0 && errno != EINTR)
            must(-1, "epoll_wait", NULL);
        if (count > 0 && ready.data.ptr == &listener)
            accept_all();
        else if (count > 0 && ready.data.ptr != &w)
            serve(ready.data.ptr);
        take_events();
    }
    zdt_worker_free(w);
    return 0;
}

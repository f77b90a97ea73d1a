/*
 * The smallest server that can be taken over: it echoes. Start it, connect, start it again: the second one goes on with
 * the same connections, and the first one ends. The one in Rust (core/examples/smallest.rs) can take over too.
 *
 *     cc smallest.c $(pkg-config --cflags --libs zdt) -o smallest && ./smallest /tmp/smallest.sock 127.0.0.1:7007
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zdt.h>

enum { ROOM = 4096 };

/* A connection: what was read and is not written back yet. */
struct live {
    struct live *next, **self;
    int fd;
    size_t length;
    bool frozen; /* on offer: not to be touched */
    char unsent[ROOM];
};

static int poller, listener;
static struct live *all;
static zdt_takeover *t;
static zdt_error *err;

static void die(const char *what) {
    fprintf(stderr, "smallest: %s\n", what);
    exit(1);
}

/* A call of libzdt that must not fail. */
static int must(int result) {
    if (result < 0)
        die(zdt_error_message(err));
    return result;
}

static void watch(int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) && errno != EEXIST)
        die("epoll_ctl");
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

/* Reads and writes back until it would have to wait. */
static void echo(struct live *live) {
    for (;;) {
        ssize_t n = live->length ? send(live->fd, live->unsent, live->length, MSG_NOSIGNAL)
                                 : recv(live->fd, live->unsent, ROOM, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            shutdown(live->fd, SHUT_RDWR); /* another process may still hold a copy */
            forget(live);
            return;
        }
        if (live->length)
            memmove(live->unsent, live->unsent + n, live->length -= (size_t)n);
        else
            live->length = (size_t)n;
    }
    struct epoll_event event = {.events = live->length ? EPOLLOUT : EPOLLIN, .data.ptr = live};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, live->fd, &event))
        die("epoll_ctl");
}

static void serve(int fd, const void *unsent, size_t length) {
    struct live *live = calloc(1, sizeof *live);
    if (!live)
        die("calloc");
    *live = (struct live){.next = all, .self = &all, .fd = fd, .length = length};
    if (length)
        memcpy(live->unsent, unsent, length);
    if (all)
        all->self = &live->next;
    all = live;
    watch(fd, live);
    echo(live);
}

static void stop_accepting(void) { unwatch(listener); }

/* Freezes and offers every connection, as far as there is room. */
static void migrate_all(void) {
    stop_accepting();
    for (struct live *live = all; live; live = live->next) {
        if (live->frozen)
            continue;
        struct zdt_connection connection = ZDT_CONNECTION_INIT;
        connection.id = (uintptr_t)live;
        connection.fd = live->fd;
        connection.protocol = "echo";
        connection.unsent = (zdt_bytes){live->unsent, live->length};
        unwatch(live->fd);
        live->frozen = true;
        int migrated = zdt_migrate(t, &connection, NULL);
        if (migrated == 0)
            continue;
        live->frozen = false; /* full, or it cannot move: served on */
        watch(live->fd, live);
        if (migrated == ZDT_FULL)
            return; /* until there is room */
    }
    zdt_migrated_all(t, NULL); /* fails where the attempt is off by now: ZDT_RESUME follows */
}

/* What was half-way comes along: it is written before anything else. */
static void adopt(struct zdt_event *event) {
    struct zdt_connection connection = ZDT_CONNECTION_INIT;
    if (event->offer->unsent.length > ROOM) {
        zdt_refuse(t, &event->offer, "more unsent bytes than there is room for", NULL);
    } else if (zdt_adopt(t, &event->offer, &connection, NULL) == 0) {
        serve(connection.fd, connection.unsent.data, connection.unsent.length);
        zdt_connection_free(&connection);
    }
}

static void thaw(struct live *live) {
    live->frozen = false;
    watch(live->fd, live);
    echo(live);
}

/* The service goes on elsewhere; what is left here is served to its end. */
static void leave(void) {
    if (listener < 0)
        return;
    stop_accepting();
    close(listener);
    listener = -1;
}

static void takeover_events(void) {
    struct zdt_event event = ZDT_EVENT_INIT;
    /* EVENTS: begin */
    while (must(zdt_next_event(t, 0, &event, &err)) > 0)
        switch (event.kind) {
        case ZDT_OFFER: adopt(&event); break;                     /* a live connection of the predecessor's */
        case ZDT_DRAIN:                                           /* a successor is ready */
        case ZDT_ROOM: migrate_all(); break;                      /* it takes more */
        case ZDT_SETTLED: forget((struct live *)event.id); break; /* adopted over there: close, no shutdown */
        case ZDT_RETURNED: thaw((struct live *)event.id); break;  /* still ours, as it was */
        case ZDT_RESUME:                                          /* the successor is gone: carry on */
        case ZDT_ACCEPT: watch(listener, &listener); break;
        case ZDT_RELIEVED:
        case ZDT_ABORTED:
        case ZDT_DONE: leave(); break;
        }
    /* EVENTS: end */
}

int main(int argc, char **argv) {
    const char *path = argv[1];
    char address[64];
    if (argc != 3 || snprintf(address, sizeof address, "tcp://%s", argv[2]) >= (int)sizeof address) {
        fputs("usage: smallest PATH ADDRESS:PORT\n", stderr);
        return 2;
    }
    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll_create1");

    /* README: begin */
    must(zdt_open(path, NULL, &t, &err));                          /* finds a predecessor, or is the first */
    listener = must(zdt_listener(t, "echo", address, NULL, &err)); /* inherited, or bound */
    must(zdt_ready(t, &err));                                      /* from here on we accept */
    watch(listener, &listener);
    watch(zdt_event_fd(t), &t); /* one more descriptor in your loop */
    /* README: end */

    while (listener >= 0 || all) {
        /* One at a time, so that no event is left of a connection that another one has ended. */
        struct epoll_event event;
        int found = epoll_wait(poller, &event, 1, -1);
        if (found < 0 && errno != EINTR)
            die("epoll_wait");
        if (found <= 0)
            continue;
        if (event.data.ptr == &t) {
            takeover_events();
        } else if (event.data.ptr == &listener) {
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0)
                serve(fd, NULL, 0);
        } else {
            echo(event.data.ptr);
        }
    }
    unwatch(zdt_event_fd(t));
    zdt_free(t);
    return 0;
}

#define _GNU_SOURCE /* accept4 */
#include "relay.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void die(const char *what) {
    fprintf(stderr, "relay-c: %s: %s\n", what, strerror(errno));
    exit(1);
}

void relay_start(struct relay *relay, int listener) {
    *relay = (struct relay){.epoll = epoll_create1(EPOLL_CLOEXEC), .listener = listener};
    if (relay->epoll < 0)
        die("epoll_create1");
}

void relay_accept(struct relay *relay) {
    if (relay->listener < 0 || relay->accepting)
        return;
    struct epoll_event watch = {.events = EPOLLIN, .data.ptr = &relay->listener};
    if (epoll_ctl(relay->epoll, EPOLL_CTL_ADD, relay->listener, &watch) < 0)
        die("epoll_ctl");
    relay->accepting = true;
}

void relay_stop_accepting(struct relay *relay) {
    if (relay->accepting)
        epoll_ctl(relay->epoll, EPOLL_CTL_DEL, relay->listener, NULL);
    relay->accepting = false;
}

void relay_close_listener(struct relay *relay) {
    relay_stop_accepting(relay);
    if (relay->listener >= 0)
        close(relay->listener);
    relay->listener = -1;
}

struct live *relay_add(struct relay *relay, int fd) {
    struct live *live = calloc(1, sizeof *live);
    if (!live)
        die("calloc");
    *live = (struct live){.fd = fd, .frozen = true, .next = relay->first};
    if (relay->first)
        relay->first->previous = live;
    relay->first = live;
    relay->count++;
    return live;
}

void relay_freeze(struct relay *relay, struct live *live) {
    if (!live->frozen && epoll_ctl(relay->epoll, EPOLL_CTL_DEL, live->fd, NULL) < 0)
        die("epoll_ctl");
    live->frozen = true;
}

void relay_thaw(struct relay *relay, struct live *live) {
    struct epoll_event watch = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = live};
    if (live->frozen && epoll_ctl(relay->epoll, EPOLL_CTL_ADD, live->fd, &watch) < 0)
        die("epoll_ctl");
    live->frozen = false;
}

/* Out of the list, closed and freed. */
static void drop(struct relay *relay, struct live *live) {
    if (relay->next_to_offer == live)
        relay->next_to_offer = live->next;
    if (live->previous)
        live->previous->next = live->next;
    else
        relay->first = live->next;
    if (live->next)
        live->next->previous = live->previous;
    relay->count--;
    close(live->fd);
    session_free(&live->session);
    free(live);
}

void relay_let_go(struct relay *relay, struct live *live) {
    relay_freeze(relay,
                 live); /* first: epoll goes on telling of a closed descriptor while somebody else holds the socket */
    drop(relay, live);
}

void relay_end(struct relay *relay, struct live *live) {
    relay_freeze(relay, live);
    shutdown(live->fd, SHUT_RDWR); /* a stopped peer may hold a copy, and then close() alone sends no FIN */
    drop(relay, live);
}

void relay_accept_all(struct relay *relay) {
    while (relay->listener >= 0) {
        int fd = accept4(relay->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
            relay_thaw(relay, relay_add(relay, fd));
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            die("accept4");
        }
    }
}

/* Reads, carries out and writes until the socket would block, since epoll tells of a change only once. Says whether the
 * connection goes on. */
static bool drive(struct live *live, const char *who) {
    struct session *session = &live->session;
    for (;;) {
        while (bytes_length(&session->output) > 0) {
            ssize_t count =
                send(live->fd, bytes_first(&session->output), bytes_length(&session->output), MSG_NOSIGNAL);
            if (count >= 0)
                bytes_take(&session->output, (size_t)count);
            else if (errno == EAGAIN)
                break;
            else if (errno != EINTR)
                return false;
        }
        if (session_ended(session))
            return false;
        if (!session_takes_more(session))
            return true; /* the next writable event goes on from here */
        if (session_serve(session, who))
            continue; /* what waits in the input comes before what waits in the socket */
        enum { CHUNK = 65536 };
        ssize_t count = read(live->fd, bytes_room(&session->input, CHUNK), CHUNK);
        if (count > 0)
            bytes_put(&session->input, NULL, (size_t)count);
        else if (count == 0)
            return false;
        else if (errno == EAGAIN)
            return true;
        else if (errno != EINTR)
            return false;
    }
}

bool relay_turn(struct relay *relay, int timeout_ms, const int *other) {
    struct epoll_event ready[256];
    int count = epoll_wait(relay->epoll, ready, 256, timeout_ms);
    if (count < 0 && errno != EINTR)
        die("epoll_wait");
    bool others = false;
    for (int at = 0; at < count; at++) {
        void *what = ready[at].data.ptr;
        if (what == &relay->listener)
            relay_accept_all(relay);
        else if (what == other)
            others = true; /* the caller's turn comes last, since it may free connections that are in `ready` too */
        else if (!drive(what, relay->who))
            relay_end(relay, what);
    }
    return others;
}

/* Two processes: everything moves to the other one and back, and what does not move stays. */
#define _GNU_SOURCE
#include "link.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A successor that adopts, serves (writes unsent, then "kept: " and unread), and hands everything on. */
static int keeper(const char *path) {
    int fds[LIVE] = {0}, companion = -1, adopted = 0, left = 0;
    bool kept[LIVE] = {false}, committed = false;
    zdt_takeover *t = open_with(path, 0);
    const zdt_peer *predecessor = zdt_predecessor(t);
    CHECK(zdt_generation(t) == 2 && predecessor && predecessor->pid == (uint32_t)getppid());
    CHECK(predecessor && strcmp(predecessor->program, "test") == 0 && strcmp(predecessor->runtime, "c") == 0 &&
          predecessor->generation == 1);

    char **names = NULL;
    CHECK(WORKS(zdt_unclaimed(t, &names, &err)) == 1 && names && strcmp(names[0], "http") == 0 && !names[1]);
    zdt_names_free(names);
    FAILS(ZDT_ERROR_LISTENER_UNCLAIMED, zdt_ready(t, &err));
    FAILS(ZDT_ERROR_LISTENER_MISMATCH, zdt_listener(t, "http", "tcp://127.0.0.2:0", NULL, &err));
    int listener = WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    WORKS(zdt_ready(t, &err));

    zdt_event event = ZDT_EVENT_INIT;
    for (bool done = false; !done && failures == 0;) {
        struct pollfd ready[] = {{.fd = zdt_event_fd(t), .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        CHECK(poll(ready, 2, 20000) > 0);
        if (ready[1].revents) {
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            writes(fd, "served", 6);
            close(fd);
        }
        while (!done && WORKS(zdt_next_event(t, 0, &event, &err)) == 1)
            switch (event.kind) {
            case ZDT_OFFER: {
                long n = check_offer(event.offer);
                if (n == REFUSED) {
                    WORKS(zdt_refuse(t, &event.offer, "as the test wants", &err));
                    CHECK(event.offer == NULL);
                    break;
                }
                zdt_connection connection = ZDT_CONNECTION_INIT;
                uint64_t id = event.offer->id;
                CHECK(WORKS(zdt_adopt(t, &event.offer, &connection, &err)) == 0 && event.offer == NULL);
                CHECK(connection.id == id && connection.size == sizeof connection && connection.fd >= 0);
                writes(connection.fd, connection.unsent.data, connection.unsent.length);
                writes(connection.fd, "kept: ", 6);
                writes(connection.fd, connection.unread.data, connection.unread.length);
                if (n == WITH_COMPANION) {
                    const zdt_companion *up = connection.companions[0];
                    companion = up->fd;
                    CHECK(strcmp(up->name, "upstream") == 0 && same(up->unread, "companion's unread"));
                    writes(companion, up->unsent.data, up->unsent.length);
                }
                fds[n] = connection.fd;
                kept[n] = true;
                adopted++;
                zdt_connection_free(&connection);
                zdt_connection_free(&connection); /* twice is fine */
                CHECK(!connection.storage && !connection.state.data && connection.fd == fds[n]);
                break;
            }
            case ZDT_COMMITTED:
                CHECK(event.generation == 2); /* once the first offers are settled */
                committed = true;
                break;
            case ZDT_DRAIN:
                CHECK(committed && event.successor && event.successor->generation == 3);
                for (long n = 0; n < LIVE; n++)
                    if (kept[n])
                        migrate(t, n, fds[n], n == WITH_COMPANION ? companion : -1);
                WORKS(zdt_migrated_all(t, &err));
                break;
            case ZDT_SETTLED:
                CHECK(event.id < LIVE && kept[event.id]);
                close(fds[event.id]);
                left++;
                break;
            case ZDT_DONE:
                CHECK(event.left == 0 && left == adopted);
                done = true;
                break;
            default:
                fprintf(stderr, "keeper: event %d: %s\n", event.kind, zdt_error_message(event.cause));
                failures++;
            }
    }
    close(companion);
    close(listener);
    zdt_free(t);
    return failures;
}

static void everything_moves_to_another_process_and_back(void) {
    int listener, clients[LIVE], conns[LIVE], queued[QUEUED], companion[2];
    char text[64];
    const char *path = in_dir("zdt.sock");
    zdt_takeover *t = serving(path, &listener);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, companion) == 0);
    for (long n = 0; n < LIVE; n++) {
        clients[n] = dial(listener);
        conns[n] = accept_one(listener);
    }
    for (int n = 0; n < QUEUED; n++)
        queued[n] = dial(listener); /* nobody has accepted these when the listener moves */
    zdt_set_connections(t, LIVE);

    pid_t child = spawn("keeper", path);
    zdt_event event = ZDT_EVENT_INIT;
    int settled = 0, returned = 0;
    CHECK(comes(t, ZDT_DRAIN, &event) && event.successor && event.successor->pid == (uint32_t)child);
    CHECK(event.successor && strcmp(event.successor->program, "test") == 0 && event.deadline_ms == 30000);
    for (long n = 0; n < LIVE; n++)
        migrate(t, n, conns[n], n == WITH_COMPANION ? companion[0] : -1);
    WORKS(zdt_migrated_all(t, &err));
    while (settled + returned < LIVE && WORKS(zdt_next_event(t, 20000, &event, &err)) == 1) {
        if (event.kind == ZDT_SETTLED && ++settled)
            close(conns[event.id]);
        else if (event.kind == ZDT_RETURNED && ++returned)
            CHECK(event.id == REFUSED && event.reason == ZDT_REFUSED);
        else
            CHECK(event.kind == ZDT_ROOM);
    }
    CHECK(settled == LIVE - 1 && returned == 1);
    close(companion[0]);
    zdt_progress progress = ZDT_PROGRESS_INIT;
    WORKS(zdt_get_progress(t, &progress, &err));
    CHECK(progress.settled == LIVE - 1 && progress.returned == 1 && progress.offered == LIVE &&
          progress.expected == LIVE && progress.state_bytes > BIG_STATE && progress.unread_bytes > 0);
    CHECK(comes(t, ZDT_DONE, &event) && event.left == 0);
    writes(conns[REFUSED], "still here", 10); /* it is ours as it was */
    CHECK(reads(clients[REFUSED], "still here"));
    close(conns[REFUSED]);
    close(listener);
    zdt_free(t);

    for (long n = 0; n < LIVE; n++) {
        sprintf(text, "unsent %ld.kept: unread %ld.", n, n);
        CHECK(n == REFUSED || reads(clients[n], text));
    }
    CHECK(reads(companion[1], "companion's unsent"));
    for (int n = 0; n < QUEUED; n++)
        CHECK(reads(queued[n], "served") && close(queued[n]) == 0);

    /* And back: this process is now the third generation. */
    t = open_with(path, 0);
    CHECK(zdt_generation(t) == 3 && zdt_predecessor(t) && zdt_predecessor(t)->pid == (uint32_t)child);
    listener = WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    WORKS(zdt_ready(t, &err));
    for (int adopted = 0; adopted < LIVE - 1 && comes(t, ZDT_OFFER, &event); adopted++) {
        zdt_connection connection = ZDT_CONNECTION_INIT;
        long n = check_offer(event.offer);
        CHECK(WORKS(zdt_adopt(t, &event.offer, &connection, &err)) == 0);
        writes(connection.fd, "home", 4);
        CHECK(reads(clients[n], "home"));
        if (connection.companion_count == 1)
            close(connection.companions[0]->fd);
        close(connection.fd);
        zdt_connection_free(&connection);
    }
    CHECK(comes(t, ZDT_COMMITTED, &event) && event.generation == 3);
    CHECK(finish(child) == 0);
    zdt_free(t);
    close(listener);
    close(companion[1]);
    for (long n = 0; n < LIVE; n++)
        close(clients[n]);
}

/* A successor that reads version 7 of "test" and leaves the first offer unanswered, keeps the second for later, adopts the
 * third, and only then the second. */
static int forgetful(const char *path) {
    zdt_reads what = ZDT_READS_INIT;
    what.protocol = "test";
    what.versions = (const uint32_t[]){7};
    what.version_count = 1;
    zdt_config config = ZDT_CONFIG_INIT;
    config.reads = (const zdt_reads *const[]){&what};
    config.reads_count = 1;
    zdt_takeover *t = NULL;
    WORKS(zdt_open(path, &config, &t, &err));
    int listener = WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    WORKS(zdt_ready(t, &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(t, ZDT_OFFER, &event));
    zdt_offer *unanswered = event.offer;
    CHECK(comes(t, ZDT_OFFER, &event) && unanswered != NULL); /* the first is refused by this */
    zdt_offer *kept = event.offer;
    event.offer = NULL;
    CHECK(comes(t, ZDT_OFFER, &event));
    zdt_connection connection = ZDT_CONNECTION_INIT;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_adopt(t, &event.offer, NULL, &err));
    CHECK(event.offer != NULL); /* nothing was done */
    CHECK(WORKS(zdt_adopt(t, &event.offer, &connection, &err)) == 0);
    close(connection.fd);
    zdt_connection_free(&connection);
    check_offer(kept);
    CHECK(WORKS(zdt_adopt(t, &kept, &connection, &err)) == 0 && kept == NULL);
    writes(connection.fd, "late", 4);
    CHECK(comes(t, ZDT_COMMITTED, &event));
    CHECK(reads(connection.fd, "end")); /* an owner that left would take the service with it */
    close(connection.fd);
    zdt_connection_free(&connection);
    close(listener);
    zdt_free(t);
    return failures;
}

static void an_offer_that_is_not_answered_returns_and_one_that_is_kept_can_be_adopted_later(void) {
    int listener, pairs[3][2];
    const char *path = in_dir("zdt.sock");
    zdt_takeover *t = serving(path, &listener);
    zdt_event event = ZDT_EVENT_INIT;
    pid_t child = successor(t, "forgetful", path, &event);
    CHECK(event.reads_count == 1 && strcmp(event.reads[0]->protocol, "test") == 0 &&
          event.reads[0]->version_count == 1 && event.reads[0]->versions[0] == 7);
    for (long n = 0; n < 3; n++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[n]) == 0);
        migrate(t, n + 10, pairs[n][0], -1);
    }
    WORKS(zdt_migrated_all(t, &err));
    int settled = 0, returned = 0;
    while (settled + returned < 3 && WORKS(zdt_next_event(t, 20000, &event, &err)) == 1)
        if (event.kind == ZDT_RETURNED && ++returned)
            CHECK(event.id == 10 && event.reason == ZDT_REFUSED);
        else
            settled += event.kind == ZDT_SETTLED;
    CHECK(settled == 2 && returned == 1);
    CHECK(reads(pairs[1][1], "late"));
    CHECK(comes(t, ZDT_DONE, &event) && event.left == 0);
    writes(pairs[1][1], "end", 3);
    CHECK(finish(child) == 0);
    for (int n = 0; n < 3; n++)
        close(pairs[n][0]), close(pairs[n][1]);
    close(listener);
    zdt_free(t);
}

static void what_cannot_move_is_said_at_once_and_stays(void) {
    int listener, pair[2];
    char state[64];
    const char *path = in_dir("zdt.sock");
    zdt_takeover *t = NULL;
    zdt_config config = ZDT_CONFIG_INIT;
    config.max_state = 16;
    config.max_bytes = 16;
    config.probation_ms = -1;
    WORKS(zdt_open(path, &config, &t, &err));
    listener = WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    WORKS(zdt_ready(t, &err));
    zdt_event event = ZDT_EVENT_INIT;
    pid_t child = successor(t, "forgetful", path, &event);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);

    zdt_connection connection = ZDT_CONNECTION_INIT;
    connection.fd = pair[0];
    connection.state_version = 7;
    connection.state = (zdt_bytes){state, 10};
    memset(state, 's', sizeof state);
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_migrate(t, &connection, &err)); /* no protocol */
    connection.protocol = "test";
    connection.fd = -1;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_migrate(t, &connection, &err));
    connection.fd = pair[0];
    connection.state.data = NULL;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_migrate(t, &connection, &err)); /* 10 bytes of nothing */
    connection.state = (zdt_bytes){state, 17};
    FAILS(ZDT_ERROR_TOO_LARGE, zdt_migrate(t, &connection, &err));
    connection.state.length = 16;
    connection.unread = (zdt_bytes){state, 17};
    FAILS(ZDT_ERROR_TOO_LARGE, zdt_migrate(t, &connection, &err));
    connection.unread = (zdt_bytes){0};
    connection.state_version = 8;
    FAILS(ZDT_ERROR_NOT_READABLE, zdt_migrate(t, &connection, &err));
    connection.state_version = 7;
    connection.protocol = "other";
    FAILS(ZDT_ERROR_NOT_READABLE, zdt_migrate(t, &connection, &err));
    connection.protocol = "test";
    zdt_companion companion = {0};
    connection.companions = (const zdt_companion *const[]){&companion};
    connection.companion_count = 1;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_migrate(t, &connection, &err)); /* its size is missing */
    connection.companions = NULL;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_migrate(t, &connection, &err));

    kill(child, SIGKILL);
    finish(child);
    CHECK(comes(t, ZDT_RESUME, &event) && zdt_error_number(event.cause) == ZDT_ERROR_PEER_GONE);
    CHECK(zdt_error_pid(event.cause) == (uint32_t)child);
    writes(pair[0], "still here", 10);
    CHECK(reads(pair[1], "still here"));
    close(pair[0]);
    close(pair[1]);
    close(listener);
    zdt_free(t);
}

/* A successor that adopts whatever comes, writes a byte to it, and stays until it is killed. */
static int greedy(const char *path) {
    int listener;
    zdt_takeover *t = succeed(path, &listener);
    zdt_event event = ZDT_EVENT_INIT;
    while (WORKS(zdt_next_event(t, 30000, &event, &err)) == 1)
        if (event.kind == ZDT_OFFER) {
            zdt_connection connection = ZDT_CONNECTION_INIT;
            CHECK(WORKS(zdt_adopt(t, &event.offer, &connection, &err)) == 0);
            writes(connection.fd, "g", 1);
            zdt_connection_free(&connection); /* the socket stays */
        }
    return failures;
}

static void migrate_is_full_until_room(void) {
    enum { MANY = 1500 };
    static int pairs[MANY][2];
    int listener, settled = 0, full = 0;
    const char *path = in_dir("zdt.sock");
    zdt_takeover *t = serving(path, &listener);
    zdt_event event = ZDT_EVENT_INIT;
    for (int n = 0; n < MANY; n++)
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[n]) == 0);
    zdt_set_connections(t, MANY);
    pid_t child = successor(t, "greedy", path, &event);
    for (int next = 0; settled < MANY && failures == 0;) {
        int result = 0;
        while (next < MANY && result == 0) {
            zdt_connection connection = ZDT_CONNECTION_INIT;
            connection.id = (uint64_t)next;
            connection.fd = pairs[next][0];
            connection.protocol = "test";
            result = WORKS(zdt_migrate(t, &connection, &err));
            next += result == 0;
            full += result == ZDT_FULL;
        }
        if (next == MANY && result == 0 && full >= 0) {
            WORKS(zdt_migrated_all(t, &err));
            full = -full - 1; /* said once */
        }
        while (WORKS(zdt_next_event(t, 20000, &event, &err)) == 1 && event.kind == ZDT_SETTLED && ++settled < MANY)
            close(pairs[event.id][0]);
        if (event.kind == ZDT_SETTLED)
            close(pairs[event.id][0]);
        CHECK(event.kind == ZDT_ROOM || event.kind == ZDT_SETTLED);
    }
    CHECK(full < -1); /* the window was full at least once */
    for (int n = 0; n < MANY; n++)
        CHECK(reads(pairs[n][1], "g") && close(pairs[n][1]) == 0);
    CHECK(comes(t, ZDT_DONE, &event));
    close(listener);
    zdt_free(t);
    kill(child, SIGKILL);
    finish(child);
}

const struct role move_roles[] = {{"keeper", keeper}, {"forgetful", forgetful}, {"greedy", greedy}, {NULL, NULL}};

const struct test move_tests[] = {
    TEST(everything_moves_to_another_process_and_back),
    TEST(an_offer_that_is_not_answered_returns_and_one_that_is_kept_can_be_adopted_later),
    TEST(what_cannot_move_is_said_at_once_and_stays),
    TEST(migrate_is_full_until_room),
    {NULL, NULL},
};

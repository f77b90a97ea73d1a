/* Two processes: one of them dies, or is late. */
#define _GNU_SOURCE
#include "link.h"
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A successor that is killed at its second offer. */
static int mortal(const char *path) {
    int listener;
    zdt_takeover *t = succeed(path, &listener);
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(t, ZDT_OFFER, &event));
    zdt_connection connection = ZDT_CONNECTION_INIT;
    CHECK(WORKS(zdt_adopt(t, &event.offer, &connection, &err)) == 0);
    CHECK(comes(t, ZDT_OFFER, &event));
    raise(SIGKILL);
    return 1;
}

static void when_the_successor_dies_what_it_did_not_adopt_returns_and_service_resumes(void) {
    int listener, pairs[5][2], settled = 0, returned = 0;
    const char *path = in_dir("zdt.sock");
    zdt_takeover *t = serving(path, &listener);
    zdt_event event = ZDT_EVENT_INIT;
    pid_t child = successor(t, "mortal", path, &event);
    for (int n = 0; n < 5; n++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[n]) == 0);
        migrate(t, n, pairs[n][0], -1);
    }
    bool resumed = false;
    while (settled + returned + resumed < 6 && WORKS(zdt_next_event(t, 20000, &event, &err)) == 1)
        switch (event.kind) {
        case ZDT_SETTLED: settled++; break;
        case ZDT_RETURNED:
            CHECK(event.reason == ZDT_TAKEN_BACK);
            writes(pairs[event.id][0], "back", 4);
            CHECK(reads(pairs[event.id][1], "back"));
            returned++;
            break;
        case ZDT_RESUME:
            CHECK(zdt_error_number(event.cause) == ZDT_ERROR_PEER_GONE);
            CHECK(strcmp(zdt_error_word(zdt_error_number(event.cause)), "peer gone") == 0);
            resumed = true;
            break;
        default: CHECK(event.kind == ZDT_ROOM);
        }
    CHECK(settled == 1 && returned == 4 && resumed);
    CHECK(finish(child) == 128 + SIGKILL);
    int client = dial(listener), conn = accept_one(listener); /* we serve on */
    CHECK(conn >= 0);
    close(client), close(conn);
    for (int n = 0; n < 5; n++)
        close(pairs[n][0]), close(pairs[n][1]);
    close(listener);
    zdt_free(t);
}

/* A successor that gives up with an offer in hand. */
static int closer(const char *path) {
    int listener;
    zdt_takeover *t = succeed(path, &listener);
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(t, ZDT_OFFER, &event));
    zdt_offer *kept = event.offer;
    event.offer = NULL;
    CHECK(zdt_close(t) == 0);
    zdt_connection connection = ZDT_CONNECTION_INIT;
    FAILS(ZDT_ERROR_CLOSED, zdt_adopt(t, &kept, &connection, &err));
    CHECK(kept == NULL && connection.storage == NULL && connection.fd == 0); /* used up, and nothing was filled */
    zdt_free(t);
    close(listener);
    return failures;
}

static void an_offer_that_is_kept_when_the_handle_closes_returns(void) {
    int listener, pair[2];
    const char *path = in_dir("zdt.sock");
    zdt_takeover *t = serving(path, &listener);
    zdt_event event = ZDT_EVENT_INIT;
    pid_t child = successor(t, "closer", path, &event);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    migrate(t, 10, pair[0], -1);
    bool returned = false, resumed = false;
    while (!(returned && resumed) && WORKS(zdt_next_event(t, 20000, &event, &err)) == 1) {
        returned = returned || (event.kind == ZDT_RETURNED && event.id == 10);
        resumed = resumed || event.kind == ZDT_RESUME;
    }
    CHECK(returned && resumed && finish(child) == 0);
    close(pair[0]), close(pair[1]);
    close(listener);
    zdt_free(t);
}

/* A successor that is welcomed, tries once more meanwhile, and takes too long until it is ready. */
static int late(const char *path) {
    zdt_takeover *t = open_with(path, 0), *second = NULL;
    CHECK(zdt_open(path, NULL, &second, &err) == -ZDT_ERROR_BUSY && zdt_error_retry_helps(err) && second == NULL);
    CHECK(zdt_error_pid(err) == (uint32_t)getpid()); /* the one that is at it */
    zdt_error_free(err);
    int listener = WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(t, ZDT_ABORTED, &event) && zdt_error_pid(event.cause) == (uint32_t)getppid());
    FAILS(ZDT_ERROR_ATTEMPT_LOST, zdt_ready(t, &err));
    close(listener);
    zdt_free(t);
    return failures;
}

static void a_second_successor_is_told_who_is_at_it_and_a_late_one_that_it_is_off(void) {
    const char *path = in_dir("zdt.sock");
    zdt_takeover *t = open_with(path, 1000); /* how long a successor may take until ready */
    int listener = WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    WORKS(zdt_ready(t, &err));
    zdt_event event = ZDT_EVENT_INIT;
    pid_t child = spawn("late", path);
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) /* we serve, and nothing was stopped */
        CHECK(WORKS(zdt_next_event(t, 50, &event, &err)) == 0 || event.kind == ZDT_RESUME);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(listener);
    zdt_free(t);
}

/* An owner that is killed when its successor's offers begin to be adopted. */
static int doomed(const char *path) {
    int listener, pair[2];
    zdt_takeover *t = serving(path, &listener);
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(t, ZDT_DRAIN, &event) && event.successor);
    for (long n = 0; n < 3; n++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        migrate(t, n + 10, pair[0], -1);
    }
    zdt_next_event(t, 0, &event, NULL); /* sends what is offered */
    raise(SIGKILL);
    return 1;
}

static void when_the_predecessor_dies_its_offers_and_the_service_are_the_successors(void) {
    const char *path = in_dir("zdt.sock");
    pid_t owner = spawn("doomed", path);
    struct stat there;
    for (int turn = 0; turn < 500 && stat(path, &there) < 0; turn++)
        pause_ms(10);
    zdt_takeover *t = NULL;
    for (int turn = 0; turn < 500 && zdt_open(path, NULL, &t, NULL) == -ZDT_ERROR_BUSY; turn++)
        pause_ms(10); /* it is not ready itself yet */
    int listener = WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    WORKS(zdt_ready(t, &err));
    CHECK(finish(owner) == 128 + SIGKILL);
    zdt_event event = ZDT_EVENT_INIT;
    int adopted = 0;
    bool committed = false;
    while (adopted + committed < 4 && WORKS(zdt_next_event(t, 20000, &event, &err)) == 1)
        if (event.kind == ZDT_OFFER) {
            zdt_connection connection = ZDT_CONNECTION_INIT;
            check_offer(event.offer);
            CHECK(WORKS(zdt_adopt(t, &event.offer, &connection, &err)) == 0);
            close(connection.fd);
            zdt_connection_free(&connection);
            adopted++;
        } else {
            CHECK(event.kind == ZDT_COMMITTED && event.generation == 2);
            committed = true;
        }
    CHECK(adopted == 3 && committed);
    close(listener);
    zdt_free(t);
}

const struct role death_roles[] = {
    {"mortal", mortal}, {"closer", closer}, {"late", late}, {"doomed", doomed}, {NULL, NULL}};

const struct test death_tests[] = {
    TEST(when_the_successor_dies_what_it_did_not_adopt_returns_and_service_resumes),
    TEST(an_offer_that_is_kept_when_the_handle_closes_returns),
    TEST(a_second_successor_is_told_who_is_at_it_and_a_late_one_that_it_is_off),
    TEST(when_the_predecessor_dies_its_offers_and_the_service_are_the_successors),
    {NULL, NULL},
};

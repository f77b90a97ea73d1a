/* Workers: here an arbiter, its worker and both of the successor share one process; tests/lanes has real ones. */
#define _GNU_SOURCE
#include "two.h"
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static zdt_error *err;

/* An arbiter with one worker. */
struct team {
    zdt_takeover *t;
    zdt_worker *w;
    int drained, done; /* arbiter and worker were told so: 1 each */
};

static void seat_one(struct team *team, uint32_t number) {
    zdt_config config = quick();
    int seat = WORKS(zdt_seat(team->t, number, &err));
    CHECK(fcntl(seat, F_GETFD) == FD_CLOEXEC);
    CHECK(WORKS(zdt_worker_join(seat, &config, &team->w, &err)) == 0);
    CHECK(team->w && zdt_worker_number(team->w) == number);
    CHECK(zdt_worker_generation(team->w) == zdt_generation(team->t));
}

/* The arbiter does what it is told. */
static void arbitrate(struct team *team) {
    zdt_event event = ZDT_EVENT_INIT;
    while (WORKS(zdt_next_event(team->t, 0, &event, &err)) == 1) {
        if (event.kind == ZDT_DRAIN) {
            team->drained++;
            WORKS(zdt_migrated_all(team->t, &err));
        }
        team->done += event.kind == ZDT_DONE;
    }
}

/* The worker's next event, within 20 s, is of this kind; everybody works meanwhile. */
static bool worker_hears(struct team *team, struct team *other, int kind, zdt_event *event) {
    for (int turn = 0; turn < 20000; turn++) {
        arbitrate(team);
        if (other)
            arbitrate(other);
        int came = WORKS(zdt_worker_next_event(team->w, 1, event, &err));
        if (came == 1 && event->kind == kind)
            return true;
        if (came != 0 && event->kind != ZDT_COMMITTED)
            return false;
        if (other) {
            zdt_event looked = ZDT_EVENT_INIT; /* answers go out; nothing is told meanwhile but the commit */
            int theirs = WORKS(zdt_worker_next_event(other->w, 0, &looked, &err));
            CHECK(theirs == 0 || looked.kind == ZDT_COMMITTED);
        }
    }
    return false;
}

static void team_free(struct team *team) {
    zdt_worker_free(team->w);
    zdt_free(team->t);
}

static void connections_move_from_worker_to_worker(void) {
    const char *path = in_dir("workers.sock");
    struct team first = {0}, second = {0};
    zdt_config config = quick();
    zdt_event event = ZDT_EVENT_INIT;
    int pairs[2][2];

    WORKS(zdt_open(path, &config, &first.t, &err));
    close(WORKS(zdt_listener(first.t, "http", "tcp://127.0.0.1:0", NULL, &err)));
    seat_one(&first, 7);
    int listener = WORKS(zdt_worker_listener(first.w, "http", &err));
    CHECK(listen(listener, 16) == 0);
    close(listener);
    WORKS(zdt_ready(first.t, &err));
    CHECK(worker_hears(&first, NULL, ZDT_READY, &event));
    WORKS(zdt_worker_set_connections(first.w, 2));

    WORKS(open_beside(first.t, path, &config, &second.t, &err));
    close(WORKS(zdt_listener(second.t, "http", "tcp://127.0.0.1:0", NULL, &err)));
    seat_one(&second, 8);
    WORKS(zdt_ready(second.t, &err));
    CHECK(worker_hears(&second, NULL, ZDT_READY, &event));

    CHECK(worker_hears(&first, &second, ZDT_DRAIN, &event) && event.successor && event.successor->generation == 2);
    for (int id = 0; id < 2; id++) {
        zdt_connection connection = frozen((uint64_t)id, pairs[id]);
        int migrated = WORKS(zdt_worker_migrate(first.w, &connection, &err));
        if (migrated == ZDT_FULL) { /* the lane was not open yet */
            CHECK(worker_hears(&first, &second, ZDT_ROOM, &event));
            migrated = WORKS(zdt_worker_migrate(first.w, &connection, &err));
        }
        CHECK(migrated == 0);
    }
    WORKS(zdt_worker_migrated_all(first.w, &err));
    arbitrate(&first);
    CHECK(WORKS(zdt_worker_next_event(first.w, 0, &event, &err)) == 0);

    zdt_connection adopted = ZDT_CONNECTION_INIT;
    CHECK(worker_hears(&second, NULL, ZDT_OFFER, &event));
    CHECK(WORKS(zdt_worker_adopt(second.w, &event.offer, &adopted, &err)) == 0 && adopted.fd >= 0);
    CHECK(worker_hears(&second, NULL, ZDT_OFFER, &event));
    WORKS(zdt_worker_refuse(second.w, &event.offer, "one is enough", &err));
    CHECK(WORKS(zdt_worker_next_event(second.w, 0, &event, &err)) >= 0);

    CHECK(worker_hears(&first, &second, ZDT_SETTLED, &event) && event.id == 0);
    CHECK(worker_hears(&first, &second, ZDT_RETURNED, &event) && event.id == 1 && event.reason == ZDT_REFUSED);
    CHECK(worker_hears(&first, &second, ZDT_DONE, &event) && event.left == 0);
    CHECK(first.done == 1);
    writes(adopted.fd, "from the successor", 18);
    CHECK(reads(pairs[0][0], "from the successor"));
    zdt_connection_free(&adopted);
    close(adopted.fd);

    zdt_progress progress = ZDT_PROGRESS_INIT;
    WORKS(zdt_worker_get_progress(first.w, &progress, &err));
    CHECK(progress.offered == 2 && progress.settled == 1 && progress.returned == 1);
    for (int id = 0; id < 2; id++) {
        close(pairs[id][0]);
        close(pairs[id][1]);
    }
    team_free(&first);
    team_free(&second);
}

static void a_worker_says_what_is_wrong(void) {
    struct team team = {0};
    zdt_config config = quick();
    zdt_event event = ZDT_EVENT_INIT;
    zdt_worker *none = NULL;
    WORKS(zdt_open(in_dir("wrong.sock"), &config, &team.t, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_seat(NULL, 0, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_worker_join(-1, NULL, &none, &err));
    FAILS(ZDT_ERROR_SYSTEM, zdt_worker_join(open("/dev/null", O_RDWR | O_CLOEXEC), NULL, &none, &err));
    CHECK(none == NULL);
    seat_one(&team, 1);
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_worker_listener(team.w, "http", &err));
    FAILS(ZDT_ERROR_WRONG_STATE, zdt_worker_migrated_all(team.w, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_worker_next_event(NULL, 0, &event, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_worker_migrate(NULL, NULL, &err));
    CHECK(zdt_worker_event_fd(team.w) >= 0 && zdt_worker_event_fd(NULL) < 0 && zdt_worker_number(NULL) == 0);
    CHECK(zdt_worker_close(team.w) == 0 && zdt_worker_close(team.w) == 0);
    FAILS(ZDT_ERROR_CLOSED, zdt_worker_next_event(team.w, 0, &event, &err));
    team_free(&team);
    zdt_worker_free(NULL);
}

static void a_forked_worker_joins_and_its_end_is_seen(void) {
    zdt_takeover *t = NULL;
    zdt_config config = quick();
    zdt_event event = ZDT_EVENT_INIT;
    WORKS(zdt_open(in_dir("forked.sock"), &config, &t, &err));
    int seat = WORKS(zdt_seat(t, 3, &err));
    WORKS(zdt_ready(t, &err));
    pid_t pid = fork();
    if (pid == 0) {
        zdt_worker *w = NULL;
        zdt_free(t); /* the arbiter's */
        bool drained = zdt_worker_join(seat, &config, &w, NULL) == 0 &&
                       zdt_worker_next_event(w, 20000, &event, NULL) == 1 && event.kind == ZDT_READY &&
                       zdt_worker_next_event(w, 20000, &event, NULL) == 1 && event.kind == ZDT_DRAIN;
        _exit(drained ? 7 : 8); /* without a word */
    }
    close(seat);
    WORKS(zdt_drain(t, &err));
    CHECK(WORKS(zdt_next_event(t, 20000, &event, &err)) == 1 && event.kind == ZDT_DRAIN);
    WORKS(zdt_migrated_all(t, &err));
    CHECK(WORKS(zdt_next_event(t, 20000, &event, &err)) == 1 && event.kind == ZDT_DONE);
    CHECK(finish(pid) == 7);
    zdt_free(t);
}

const struct test worker_tests[] = {
    TEST(connections_move_from_worker_to_worker),
    TEST(a_worker_says_what_is_wrong),
    TEST(a_forked_worker_joins_and_its_end_is_seen),
    {NULL, NULL},
};

/* What tests/behaviours.txt promises of every language's face, as far as the other files do not prove it under its name:
 * what moves, and what comes back. */
#define _GNU_SOURCE
#include "link.h"
#include "two.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_pair(int pair[2]) { close(pair[0]), close(pair[1]); }

/* Whether the connection works as it did. */
static bool works_still(int pair[2]) {
    writes(pair[1], "still here", 10);
    return reads(pair[0], "still here");
}

/* Adopts an offer; its descriptor. */
static int adopted(zdt_takeover *t, zdt_offer *offer) {
    zdt_connection connection = ZDT_CONNECTION_INIT;
    CHECK(WORKS(zdt_adopt(t, &offer, &connection, &err)) == 0);
    zdt_connection_free(&connection);
    return connection.fd;
}

static void the_first_process_is_generation_one(void) {
    zdt_takeover *t = NULL;
    WORKS(zdt_open(in_dir("zdt.sock"), NULL, &t, &err));
    CHECK(zdt_generation(t) == 1 && zdt_predecessor(t) == NULL);
    WORKS(zdt_ready(t, &err));
    zdt_progress progress = ZDT_PROGRESS_INIT;
    WORKS(zdt_get_progress(t, &progress, &err));
    CHECK(progress.generation == 1);
    zdt_free(t);
}

static void a_successor_inherits_the_listener_and_whoever_waits_in_its_queue(void) {
    int before, after;
    const char *path = in_dir("zdt.sock");
    struct two two = {.t = {serving(path, &before), NULL}};
    int client = dial(before);
    WORKS(open_beside(two.t[FIRST], path, NULL, &two.t[SECOND], &err));
    after = WORKS(zdt_listener(two.t[SECOND], "http", "tcp://127.0.0.1:0", NULL, &err));
    WORKS(zdt_ready(two.t[SECOND], &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, FIRST, ZDT_DRAIN, &event));
    close(before);
    WORKS(zdt_migrated_all(two.t[FIRST], &err));
    CHECK(next_of(&two, FIRST, ZDT_DONE, &event));
    int conn = accept_one(after), late = dial(after);
    writes(conn, "served over there", 17);
    CHECK(reads(client, "served over there"));
    close(client), close(conn), close(late), close(after);
    two_free(&two);
}

static void an_unclaimed_listener_is_named_and_fails_ready(void) {
    int before;
    const char *path = in_dir("zdt.sock");
    struct two two = {.t = {serving(path, &before), NULL}};
    WORKS(open_beside(two.t[FIRST], path, NULL, &two.t[SECOND], &err));
    char **names = NULL;
    CHECK(WORKS(zdt_unclaimed(two.t[SECOND], &names, &err)) == 1 && strcmp(names[0], "http") == 0);
    zdt_names_free(names);
    CHECK(zdt_ready(two.t[SECOND], &err) == -ZDT_ERROR_LISTENER_UNCLAIMED && strstr(zdt_error_what(err), "http"));
    zdt_error_free(err), err = NULL;
    close(WORKS(zdt_listener(two.t[SECOND], "http", "tcp://127.0.0.1:0", NULL, &err)));
    CHECK(WORKS(zdt_unclaimed(two.t[SECOND], &names, &err)) == 0);
    zdt_names_free(names);
    WORKS(zdt_ready(two.t[SECOND], &err));
    close(before);
    two_free(&two);
}

static void a_connection_moves_with_state_unread_and_unsent(void) {
    int pair[2];
    struct two two = two_draining(in_dir("zdt.sock"), quick(), quick());
    zdt_connection connection = frozen(7, pair);
    connection.state_version = 3;
    connection.state = text_bytes("state");
    connection.unread = text_bytes("unread");
    connection.unsent = text_bytes("unsent");
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    writes(pair[0], "in the socket", 13);
    zdt_offer *offer = offered(&two);
    zdt_connection moved = ZDT_CONNECTION_INIT;
    CHECK(WORKS(zdt_adopt(two.t[SECOND], &offer, &moved, &err)) == 0);
    CHECK(strcmp(moved.protocol, "test") == 0 && moved.state_version == 3 && same(moved.state, "state"));
    CHECK(same(moved.unread, "unread") && same(moved.unsent, "unsent"));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, FIRST, ZDT_SETTLED, &event) && event.id == 7);
    close(pair[1]); /* without shutdown: it lives on over there */
    CHECK(reads(moved.fd, "in the socket"));
    writes(moved.fd, moved.unsent.data, moved.unsent.length);
    CHECK(reads(pair[0], "unsent"));
    close(moved.fd), close(pair[0]);
    zdt_connection_free(&moved);
    two_free(&two);
}

static void the_addresses_and_who_dialled_travel(void) {
    int pair[2];
    struct two two = two_draining(in_dir("zdt.sock"), quick(), quick());
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x7f000001)};
    struct sockaddr_in6 peer = {.sin6_family = AF_INET6, .sin6_port = htons(443), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    zdt_connection connection = frozen(1, pair);
    connection.local = (const struct sockaddr *)&local, connection.local_length = sizeof local;
    connection.peer = (const struct sockaddr *)&peer, connection.peer_length = sizeof peer;
    connection.dialled = true;
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    connection.local = connection.peer = NULL, connection.local_length = connection.peer_length = 0;
    connection.dialled = false;
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    zdt_offer *told = offered(&two), *untold = offered(&two);
    CHECK(told->dialled && told->local_length == sizeof local && told->peer_length == sizeof peer);
    CHECK(memcmp(told->local, &local, sizeof local) == 0 && memcmp(told->peer, &peer, sizeof peer) == 0);
    CHECK(!untold->dialled && !untold->local && !untold->peer);
    close(adopted(two.t[SECOND], told)), close(adopted(two.t[SECOND], untold));
    close_pair(pair);
    two_free(&two);
}

static void a_companion_moves_with_its_connection(void) {
    int pair[2], other[2];
    struct two two = two_draining(in_dir("zdt.sock"), quick(), quick());
    zdt_connection connection = frozen(1, pair), spare = frozen(2, other);
    zdt_companion upstream = ZDT_COMPANION_INIT;
    upstream.name = "upstream";
    upstream.fd = spare.fd;
    upstream.unread = text_bytes("unread");
    upstream.unsent = text_bytes("unsent");
    connection.companions = (const zdt_companion *const[]){&upstream};
    connection.companion_count = 1;
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    zdt_offer *offer = offered(&two);
    CHECK(offer->companion_count == 1 && offer->companions[0]->fd == -1); /* it comes with zdt_adopt */
    zdt_connection moved = ZDT_CONNECTION_INIT;
    CHECK(WORKS(zdt_adopt(two.t[SECOND], &offer, &moved, &err)) == 0 && moved.companion_count == 1);
    const zdt_companion *came = moved.companions[0];
    CHECK(strcmp(came->name, "upstream") == 0 && same(came->unread, "unread") && same(came->unsent, "unsent"));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, FIRST, ZDT_SETTLED, &event));
    close(pair[1]), close(other[1]);
    writes(came->fd, "upwards", 7);
    CHECK(reads(other[0], "upwards"));
    close(came->fd), close(moved.fd), close(pair[0]), close(other[0]);
    zdt_connection_free(&moved);
    two_free(&two);
}

static void a_refused_connection_returns_as_it_was(void) {
    int pair[2];
    struct two two = two_draining(in_dir("zdt.sock"), quick(), quick());
    zdt_connection connection = frozen(8, pair);
    connection.unread = text_bytes("unread");
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    zdt_offer *offer = offered(&two);
    WORKS(zdt_refuse(two.t[SECOND], &offer, "not of this kind", &err));
    CHECK(offer == NULL);
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, FIRST, ZDT_RETURNED, &event) && event.id == 8 && event.reason == ZDT_REFUSED);
    CHECK(works_still(pair));
    close_pair(pair);
    two_free(&two);
}

/* An event that is used again refuses the offer that was left in it. */
static void an_offer_that_is_dropped_returns(void) {
    int pair[2];
    struct two two = two_draining(in_dir("zdt.sock"), quick(), quick());
    zdt_connection connection = frozen(8, pair);
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    zdt_event event = ZDT_EVENT_INIT, left = ZDT_EVENT_INIT;
    CHECK(next_of(&two, SECOND, ZDT_OFFER, &left));
    WORKS(zdt_next_event(two.t[SECOND], 0, &left, &err));
    CHECK(left.offer == NULL);
    CHECK(next_of(&two, FIRST, ZDT_RETURNED, &event) && event.id == 8 && event.reason == ZDT_REFUSED);
    CHECK(works_still(pair));
    close_pair(pair);
    two_free(&two);
}

static void an_offer_that_went_back_adopts_nothing(void) {
    int pair[2];
    zdt_config brief = quick();
    brief.drain_ms = 200;
    struct two two = two_draining(in_dir("zdt.sock"), brief, quick());
    zdt_connection connection = frozen(9, pair), nothing = ZDT_CONNECTION_INIT;
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    zdt_offer *offer = offered(&two);
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, FIRST, ZDT_RESUME, &event));
    CHECK(next_of(&two, FIRST, ZDT_RETURNED, &event) && event.id == 9 && event.reason == ZDT_TAKEN_BACK);
    CHECK(WORKS(zdt_adopt(two.t[SECOND], &offer, &nothing, &err)) == ZDT_GONE && offer == NULL);
    CHECK(nothing.storage == NULL && nothing.fd == 0);
    CHECK(works_still(pair));
    close_pair(pair);
    two_free(&two);
}

static void what_is_not_adopted_by_the_deadline_returns(void) {
    int first[2], second[2];
    zdt_config brief = quick();
    brief.drain_ms = 4000;
    struct two two = two_draining(in_dir("zdt.sock"), brief, quick());
    zdt_connection connection = frozen(1, first);
    zdt_event event = ZDT_EVENT_INIT;
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    close(adopted(two.t[SECOND], offered(&two)));
    CHECK(next_of(&two, SECOND, ZDT_COMMITTED, &event)); /* the first offers are answered */
    CHECK(next_of(&two, FIRST, ZDT_SETTLED, &event));
    connection = frozen(2, second);
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    WORKS(zdt_migrated_all(two.t[FIRST], &err));
    zdt_offer *unanswered = offered(&two);
    CHECK(next_of(&two, FIRST, ZDT_RETURNED, &event) && event.id == 2 && event.reason == ZDT_TAKEN_BACK);
    CHECK(next_of(&two, FIRST, ZDT_DONE, &event) && event.left == 1);
    CHECK(works_still(second));
    WORKS(zdt_refuse(two.t[SECOND], &unanswered, NULL, &err));
    close_pair(first), close_pair(second);
    two_free(&two);
}

static void what_the_successor_does_not_read_is_not_offered(void) {
    int pair[2];
    zdt_reads reads = ZDT_READS_INIT;
    reads.protocol = "test";
    reads.versions = (const uint32_t[]){2};
    reads.version_count = 1;
    zdt_config reading = quick();
    reading.reads = (const zdt_reads *const[]){&reads};
    reading.reads_count = 1;
    struct two two = two_draining(in_dir("zdt.sock"), quick(), reading);
    zdt_connection connection = frozen(1, pair);
    connection.state = text_bytes("state");
    connection.state_version = 1;
    FAILS(ZDT_ERROR_NOT_READABLE, zdt_migrate(two.t[FIRST], &connection, &err));
    connection.state_version = 2;
    WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    zdt_offer *offer = offered(&two);
    CHECK(offer->state_version == 2);
    close(adopted(two.t[SECOND], offer));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, SECOND, ZDT_COMMITTED, &event)); /* nothing else was offered */
    close_pair(pair);
    two_free(&two);
}

static void too_large_a_state_stays_with_its_owner(void) {
    int pair[2];
    zdt_config small = quick();
    small.max_state = 16;
    struct two two = two_draining(in_dir("zdt.sock"), small, quick());
    zdt_connection connection = frozen(1, pair);
    connection.state = text_bytes("seventeen letters");
    FAILS(ZDT_ERROR_TOO_LARGE, zdt_migrate(two.t[FIRST], &connection, &err));
    WORKS(zdt_migrated_all(two.t[FIRST], &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, SECOND, ZDT_COMMITTED, &event)); /* nothing was offered */
    CHECK(works_still(pair));
    close_pair(pair);
    two_free(&two);
}

static void progress_counts_what_moved(void) {
    int pairs[3][2];
    struct two two = {.t = {NULL, NULL}};
    zdt_config config = quick();
    const char *path = in_dir("zdt.sock");
    WORKS(zdt_open(path, &config, &two.t[FIRST], &err));
    WORKS(zdt_set_connections(two.t[FIRST], 3));
    WORKS(zdt_ready(two.t[FIRST], &err));
    WORKS(open_beside(two.t[FIRST], path, &config, &two.t[SECOND], &err));
    WORKS(zdt_ready(two.t[SECOND], &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, FIRST, ZDT_DRAIN, &event));
    for (int n = 0; n < 3; n++) {
        zdt_connection connection = frozen((uint64_t)n, pairs[n]);
        connection.state = text_bytes("state");
        connection.unread = text_bytes("read");
        connection.unsent = text_bytes("bye");
        WORKS(zdt_migrate(two.t[FIRST], &connection, &err));
    }
    zdt_offer *offer = offered(&two);
    WORKS(zdt_refuse(two.t[SECOND], &offer, "for the count", &err));
    close(adopted(two.t[SECOND], offered(&two))), close(adopted(two.t[SECOND], offered(&two)));
    CHECK(next_of(&two, FIRST, ZDT_RETURNED, &event));
    CHECK(next_of(&two, FIRST, ZDT_SETTLED, &event) && next_of(&two, FIRST, ZDT_SETTLED, &event));
    for (int who = FIRST; who <= SECOND; who++) {
        zdt_progress progress = ZDT_PROGRESS_INIT;
        WORKS(zdt_get_progress(two.t[who], &progress, &err));
        CHECK(progress.generation == (uint64_t)who + 1 && progress.expected == 3 && progress.offered == 3);
        CHECK(progress.settled == 2 && progress.returned == 1);
        CHECK(progress.state_bytes == 10 && progress.unread_bytes == 8 && progress.unsent_bytes == 6);
    }
    for (int n = 0; n < 3; n++)
        close_pair(pairs[n]);
    two_free(&two);
}

static void a_successor_that_leaves_before_ready_costs_only_the_attempt(void) {
    int listener;
    const char *path = in_dir("zdt.sock");
    zdt_takeover *t = serving(path, &listener), *next = NULL;
    zdt_event event = ZDT_EVENT_INIT;
    for (int attempt = 0; attempt < 2; attempt++) {
        WORKS(open_beside(t, path, NULL, &next, &err));
        zdt_free(next);
        CHECK(WORKS(zdt_next_event(t, 50, &event, &err)) == 0); /* the owner is not even bothered */
    }
    int client = dial(listener), conn = accept_one(listener);
    writes(conn, "served", 6);
    CHECK(reads(client, "served"));
    close(client), close(conn), close(listener);
    zdt_free(t);
}

static void a_second_successor_is_told_who_is_at_it(void) {
    zdt_takeover *second = NULL;
    const char *path = in_dir("zdt.sock");
    struct two two = two_open(path, quick(), quick());
    CHECK(open_beside(two.t[FIRST], path, NULL, &second, &err) == -ZDT_ERROR_BUSY && second == NULL);
    CHECK(zdt_error_pid(err) == (uint32_t)getpid() && zdt_error_retry_helps(err));
    zdt_error_free(err), err = NULL;
    two_free(&two);
}

static void the_successor_is_generation_two_after_its_commit(void) {
    zdt_config config = quick();
    config.program = "gateway 2.1";
    const char *path = in_dir("zdt.sock");
    struct two two = two_draining(path, quick(), config);
    WORKS(zdt_migrated_all(two.t[FIRST], &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, SECOND, ZDT_COMMITTED, &event) && event.generation == 2);
    CHECK(next_of(&two, FIRST, ZDT_DONE, &event));
    CHECK(zdt_generation(two.t[FIRST]) == 1 && zdt_generation(two.t[SECOND]) == 2);
    zdt_takeover *third = NULL;
    WORKS(open_beside(two.t[SECOND], path, NULL, &third, &err));
    const zdt_peer *second = zdt_predecessor(third);
    CHECK(zdt_generation(third) == 3 && second && second->generation == 2 && second->pid == (uint32_t)getpid());
    CHECK(second && strcmp(second->program, "gateway 2.1") == 0 && strcmp(second->runtime, "c") == 0);
    zdt_free(third);
    two_free(&two);
}

static void an_owner_that_leaves_for_good_frees_the_path(void) {
    struct stat there;
    const char *path = in_dir("zdt.sock");
    for (int turn = 0; turn < 2; turn++) {
        zdt_takeover *t = NULL;
        WORKS(zdt_open(path, NULL, &t, &err));
        WORKS(zdt_ready(t, &err));
        CHECK(zdt_generation(t) == 1 && stat(path, &there) == 0);
        zdt_free(t);
        CHECK(stat(path, &there) < 0 && errno == ENOENT);
    }
}

const struct test behaviour_tests[] = {
    TEST(the_first_process_is_generation_one),
    TEST(a_successor_inherits_the_listener_and_whoever_waits_in_its_queue),
    TEST(an_unclaimed_listener_is_named_and_fails_ready),
    TEST(a_connection_moves_with_state_unread_and_unsent),
    TEST(the_addresses_and_who_dialled_travel),
    TEST(a_companion_moves_with_its_connection),
    TEST(a_refused_connection_returns_as_it_was),
    TEST(an_offer_that_is_dropped_returns),
    TEST(an_offer_that_went_back_adopts_nothing),
    TEST(what_is_not_adopted_by_the_deadline_returns),
    TEST(what_the_successor_does_not_read_is_not_offered),
    TEST(too_large_a_state_stays_with_its_owner),
    TEST(progress_counts_what_moved),
    TEST(a_successor_that_leaves_before_ready_costs_only_the_attempt),
    TEST(a_second_successor_is_told_who_is_at_it),
    TEST(the_successor_is_generation_two_after_its_commit),
    TEST(an_owner_that_leaves_for_good_frees_the_path),
    {NULL, NULL},
};

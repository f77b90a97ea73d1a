/* What tests/behaviours.txt promises of listeners that are not TCP, that move, are renamed or retired. */
#define _GNU_SOURCE
#include "link.h"
#include "two.h"
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A first generation that is ready, with one listener. */
static zdt_takeover *serves(const char *path, const char *name, const char *address, int *listener) {
    zdt_takeover *t = NULL;
    zdt_config config = quick();
    WORKS(zdt_open(path, &config, &t, &err));
    *listener = WORKS(zdt_listener(t, name, address, NULL, &err));
    WORKS(zdt_ready(t, &err));
    return t;
}

/* Both are told all there is until the successor is the owner. */
static void complete(struct two *two) {
    zdt_event event = ZDT_EVENT_INIT;
    WORKS(zdt_migrated_all(two->t[FIRST], &err));
    CHECK(next_of(two, SECOND, ZDT_COMMITTED, &event));
    CHECK(next_of(two, FIRST, ZDT_DONE, &event));
}

/* The predecessor is told to drain, and that this listener is left to it; NULL: none is. */
static void drains(struct two *two, const char *retired) {
    zdt_event event = ZDT_EVENT_INIT;
    WORKS(zdt_ready(two->t[SECOND], &err));
    CHECK(next_of(two, FIRST, ZDT_DRAIN, &event));
    CHECK(event.retired_count == (retired ? 1 : 0));
    CHECK(!retired || strcmp(event.retired[0], retired) == 0);
}

/* Whoever waits there is served there. */
static void serves_one(int listener, int client) {
    int conn = accept_one(listener);
    writes(conn, "served", 6);
    CHECK(reads(client, "served"));
    close(conn), close(client);
}

static uint16_t port_of(int listener) {
    struct sockaddr_in address;
    CHECK(getsockname(listener, (struct sockaddr *)&address, &(socklen_t){sizeof address}) == 0);
    return ntohs(address.sin_port);
}

static const char *at_port_of(int listener) {
    static char text[64];
    snprintf(text, sizeof text, "tcp://127.0.0.1:%d", port_of(listener));
    return text;
}

static void datagrams_that_wait_are_read_by_the_successor_once(void) {
    int before;
    const char *path = in_dir("zdt.sock");
    struct two two = {.t = {serves(path, "dns", "udp://127.0.0.1:0", &before), NULL}};
    struct sockaddr_in address;
    CHECK(getsockname(before, (struct sockaddr *)&address, &(socklen_t){sizeof address}) == 0);
    int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    writes(client, "1", 1), writes(client, "2", 1);
    char got[8] = "";
    CHECK(recv(before, got, sizeof got, 0) == 1);
    WORKS(open_beside(two.t[FIRST], path, NULL, &two.t[SECOND], &err));
    int after = WORKS(zdt_listener(two.t[SECOND], "dns", "udp://127.0.0.1:0", NULL, &err));
    drains(&two, NULL);
    writes(client, "3", 1);
    complete(&two);
    close(before);
    writes(client, "4", 1);
    for (size_t at = 1; at < 4; at++)
        CHECK(recv(after, got + at, sizeof got - at, 0) == 1);
    CHECK(memcmp(got, "1234", 4) == 0);
    CHECK(recv(after, got, sizeof got, 0) < 0 && errno == EAGAIN);
    close(client), close(after);
    two_free(&two);
}

static void an_abstract_name_is_inherited_with_whoever_waits_there(void) {
    int before;
    char text[64];
    const char *path = in_dir("zdt.sock");
    snprintf(text, sizeof text, "unix://@zdt-c-%d%%00x", (int)getpid());
    struct two two = {.t = {serves(path, "bus", text, &before), NULL}};
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    CHECK(getsockname(before, (struct sockaddr *)&address, &length) == 0);
    CHECK(address.sun_path[0] == 0 && address.sun_path[length - offsetof(struct sockaddr_un, sun_path) - 2] == 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(client, (struct sockaddr *)&address, length) == 0);
    WORKS(open_beside(two.t[FIRST], path, NULL, &two.t[SECOND], &err));
    int after = WORKS(zdt_listener(two.t[SECOND], "bus", text, NULL, &err));
    drains(&two, NULL);
    complete(&two);
    close(before);
    serves_one(after, client);
    close(after);
    two_free(&two);
}

static void a_retired_listener_is_served_by_its_predecessor(void) {
    int before;
    const char *path = in_dir("zdt.sock");
    struct two two = {.t = {serving(path, &before), NULL}};
    int early = dial(before);
    WORKS(open_beside(two.t[FIRST], path, NULL, &two.t[SECOND], &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_retire(two.t[SECOND], "other", &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_retire(two.t[SECOND], NULL, &err));
    WORKS(zdt_retire(two.t[SECOND], "http", &err));
    drains(&two, "http");
    serves_one(before, early);
    int late = dial(before);
    WORKS(zdt_migrated_all(two.t[FIRST], &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(next_of(&two, FIRST, ZDT_DONE, &event));
    serves_one(before, late);
    close(before);
    two_free(&two);
}

static void what_is_not_what_was_asked_for_is_bound_beside_it_if_so_configured(void) {
    int before;
    const char *path = in_dir("zdt.sock");
    struct two two = {.t = {serving(path, &before), NULL}};
    int early = dial(before);
    zdt_config config = quick();
    config.on_mismatch = 7;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_open(path, &config, &two.t[SECOND], &err));
    config.on_mismatch = ZDT_MISMATCH_BIND;
    WORKS(open_beside(two.t[FIRST], path, &config, &two.t[SECOND], &err));
    int after = WORKS(zdt_listener(two.t[SECOND], "http", "tcp://127.0.0.2:0", NULL, &err));
    CHECK(port_of(after) != port_of(before));
    drains(&two, "http");
    serves_one(after, dial(after));
    serves_one(before, early);
    close(before), close(after);
    two_free(&two);
}

static void a_listener_is_inherited_by_its_address_under_a_new_name(void) {
    int before;
    const char *path = in_dir("zdt.sock");
    struct two two = {.t = {serving(path, &before), NULL}};
    int client = dial(before);
    WORKS(open_beside(two.t[FIRST], path, NULL, &two.t[SECOND], &err));
    int after = WORKS(zdt_listener(two.t[SECOND], "web", at_port_of(before), NULL, &err));
    drains(&two, NULL);
    close(before);
    serves_one(after, client);
    close(after);
    two_free(&two);
}

const struct test listener_tests[] = {
    TEST(datagrams_that_wait_are_read_by_the_successor_once),
    TEST(an_abstract_name_is_inherited_with_whoever_waits_there),
    TEST(a_retired_listener_is_served_by_its_predecessor),
    TEST(what_is_not_what_was_asked_for_is_bound_beside_it_if_so_configured),
    TEST(a_listener_is_inherited_by_its_address_under_a_new_name),
    {NULL, NULL},
};

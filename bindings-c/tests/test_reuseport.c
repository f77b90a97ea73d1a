/* Sockets that share a port, and how they leave. */
#define _GNU_SOURCE
#include "check.h"
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 32 };

static zdt_error *err;

static zdt_reuseport *bound(const char *address, size_t count) {
    zdt_reuseport *group = NULL;
    WORKS(zdt_reuseport_bind(address, NULL, count, &group, &err));
    return group;
}

/* More at the same address. */
static zdt_reuseport *beside(const zdt_reuseport *group, const char *protocol, size_t count) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    CHECK(getsockname(zdt_reuseport_socket(group, 0), (struct sockaddr *)&address, &length) == 0);
    char text[64];
    snprintf(text, sizeof text, "%s://127.0.0.1:%d", protocol, ntohs(address.sin_port));
    return bound(text, count);
}

static void connect_all(const zdt_reuseport *group, int type, int clients[CLIENTS]) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    CHECK(getsockname(zdt_reuseport_socket(group, 0), (struct sockaddr *)&address, &length) == 0);
    for (int index = 0; index < CLIENTS; index++) {
        clients[index] = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        CHECK(connect(clients[index], (struct sockaddr *)&address, length) == 0);
    }
}

/* Accepts until that would block, and answers each; counts them. */
static void answer(int listener, void *count) {
    int connection;
    while ((connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        writes(connection, "!", 1);
        close(connection);
        ++*(int *)count;
    }
}

static int answered(int clients[CLIENTS]) {
    int count = 0;
    for (int index = 0; index < CLIENTS; index++) {
        count += reads(clients[index], "!");
        close(clients[index]);
    }
    return count;
}

static void a_group_that_retires_loses_nobody_in_its_queue(void) {
    int clients[CLIENTS], count = 0;
    zdt_reuseport *predecessor = bound("tcp://127.0.0.1:0", 2);
    connect_all(predecessor, SOCK_STREAM, clients);
    zdt_reuseport *successor = beside(predecessor, "tcp", 2);
    CHECK(WORKS(zdt_reuseport_retire(predecessor, 2, 0, answer, &count, &err)) == 2);
    CHECK(count == CLIENTS && answered(clients) == CLIENTS);
    CHECK(zdt_reuseport_socket(predecessor, 0) == -ZDT_ERROR_INVALID_ARGUMENT);
    zdt_reuseport_free(predecessor);
    zdt_reuseport_free(successor);
}

static void what_is_new_goes_to_the_successors_while_a_group_retires(void) {
    int clients[CLIENTS], here = 0, there = 0;
    zdt_reuseport *predecessor = bound("tcp://127.0.0.1:0", 3), *successor = beside(predecessor, "tcp", 4);
    WORKS(zdt_reuseport_start_retiring(predecessor, 4, -1, &err));
    connect_all(successor, SOCK_STREAM, clients);
    for (size_t index = 0; index < 3; index++)
        answer(zdt_reuseport_socket(predecessor, index), &here);
    for (size_t index = 0; index < 4; index++)
        answer(zdt_reuseport_socket(successor, index), &there);
    CHECK(here == 0 && there == CLIENTS && answered(clients) == CLIENTS);
    zdt_reuseport_next next = ZDT_REUSEPORT_NEXT_INIT;
    WORKS(zdt_reuseport_step(predecessor, &next, &err));
    CHECK(next.kind == ZDT_STEP_WAIT && next.wait_ms > 0 && next.wait_ms <= 5000);
    FAILS(ZDT_ERROR_WRONG_STATE, zdt_reuseport_start_retiring(predecessor, 2, -1, &err));
    zdt_reuseport_free(predecessor);
    zdt_reuseport_free(successor);
}

static void a_group_without_a_successor_serves_on(void) {
    int clients[CLIENTS], count = 0;
    zdt_reuseport *only = bound("tcp://127.0.0.1:0", 1);
    FAILS(ZDT_ERROR_PEER_GONE, zdt_reuseport_retire(only, 1, 0, answer, &count, &err));
    zdt_reuseport_next next = ZDT_REUSEPORT_NEXT_INIT;
    FAILS(ZDT_ERROR_WRONG_STATE, zdt_reuseport_step(only, &next, &err));
    connect_all(only, SOCK_STREAM, clients);
    answer(zdt_reuseport_socket(only, 0), &count);
    CHECK(count == CLIENTS && answered(clients) == CLIENTS);
    zdt_reuseport_free(only);
}

static void an_accept_loop_of_ones_own_follows_the_steps(void) {
    int clients[CLIENTS], count = 0, closed = 0;
    zdt_reuseport *predecessor = bound("tcp://127.0.0.1:0", 2);
    connect_all(predecessor, SOCK_STREAM, clients);
    zdt_reuseport *successor = beside(predecessor, "tcp", 2);
    WORKS(zdt_reuseport_start_retiring(predecessor, 2, 0, &err));
    zdt_reuseport_next next = ZDT_REUSEPORT_NEXT_INIT;
    while (next.kind != ZDT_STEP_DONE && WORKS(zdt_reuseport_step(predecessor, &next, &err)) == 0) {
        if (next.kind == ZDT_STEP_ACCEPT)
            answer(next.socket, &count);
        closed += next.kind == ZDT_STEP_CLOSED;
    }
    CHECK(closed == 2 && next.closed == 2 && next.successors == 2 && next.waits == 1);
    CHECK(count == CLIENTS && answered(clients) == CLIENTS);
    zdt_reuseport_free(predecessor);
    zdt_reuseport_free(successor);
}

static void read_all(int fd, void *count) {
    char byte;
    while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
        ++*(int *)count;
}

static void datagrams_that_came_stay_readable(void) {
    int clients[CLIENTS], here = 0, there = 0;
    zdt_reuseport *predecessor = bound("udp://127.0.0.1:0", 2);
    connect_all(predecessor, SOCK_DGRAM, clients);
    for (int index = 0; index < CLIENTS; index++)
        writes(clients[index], "?", 1);
    zdt_reuseport *successor = beside(predecessor, "udp", 2);
    WORKS(zdt_reuseport_start_retiring(predecessor, 2, 0, &err));
    for (int index = 0; index < CLIENTS; index++) {
        writes(clients[index], "?", 1);
        close(clients[index]);
    }
    zdt_reuseport_next next = ZDT_REUSEPORT_NEXT_INIT;
    while (next.kind != ZDT_STEP_DONE && WORKS(zdt_reuseport_step(predecessor, &next, &err)) == 0)
        if (next.kind == ZDT_STEP_ACCEPT)
            read_all(next.socket, &here);
    for (size_t index = 0; index < 2; index++)
        read_all(zdt_reuseport_socket(successor, index), &there);
    CHECK(here == CLIENTS && there == CLIENTS);
    zdt_reuseport_free(predecessor);
    zdt_reuseport_free(successor);
}

static void wrong_use_of_a_group_says_so(void) {
    zdt_reuseport *group = (zdt_reuseport *)&group; /* an error leaves NULL */
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_reuseport_bind("tcp://127.0.0.1:0", NULL, 0, &group, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_reuseport_bind("udp://localhost:1", NULL, 1, &group, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_reuseport_bind(NULL, NULL, 1, &group, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_reuseport_bind("tcp://127.0.0.1:0", NULL, 1, NULL, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_reuseport_start_retiring(NULL, 1, 0, &err));
    CHECK(group == NULL && zdt_reuseport_socket(NULL, 0) == -ZDT_ERROR_INVALID_ARGUMENT);
    zdt_listener_options options = ZDT_LISTENER_OPTIONS_INIT;
    options.nodelay = ZDT_ON;
    WORKS(zdt_reuseport_bind("tcp://127.0.0.1:0", &options, 1, &group, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_reuseport_retire(group, 1, 0, NULL, NULL, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_reuseport_step(group, NULL, &err));
    zdt_reuseport_free(group);
    group = NULL;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_reuseport_bind("udp://127.0.0.1:0", &options, 2, &group, &err));
    options.nodelay = ZDT_OFF;
    WORKS(zdt_reuseport_bind("udp://127.0.0.1:0", &options, 2, &group, &err));
    zdt_reuseport_kernel kernel = ZDT_REUSEPORT_KERNEL_INIT;
    WORKS(zdt_reuseport_ask_kernel(&kernel, &err));
    CHECK(kernel.syncookies <= 2);
    zdt_reuseport_free(group);
    zdt_reuseport_free(NULL);
}

const struct test reuseport_tests[] = {
    TEST(a_group_that_retires_loses_nobody_in_its_queue),
    TEST(what_is_new_goes_to_the_successors_while_a_group_retires),
    TEST(a_group_without_a_successor_serves_on),
    TEST(an_accept_loop_of_ones_own_follows_the_steps),
    TEST(datagrams_that_came_stay_readable),
    TEST(wrong_use_of_a_group_says_so),
    {NULL, NULL},
};

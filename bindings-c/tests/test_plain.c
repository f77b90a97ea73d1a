/* One process still: listeners, states, close and fork, draining, and the pieces that need no takeover. */
#define _GNU_SOURCE
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static zdt_error *err;

static zdt_takeover *opened(void) {
    zdt_takeover *t = NULL;
    WORKS(zdt_open(in_dir("zdt.sock"), NULL, &t, &err));
    return t;
}

static int option(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(fd, level, name, &value, &length) == 0 ? value : -1;
}

static bool connects(const void *address, socklen_t length) {
    int client = socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool fine = connect(client, address, length) == 0;
    close(client);
    return fine;
}

static void a_listener_is_what_address_and_options_say(void) {
    zdt_takeover *t = opened();
    zdt_listener_options options = ZDT_LISTENER_OPTIONS_INIT;
    options.nodelay = ZDT_ON;
    int v4 = WORKS(zdt_listener(t, "v4", "tcp://127.0.0.1:0", &options, &err));
    CHECK(option(v4, SOL_SOCKET, SO_ACCEPTCONN) == 1 && option(v4, IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(fcntl(v4, F_GETFL) & O_NONBLOCK && fcntl(v4, F_GETFD) & FD_CLOEXEC);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    CHECK(getsockname(v4, (struct sockaddr *)&address, &length) == 0 && connects(&address, length));

    options.nodelay = ZDT_OFF;
    options.v6only = ZDT_ON;
    int v6 = WORKS(zdt_listener(t, "v6", "tcp://[::1]:0?nodelay=1", &options, &err));
    CHECK(option(v6, IPPROTO_IPV6, IPV6_V6ONLY) == 1 && option(v6, IPPROTO_TCP, TCP_NODELAY) == 0);

    char text[200];
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    strcpy(path.sun_path, in_dir("x.sock"));
    snprintf(text, sizeof text, "unix://%s", path.sun_path);
    zdt_listener_options mode = ZDT_LISTENER_OPTIONS_INIT;
    mode.mode = 0640;
    int local = WORKS(zdt_listener(t, "local", text, &mode, &err));
    struct stat there;
    CHECK(stat(path.sun_path, &there) == 0 && (there.st_mode & 0777) == 0640 && connects(&path, sizeof path));

    options.v6only = 7;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_listener(t, "b", "tcp://127.0.0.1:0", &options, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_listener(t, "b", "127.0.0.1:0", NULL, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_listener(t, "b", "tcp://localhost:http", NULL, &err));
    FAILS(ZDT_ERROR_NAME_USED, zdt_listener(t, "v4", "tcp://127.0.0.1:0", NULL, &err));
    snprintf(text, sizeof text, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    FAILS(ZDT_ERROR_ADDRESS_IN_USE, zdt_listener(t, "b", text, NULL, &err));
    close(v4);
    close(v6);
    close(local);
    zdt_free(t);
}

static void a_call_that_does_not_fit_the_state_says_so(void) {
    zdt_takeover *t = opened();
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    zdt_connection connection = ZDT_CONNECTION_INIT;
    connection.fd = pair[0];
    connection.protocol = "test";
    FAILS(ZDT_ERROR_WRONG_STATE, zdt_migrate(t, &connection, &err));
    FAILS(ZDT_ERROR_WRONG_STATE, zdt_migrated_all(t, &err));
    WORKS(zdt_ready(t, &err));
    FAILS(ZDT_ERROR_WRONG_STATE, zdt_ready(t, &err));
    CHECK(zdt_generation(t) == 1 && zdt_predecessor(t) == NULL);
    char **names = NULL;
    CHECK(WORKS(zdt_unclaimed(t, &names, &err)) == 0 && names && !names[0]);
    zdt_names_free(names);
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(WORKS(zdt_next_event(t, 10, &event, &err)) == 0 && event.kind == 0);
    close(pair[0]);
    close(pair[1]);
    zdt_free(t);
}

static void all_fail(zdt_takeover *t, int number) {
    zdt_event event = ZDT_EVENT_INIT;
    zdt_connection connection = ZDT_CONNECTION_INIT;
    connection.protocol = "test";
    FAILS(number, zdt_next_event(t, 0, &event, &err));
    FAILS(number, zdt_listener(t, "a", "tcp://127.0.0.1:0", NULL, &err));
    FAILS(number, zdt_ready(t, &err));
    FAILS(number, zdt_migrate(t, &connection, &err));
    FAILS(number, zdt_migrated_all(t, &err));
    FAILS(number, zdt_drain(t, &err));
}

static void *wait_for_ever(void *t) {
    zdt_event event = ZDT_EVENT_INIT;
    zdt_error *own = NULL;
    int result = zdt_next_event(t, -1, &event, &own);
    CHECK(result == -ZDT_ERROR_CLOSED && event.kind == 0);
    zdt_error_free(own);
    return NULL;
}

static void closing_answers_every_later_call(void) {
    zdt_takeover *t = opened();
    pthread_t waiting;
    CHECK(pthread_create(&waiting, NULL, wait_for_ever, t) == 0);
    pause_ms(100);
    CHECK(zdt_close(t) == 0);
    CHECK(pthread_join(waiting, NULL) == 0);
    CHECK(zdt_close(t) == 0); /* twice is fine */
    all_fail(t, ZDT_ERROR_CLOSED);
    zdt_free(t);
    struct stat there; /* the last owner took its socket away */
    CHECK(stat(in_dir("zdt.sock"), &there) < 0 && errno == ENOENT);
}

static void a_forked_child_is_told_and_the_parent_goes_on(void) {
    zdt_takeover *t = opened();
    WORKS(zdt_ready(t, &err));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        failures = 0;
        all_fail(t, ZDT_ERROR_FORKED);
        zdt_free(t);
        _exit(failures != 0);
    }
    CHECK(finish(child) == 0);
    struct stat there;
    CHECK(stat(in_dir("zdt.sock"), &there) == 0);
    WORKS(zdt_drain(t, &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(t, ZDT_DRAIN, &event));
    zdt_free(t);
}

static void next_event_gives_nothing_when_nothing_happens(void) {
    struct timespec begin, end;
    zdt_takeover *t = opened();
    WORKS(zdt_ready(t, &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(WORKS(zdt_next_event(t, 0, &event, &err)) == 0 && event.kind == 0);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    CHECK(WORKS(zdt_next_event(t, 50, &event, &err)) == 0 && event.kind == 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    CHECK((end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec >= 50000000L); /* it waited */
    zdt_free(t);
}

static bool is_readable(zdt_takeover *t) {
    struct pollfd ready = {.fd = zdt_event_fd(t), .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

static void the_event_fd_is_readable_while_an_event_waits(void) {
    zdt_takeover *t = opened();
    WORKS(zdt_ready(t, &err));
    zdt_event event = ZDT_EVENT_INIT;
    while (WORKS(zdt_next_event(t, 0, &event, &err)) == 1)
        ;
    CHECK(!is_readable(t));
    WORKS(zdt_drain(t, &err));
    CHECK(is_readable(t) && is_readable(t)); /* until it is taken */
    CHECK(comes(t, ZDT_DRAIN, &event));
    CHECK(WORKS(zdt_next_event(t, 0, &event, &err)) == 0 && !is_readable(t));
    zdt_free(t);
}

static void *drain_from_another_thread(void *t) {
    pause_ms(50);
    CHECK(zdt_drain(t, NULL) == 0);
    return NULL;
}

static void drain_without_a_successor_ends_with_done(void) {
    zdt_takeover *t = opened();
    WORKS(zdt_ready(t, &err));
    pthread_t other;
    CHECK(pthread_create(&other, NULL, drain_from_another_thread, t) == 0);
    struct pollfd ready = {.fd = zdt_event_fd(t), .events = POLLIN};
    CHECK(poll(&ready, 1, 10000) == 1);
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(t, ZDT_DRAIN, &event) && event.successor == NULL && event.deadline_ms == 30000);
    WORKS(zdt_migrated_all(t, &err));
    CHECK(comes(t, ZDT_DONE, &event) && event.left == 0);
    CHECK(pthread_join(other, NULL) == 0);
    zdt_free(t);
}

static void a_blocked_signal_becomes_a_drain_event_and_an_unblocked_one_is_an_error(void) {
    zdt_takeover *t = NULL;
    zdt_config config = ZDT_CONFIG_INIT;
    const int signals[] = {SIGTERM};
    config.drain_signals = signals;
    config.drain_signals_count = 1;
    FAILS(ZDT_ERROR_SIGNAL_NOT_BLOCKED, zdt_open(in_dir("zdt.sock"), &config, &t, &err));
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    WORKS(zdt_open(in_dir("zdt.sock"), &config, &t, &err));
    WORKS(zdt_ready(t, &err));
    WORKS(zdt_signal_drain((uint32_t)getpid(), &err));
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(t, ZDT_DRAIN, &event));
    zdt_free(t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    config.drain_signals = (const int[]){-1};
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_open(in_dir("zdt.sock"), &config, &t, &err));
}

static void descriptors_travel_over_a_socket_of_ones_own(void) {
    int pair[2], many[4], got[ZDT_MAX_FDS];
    char data[16];
    size_t count = ZDT_MAX_FDS;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    CHECK(pipe2(many, O_CLOEXEC) == 0 && pipe2(many + 2, O_CLOEXEC) == 0);
    WORKS(zdt_send_fds(pair[0], "hello", 5, many, 4, &err));
    CHECK(WORKS(zdt_recv_fds(pair[1], data, sizeof data, got, &count, &err)) == 5 && count == 4);
    CHECK(memcmp(data, "hello", 5) == 0 && fcntl(got[3], F_GETFD) & FD_CLOEXEC);
    CHECK(write(got[1], "x", 1) == 1 && read(many[0], data, 1) == 1); /* the same pipe */
    for (size_t at = 0; at < count; at++)
        close(got[at]);

    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_send_fds(pair[0], NULL, 0, many, 4, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_send_fds(pair[0], "x", 1, NULL, 4, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_send_fds(pair[0], "x", 1, (const int[]){-1}, 1, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_send_fds(-1, "x", 1, many, 1, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_recv_fds(pair[1], data, 0, got, &count, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_recv_fds(pair[1], data, 1, NULL, NULL, &err));
    for (size_t at = 0; at < ZDT_MAX_FDS; at++)
        got[at] = many[0];
    int too_many[ZDT_MAX_FDS + 1] = {0};
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_send_fds(pair[0], "x", 1, too_many, ZDT_MAX_FDS + 1, &err));

    WORKS(zdt_send_fds(pair[0], "x", 1, many, 4, &err));
    count = 3;
    FAILS(ZDT_ERROR_DESCRIPTOR_COUNT, zdt_recv_fds(pair[1], data, 1, got, &count, &err));
    CHECK(count == 0); /* closed: the test's end counts */
    count = 3;
    CHECK(zdt_recv_fds(pair[1], data, 1, got, &count, &err) == -ZDT_ERROR_SYSTEM && zdt_error_errno(err) == EAGAIN);
    zdt_error_free(err);
    err = NULL;
    close(pair[0]);
    CHECK(WORKS(zdt_recv_fds(pair[1], data, 1, got, &count, &err)) == 0 && count == 0); /* the end */
    FAILS(ZDT_ERROR_PEER_GONE, zdt_send_fds(pair[1], "x", 1, NULL, 0, &err));           /* and no SIGPIPE */
    close(pair[1]);
    for (size_t at = 0; at < 4; at++)
        close(many[at]);
}

static void two_listeners_share_an_address_with_reuseport(void) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int first = WORKS(zdt_bind("tcp://127.0.0.1:0", NULL, &err));
    CHECK(getsockname(first, (struct sockaddr *)&address, &length) == 0);
    char text[64];
    snprintf(text, sizeof text, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    int second = WORKS(zdt_bind(text, NULL, &err));
    CHECK(option(second, SOL_SOCKET, SO_REUSEPORT) == 1);
    close(first);
    close(second);
}

static void signal_drain_reaches_the_process_or_says_that_there_is_none(void) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    WORKS(zdt_signal_drain((uint32_t)child, &err));
    CHECK(finish(child) == 128 + SIGTERM);
    FAILS(ZDT_ERROR_PEER_GONE, zdt_signal_drain((uint32_t)child, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_signal_drain(0, &err));
}

static void *leave_later(void *gate) {
    pause_ms(50);
    CHECK(zdt_gate_leave(gate) == 0);
    return NULL;
}

static void a_gate_waits_for_what_is_in_flight(void) {
    zdt_gate *gate = zdt_gate_new();
    CHECK(zdt_gate_enter(gate) == 1 && zdt_gate_in_flight(gate) == 1);
    CHECK(zdt_gate_close(gate) == 0 && zdt_gate_enter(gate) == 0);
    CHECK(WORKS(zdt_gate_wait(gate, 10, &err)) == ZDT_IN_FLIGHT);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, leave_later, gate) == 0);
    CHECK(WORKS(zdt_gate_wait(gate, -1, &err)) == 0 && zdt_gate_in_flight(gate) == 0);
    CHECK(pthread_join(other, NULL) == 0);
    CHECK(zdt_gate_leave(gate) == -ZDT_ERROR_WRONG_STATE); /* nobody is inside */
    CHECK(zdt_gate_open(gate) == 0 && zdt_gate_enter(gate) == 1 && zdt_gate_leave(gate) == 0);
    zdt_gate_free(gate);
}

const struct test plain_tests[] = {
    TEST(a_listener_is_what_address_and_options_say),
    TEST(a_call_that_does_not_fit_the_state_says_so),
    TEST(closing_answers_every_later_call),
    TEST(a_forked_child_is_told_and_the_parent_goes_on),
    TEST(next_event_gives_nothing_when_nothing_happens),
    TEST(the_event_fd_is_readable_while_an_event_waits),
    TEST(drain_without_a_successor_ends_with_done),
    TEST(a_blocked_signal_becomes_a_drain_event_and_an_unblocked_one_is_an_error),
    TEST(descriptors_travel_over_a_socket_of_ones_own),
    TEST(two_listeners_share_an_address_with_reuseport),
    TEST(signal_drain_reaches_the_process_or_says_that_there_is_none),
    TEST(a_gate_waits_for_what_is_in_flight),
    {NULL, NULL},
};

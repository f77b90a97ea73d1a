/*
 * Moves connections through a whole takeover, from C: one process is the predecessor, another one the successor.
 *
 * `mover predecessor PATH COUNT` takes the connections from its standard input; `mover successor PATH COUNT THREADS`
 * has THREADS idle threads before it opens, and stays until its standard input ends. Each prints one line of what it
 * measured.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zdt.h>

#define DEADLINE_MS 20000 /* nothing here takes that long, unless it hangs */
#define STATE_BYTES 64

static unsigned char state[STATE_BYTES];

/* What the successor's application makes of a connection. */
struct restored {
    int fd;
    unsigned char state[STATE_BYTES];
};

static void die(const char *what, const zdt_error *error)
{
    fprintf(stderr, "mover (C): %s: %s\n", what, error != NULL ? zdt_error_message(error) : "unexpected");
    exit(1);
}

static int64_t now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* The longest single step of a loop, and apart from it the longest in which the kernel gave the core to somebody else: on
 * a machine that does other things too that one says nothing about us. */
struct stall_meter {
    int64_t longest, preempted, last;
    long switches;
};

/* How often the kernel took the core away from this thread although it had something to do. */
static long preemptions(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) != 0)
        die("getrusage", NULL);
    return usage.ru_nivcsw;
}

/* A step begins, after a wait that does not count. */
static void meter_resume(struct stall_meter *meter)
{
    meter->switches = preemptions();
    meter->last = now(CLOCK_MONOTONIC);
}

/* A step ends, and the next one begins. */
static void meter_step(struct stall_meter *meter)
{
    int64_t time = now(CLOCK_MONOTONIC), took = time - meter->last;
    meter->last = time;
    if (took <= meter->longest)
        return;
    long switches = preemptions();
    if (switches == meter->switches)
        meter->longest = took;
    else if (took > meter->preempted)
        meter->preempted = took;
    meter->switches = switches;
}

static zdt_takeover *open_takeover(const char *path)
{
    zdt_error *error = NULL;
    zdt_takeover *takeover = NULL;
    struct zdt_config config = ZDT_CONFIG_INIT;
    config.program = "mover";
    config.probation_ms = -1;
    if (zdt_open(path, &config, &takeover, &error) < 0)
        die("zdt_open", error);
    return takeover;
}

/* Waits for an event that must come. */
static void await_event(zdt_takeover *takeover, struct zdt_event *event)
{
    zdt_error *error = NULL;
    if (zdt_next_event(takeover, DEADLINE_MS, event, &error) <= 0)
        die("waiting for an event", error);
}

static void become_ready(zdt_takeover *takeover)
{
    zdt_error *error = NULL;
    if (zdt_ready(takeover, &error) < 0)
        die("zdt_ready", error);
}

/* Offers until there is no more room; returns how many are offered now. */
static int offer(zdt_takeover *takeover, const int *sockets, int offered, int count)
{
    zdt_error *error = NULL;
    while (offered < count) {
        struct zdt_connection connection = ZDT_CONNECTION_INIT;
        connection.id = (uint64_t)offered;
        connection.fd = sockets[offered];
        connection.protocol = "bench";
        connection.state_version = 1;
        connection.state = (struct zdt_bytes){state, STATE_BYTES};
        int outcome = zdt_migrate(takeover, &connection, &error);
        if (outcome == ZDT_FULL)
            return offered;
        if (outcome < 0)
            die("zdt_migrate", error);
        offered++;
    }
    if (zdt_migrated_all(takeover, &error) < 0)
        die("zdt_migrated_all", error);
    return offered;
}

static void predecessor(const char *path, int count)
{
    zdt_error *error = NULL;
    int *sockets = calloc((size_t)count, sizeof *sockets);
    if (sockets == NULL)
        die("calloc", NULL);
    for (int have = 0; have < count;) {
        char byte;
        size_t fds = (size_t)(count - have);
        if (zdt_recv_fds(STDIN_FILENO, &byte, 1, sockets + have, &fds, &error) < 0)
            die("zdt_recv_fds", error);
        have += (int)fds;
    }
    zdt_takeover *takeover = open_takeover(path);
    become_ready(takeover);
    zdt_set_connections(takeover, (uint64_t)count);
    puts("open");
    fflush(stdout);
    struct zdt_event event = ZDT_EVENT_INIT;
    do
        await_event(takeover, &event);
    while (event.kind != ZDT_DRAIN);

    int64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID), start = now(CLOCK_MONOTONIC);
    int settled = 0, offered = offer(takeover, sockets, 0, count);
    while (settled < count) {
        await_event(takeover, &event);
        switch (event.kind) {
        case ZDT_SETTLED:
            close(sockets[event.id]);
            settled++;
            break;
        case ZDT_ROOM: offered = offer(takeover, sockets, offered, count); break;
        default: die("an event that does not belong here", NULL);
        }
    }
    int64_t wall = now(CLOCK_MONOTONIC) - start, spent = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("moved=%d wall_ns=%lld cpu_ns=%lld\n", settled, (long long)wall, (long long)spent);
    fflush(stdout);
    do
        await_event(takeover, &event);
    while (event.kind != ZDT_DONE);
    zdt_free(takeover);
}

static void *idle(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

static void successor(const char *path, int count, int threads)
{
    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, idle, NULL) != 0)
            die("pthread_create", NULL);
    }
    struct restored *adopted = calloc((size_t)count, sizeof *adopted);
    if (adopted == NULL)
        die("calloc", NULL);
    zdt_error *error = NULL;
    zdt_takeover *takeover = open_takeover(path);
    become_ready(takeover);

    /* Looking at the clock costs as much as a part of what is measured, so only a receiver with threads does. */
    bool metered = threads > 0;
    struct stall_meter meter = {0};
    meter_resume(&meter);
    int64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    struct zdt_event event = ZDT_EVENT_INIT;
    bool committed = false;
    int have = 0;
    for (;;) {
        int outcome = zdt_next_event(takeover, 0, &event, &error);
        if (outcome < 0)
            die("zdt_next_event", error);
        if (outcome > 0 && event.kind == ZDT_OFFER && have < count) {
            struct zdt_connection connection = ZDT_CONNECTION_INIT;
            if (zdt_adopt(takeover, &event.offer, &connection, &error) != 0 || connection.state.length != STATE_BYTES)
                die("zdt_adopt", error);
            adopted[have].fd = connection.fd;
            memcpy(adopted[have++].state, connection.state.data, STATE_BYTES);
            zdt_connection_free(&connection);
        } else if (outcome > 0 && event.kind == ZDT_COMMITTED) {
            committed = true;
        } else if (outcome > 0) {
            die("an event that does not belong here", NULL);
        }
        if (metered)
            meter_step(&meter);
        if (outcome == 0) {
            if (have == count)
                break;
            /* Waits outside libzdt, so that the time until something is sent is not taken for a stall. */
            struct pollfd readable = {.fd = zdt_event_fd(takeover), .events = POLLIN};
            if (poll(&readable, 1, DEADLINE_MS) != 1)
                die("poll", NULL);
            if (metered)
                meter_resume(&meter);
        }
    }
    int64_t spent = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    for (int i = 0; i < count; i++)
        if (memcmp(adopted[i].state, state, STATE_BYTES) != 0)
            die("a state arrived that was not sent", NULL);
    printf("adopted=%d cpu_ns=%lld", have, (long long)spent);
    if (metered)
        printf(" stall_ns=%lld preempted_ns=%lld", (long long)meter.longest, (long long)meter.preempted);
    printf("\n");
    fflush(stdout);
    while (!committed) {
        await_event(takeover, &event);
        committed = event.kind == ZDT_COMMITTED;
    }
    /* Leaving is work too: not while the predecessor is still measuring. */
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    zdt_free(takeover);
}

int main(int argc, char **argv)
{
    memset(state, 's', sizeof state);
    if (argc == 4 && strcmp(argv[1], "predecessor") == 0)
        predecessor(argv[2], atoi(argv[3]));
    else if (argc == 5 && strcmp(argv[1], "successor") == 0)
        successor(argv[2], atoi(argv[3]), atoi(argv[4]));
    else
        return 2;
    return 0;
}

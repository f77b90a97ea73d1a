/*
 * The floor: moves descriptors from one process to another with sendmsg, recvmsg and close, and does nothing else.
 *
 * What libzdt moves is measured against this. With `-k 1 -w 1` it is one descriptor per message with an answer each.
 * Standard input is a datagram socket over which the connections come (at most 253 with each byte).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 253 /* SCM_MAX_FD, unix(7) */

struct options {
    int connections;
    int per_message;
    int window;  /* messages sent and not yet answered */
    int payload; /* bytes for each connection */
    int threads; /* idle ones in the receiver */
    bool stalls; /* time each message in the receiver */
};

/* What the receiver tells at the end. */
struct outcome {
    int64_t cpu_ns;
    int64_t stall_ns;
    int64_t preempted_ns;
};

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
};

static void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
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
        die("getrusage");
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

static void send_batch(int link, const int *fds, int count, char *payload, size_t length)
{
    union control control;
    struct iovec part = {.iov_base = payload, .iov_len = length};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, (size_t)count * sizeof(int));
    if (sendmsg(link, &message, MSG_NOSIGNAL) != (ssize_t)length)
        die("sendmsg");
}

/* Receives one message and returns how many descriptors it brought. */
static int receive_batch(int link, int *fds, int room, char *payload, size_t length)
{
    union control control;
    struct iovec part = {.iov_base = payload, .iov_len = length};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    errno = 0;
    if (recvmsg(link, &message, MSG_CMSG_CLOEXEC) <= 0 || message.msg_flags & MSG_CTRUNC)
        die("recvmsg");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS)
        die("a message without descriptors");
    int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    if (count > room)
        die("too many descriptors");
    memcpy(fds, CMSG_DATA(header), (size_t)count * sizeof(int));
    return count;
}

static void *idle(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

static void receiver(int link, const struct options *o)
{
    char *payload = malloc((size_t)o->payload * MAX_DESCRIPTORS);
    int *fds = calloc((size_t)o->connections, sizeof *fds);
    if (payload == NULL || fds == NULL)
        die("malloc");
    for (int i = 0; i < o->threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, idle, NULL) != 0)
            die("pthread_create");
    }
    /* Without this a growing table would stall recvmsg, most of all in a process with threads. */
    int high = fcntl(link, F_DUPFD_CLOEXEC, o->connections + 64);
    if (high < 0 || close(high) != 0)
        die("growing the descriptor table");

    char answer = 'k';
    if (send(link, &answer, 1, MSG_NOSIGNAL) != 1)
        die("send");
    struct outcome outcome = {0};
    struct stall_meter meter = {0};
    int64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int have = 0; have < o->connections;) {
        if (o->stalls) {
            struct pollfd readable = {.fd = link, .events = POLLIN};
            if (poll(&readable, 1, -1) < 0)
                die("poll");
            meter_resume(&meter);
        }
        have += receive_batch(link, fds + have, o->connections - have, payload, (size_t)o->payload * MAX_DESCRIPTORS);
        if (send(link, &answer, 1, MSG_NOSIGNAL) != 1)
            die("send");
        if (o->stalls)
            meter_step(&meter);
    }
    outcome.stall_ns = meter.longest;
    outcome.preempted_ns = meter.preempted;
    outcome.cpu_ns = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (send(link, &outcome, sizeof outcome, MSG_NOSIGNAL) != sizeof outcome)
        die("send");
}

static void await_answer(int link)
{
    char answer;
    errno = 0;
    if (recv(link, &answer, 1, 0) != 1)
        die("no answer from the receiver");
}

static void sender(int link, const struct options *o)
{
    char *payload = calloc((size_t)o->payload, MAX_DESCRIPTORS);
    int *fds = calloc((size_t)o->connections, sizeof *fds);
    if (payload == NULL || fds == NULL)
        die("malloc");
    for (int have = 0; have < o->connections;) {
        char byte;
        have += receive_batch(STDIN_FILENO, fds + have, o->connections - have, &byte, 1);
    }
    await_answer(link);

    int sent = 0, closed = 0, unanswered = 0;
    int64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID), start = now(CLOCK_MONOTONIC);
    while (closed < o->connections) {
        while (sent < o->connections && unanswered < o->window) {
            int count = o->connections - sent < o->per_message ? o->connections - sent : o->per_message;
            send_batch(link, fds + sent, count, payload, (size_t)(count * o->payload));
            sent += count;
            unanswered++;
        }
        await_answer(link);
        unanswered--;
        for (int i = 0; i < o->per_message && closed < o->connections; i++)
            close(fds[closed++]);
    }
    int64_t wall = now(CLOCK_MONOTONIC) - start, spent = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;

    struct outcome outcome;
    errno = 0;
    if (recv(link, &outcome, sizeof outcome, 0) != sizeof outcome)
        die("no outcome from the receiver");
    printf("moved=%d wall_ns=%lld cpu_ns=%lld\n", closed, (long long)wall, (long long)spent);
    printf("adopted=%d cpu_ns=%lld", closed, (long long)outcome.cpu_ns);
    if (o->stalls)
        printf(" stall_ns=%lld preempted_ns=%lld", (long long)outcome.stall_ns, (long long)outcome.preempted_ns);
    printf("\n");
}

int main(int argc, char **argv)
{
    struct options o = {.connections = 1000, .per_message = MAX_DESCRIPTORS, .window = 4, .payload = 90};
    for (int option; (option = getopt(argc, argv, "n:k:w:b:t:s")) != -1;) {
        switch (option) {
        case 'n': o.connections = atoi(optarg); break;
        case 'k': o.per_message = atoi(optarg); break;
        case 'w': o.window = atoi(optarg); break;
        case 'b': o.payload = atoi(optarg); break;
        case 't': o.threads = atoi(optarg); break;
        case 's': o.stalls = true; break;
        default: return 2;
        }
    }
    if (o.connections < 1 || o.per_message < 1 || o.per_message > MAX_DESCRIPTORS || o.window < 1 || o.payload < 1)
        return 2;

    int link[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) != 0)
        die("socketpair");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        close(link[0]);
        close(STDIN_FILENO);
        receiver(link[1], &o);
        return 0;
    }
    close(link[1]);
    sender(link[0], &o);
    /* Its descriptors are closed then: not while somebody else is measured. */
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        die("the receiver");
    return 0;
}

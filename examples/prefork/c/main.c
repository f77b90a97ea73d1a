/* The arbiter: it holds the service, forks the workers, and has no connection. */
#define _GNU_SOURCE
#include "prefork.h"
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct options options = {.workers = 4, .probation_ms = 2000};

static zdt_takeover *t;
static pid_t *running;
static int signals;
static sigset_t ours;

struct zdt_config config(void) {
    struct zdt_config config = ZDT_CONFIG_INIT;
    config.program = "prefork";
    config.probation_ms = options.probation_ms;
    config.drain_ms = options.drain_ms;
    config.hang_ms = options.hang_ms;
    return config;
}

int must(int result, const char *what, zdt_error *err) {
    if (result < 0) {
        fprintf(stderr, "prefork-c: %s: %s\n", what, err ? zdt_error_message(err) : strerror(errno));
        exit(1);
    }
    return result;
}

/* In the child: the arbiter's things are closed, the seat is ours. */
static int child(int seat) {
    zdt_free(t);
    close(signals);
    must(sigprocmask(SIG_UNBLOCK, &ours, NULL), "sigprocmask", NULL);
    return work(seat);
}

/* Starts as many workers as are missing. */
static void fill(void) {
    for (int i = 0; i < options.workers; i++) {
        if (running[i])
            continue;
        int seat = zdt_seat(t, (uint32_t)i, NULL);
        if (seat < 0)
            return; /* the service may have begun to drain meanwhile: the event is on its way */
        fflush(stdout);
        pid_t pid = fork();
        must(pid, "fork", NULL);
        if (pid == 0)
            exit(child(seat));
        close(seat);
        printf("worker %d\n", (int)pid);
        running[i] = pid;
    }
}

/* How many workers are left, once those that have ended are forgotten. */
static int reap(void) {
    int left = 0;
    for (int i = 0; i < options.workers; i++) {
        if (running[i] && waitpid(running[i], NULL, WNOHANG) == running[i])
            running[i] = 0;
        left += running[i] != 0;
    }
    return left;
}

/* What happened to the service. Whether it is over for us. */
static bool told(const struct zdt_event *event, bool *serving) {
    switch (event->kind) {
    case ZDT_DRAIN: /* we have nothing of our own; the workers migrate */
        *serving = false;
        zdt_migrated_all(t, NULL);
        return false;
    case ZDT_RESUME:
        *serving = true;
        printf("resume %d\n", (int)getpid());
        return false;
    case ZDT_COMMITTED: printf("committed %d\n", (int)getpid()); return false;
    case ZDT_DONE: printf("done %d\n", (int)getpid()); return true;
    case ZDT_ABORTED:
    case ZDT_RELIEVED: printf("aborted %d\n", (int)getpid()); return true;
    default: return false;
    }
}

static void serve(void) {
    struct pollfd ready[] = {{.fd = zdt_event_fd(t), .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    zdt_error *err = NULL;
    for (bool serving = true, over = false; !over;) {
        if (poll(ready, 2, -1) < 0 && errno != EINTR)
            must(-1, "poll", NULL);
        struct zdt_event event = ZDT_EVENT_INIT;
        while (!over && must(zdt_next_event(t, 0, &event, &err), "next_event", err))
            over = told(&event, &serving);
        struct signalfd_siginfo signal;
        while (read(signals, &signal, sizeof signal) > 0)
            if (signal.ssi_signo == SIGTERM)
                zdt_drain(t, NULL);
        reap();
        if (serving && !over)
            fill();
    }
}

static void usage(void) {
    fprintf(stderr, "usage: prefork-c [--workers N] [--probation-ms N] [--drain-ms N] [--hang-ms N] [--slowly-ms N] PATH "
                    "ADDRESS:PORT\n");
    exit(2);
}

static void read_options(int argc, char **argv) {
    static const struct option known[] = {{"workers", required_argument, NULL, 'w'},
                                          {"probation-ms", required_argument, NULL, 'p'},
                                          {"drain-ms", required_argument, NULL, 'd'},
                                          {"hang-ms", required_argument, NULL, 'h'},
                                          {"slowly-ms", required_argument, NULL, 's'},
                                          {0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) >= 0;)
        switch (option) {
        case 'w': options.workers = atoi(optarg); break;
        case 'p': options.probation_ms = atol(optarg); break;
        case 'd': options.drain_ms = atol(optarg); break;
        case 'h': options.hang_ms = atol(optarg); break;
        case 's': options.slowly_ms = atol(optarg); break;
        default: usage();
        }
    if (argc - optind != 2 || options.workers < 1)
        usage();
    options.path = argv[optind];
    options.address = argv[optind + 1];
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGCHLD);
    must(sigprocmask(SIG_BLOCK, &ours, NULL), "sigprocmask", NULL);
    signals = must(signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC), "signalfd", NULL);
    running = calloc((size_t)options.workers, sizeof *running);
    must(running ? 0 : -1, "calloc", NULL);

    struct zdt_config with = config();
    zdt_error *err = NULL;
    char address[256];
    snprintf(address, sizeof address, "tcp://%s", options.address);
    must(zdt_open(options.path, &with, &t, &err), "open", err);
    int listener = must(zdt_listener(t, "count", address, NULL, &err), "listener", err);
    struct sockaddr_in at;
    must(getsockname(listener, (struct sockaddr *)&at, &(socklen_t){sizeof at}), "getsockname", NULL);
    close(listener); /* the workers get copies of their own */
    printf("listening %s:%d %llu %d\n", inet_ntoa(at.sin_addr), ntohs(at.sin_port),
           (unsigned long long)zdt_generation(t), (int)getpid());

    fill();
    must(zdt_ready(t, &err), "ready", err);
    serve();
    zdt_free(t);
    while (reap()) /* they finish what they have */
        poll(NULL, 0, 20);
    return 0;
}

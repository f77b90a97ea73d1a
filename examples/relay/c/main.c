/* relay-c: the relay (PROTOCOL.md) in C with epoll, against libzdt.so. */
#define _GNU_SOURCE
#include "takeover.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void usage(const char *program) {
    fprintf(stderr,
            "usage: %s --takeover PATH --listen tcp://ADDRESS:PORT [--probation-ms N] [--drain-ms N]\n"
            "  [--commit-ms N] [--handshake-ms N] [--ready-ms N] [--hang-ms N]\n"
            "  for tests: [--hold-before-ready] [--refuse-all] [--adopt-delay-ms N] [--stop-after-adopting N]\n"
            "             [--die-after-adopting N] [--die-after-offering N]\n",
            program);
    exit(2);
}

static long count(const char *program, const char *text) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 0)
        usage(program);
    return value;
}

/* For zdt_config 0 is the default, and no time at all is negative. */
static int64_t duration(const char *program, const char *text) {
    long ms = count(program, text);
    return ms > 0 ? ms : -1;
}

static struct options parse(int argc, char **argv) {
    static const struct option known[] = {
        {"takeover", required_argument, NULL, 't'},
        {"listen", required_argument, NULL, 'l'},
        {"probation-ms", required_argument, NULL, 'p'},
        {"drain-ms", required_argument, NULL, 'd'},
        {"commit-ms", required_argument, NULL, 'c'},
        {"handshake-ms", required_argument, NULL, 'H'},
        {"ready-ms", required_argument, NULL, 'R'},
        {"hang-ms", required_argument, NULL, 'g'},
        {"hold-before-ready", no_argument, NULL, 'h'},
        {"refuse-all", no_argument, NULL, 'r'},
        {"adopt-delay-ms", required_argument, NULL, 'a'},
        {"stop-after-adopting", required_argument, NULL, 's'},
        {"die-after-adopting", required_argument, NULL, 'k'},
        {"die-after-offering", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.stop_after_adopting = -1, .die_after_adopting = -1, .die_after_offering = -1};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;)
        switch (option) {
        case 't': options.takeover = optarg; break;
        case 'l': options.listen = optarg; break;
        case 'p': options.probation_ms = duration(argv[0], optarg); break;
        case 'd': options.drain_ms = duration(argv[0], optarg); break;
        case 'c': options.commit_ms = duration(argv[0], optarg); break;
        case 'H': options.handshake_ms = duration(argv[0], optarg); break;
        case 'R': options.ready_ms = duration(argv[0], optarg); break;
        case 'g': options.hang_ms = duration(argv[0], optarg); break;
        case 'h': options.hold_before_ready = true; break;
        case 'r': options.refuse_all = true; break;
        case 'a': options.adopt_delay_ms = (unsigned)count(argv[0], optarg); break;
        case 's': options.stop_after_adopting = count(argv[0], optarg); break;
        case 'k': options.die_after_adopting = count(argv[0], optarg); break;
        case 'o': options.die_after_offering = count(argv[0], optarg); break;
        default: usage(argv[0]);
        }
    if (!options.takeover || !options.listen || optind < argc)
        usage(argv[0]);
    return options;
}

int main(int argc, char **argv) {
    struct options options = parse(argc, argv);
    sigset_t drain; /* SIGTERM becomes a Drain event; it has to be blocked for that */
    sigemptyset(&drain);
    sigaddset(&drain, SIGTERM);
    sigprocmask(SIG_BLOCK, &drain, NULL);

    signal(SIGPIPE, SIG_IGN); /* whoever reads our events may go; the connections matter more */

    struct relay relay;
    struct takeover takeover;
    takeover_start(&takeover, &relay, &options);
    do {
        /* Deadlines come through the event descriptor; only progress and our own leaving need the clock. */
        int timeout_ms = takeover.draining || takeover.leaving ? 50 : 1000;
        if (relay_turn(&relay, timeout_ms, &takeover.event_fd))
            takeover_events(&takeover);
    } while (takeover_tick(&takeover));

    while (relay.first)
        relay_end(&relay, relay.first);
    zdt_free(takeover.zdt);
    return 0;
}

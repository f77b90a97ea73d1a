/* Every ZDT_ERROR_* with a real cause. Those that take a bad predecessor get zdt-hostile (tests/hostile) for one: its path
 * is in the environment, in ZDT_HOSTILE. */
#define _GNU_SOURCE
#include "link.h"
#include "two.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const int numbers[] = {
    ZDT_ERROR_INVALID_ARGUMENT,
    ZDT_ERROR_PATH_TOO_LONG,
    ZDT_ERROR_NAME_USED,
    ZDT_ERROR_WRONG_STATE,
    ZDT_ERROR_CLOSED,
    ZDT_ERROR_FORKED,
    ZDT_ERROR_TOO_LARGE,
    ZDT_ERROR_NOT_READABLE,
    ZDT_ERROR_LISTENER_UNCLAIMED,
    ZDT_ERROR_SIGNAL_NOT_BLOCKED,
    ZDT_ERROR_SYSTEM,
    ZDT_ERROR_DESCRIPTOR_LIMIT,
    ZDT_ERROR_DIRECTORY_MISSING,
    ZDT_ERROR_ADDRESS_IN_USE,
    ZDT_ERROR_UNSUPPORTED,
    ZDT_ERROR_BUSY,
    ZDT_ERROR_NO_ANSWER,
    ZDT_ERROR_PEER_GONE,
    ZDT_ERROR_LISTENER_MISMATCH,
    ZDT_ERROR_ATTEMPT_LOST,
    ZDT_ERROR_REFUSED,
    ZDT_ERROR_NO_COMMON_VERSION,
    ZDT_ERROR_MALFORMED,
    ZDT_ERROR_OUT_OF_ORDER,
    ZDT_ERROR_DESCRIPTOR_COUNT,
    ZDT_ERROR_WRONG_USER,
    ZDT_ERROR_UNSAFE_DIRECTORY,
    ZDT_ERROR_FOREIGN_FILE,
    ZDT_ERROR_WRONG_PROCESS,
    ZDT_ERROR_INTERNAL,
};

static void every_error_number_has_its_kind(void) {
    size_t known = 0;
    for (int number = 0; number < 1000; number++) {
        bool is_one = known < sizeof numbers / sizeof *numbers && numbers[known] == number;
        CHECK(is_one == (strcmp(zdt_error_word(number), "unknown") != 0));
        known += is_one;
    }
    CHECK(known == sizeof numbers / sizeof *numbers);
    for (size_t one = 1; one < known; one++)
        CHECK(strcmp(zdt_error_word(numbers[one]), zdt_error_word(numbers[one - 1])) != 0);
}

/* zdt_open with these settings at a path where nobody waits. */
static int open_alone(const char *path, const zdt_config *config) {
    zdt_takeover *t = NULL;
    int result = zdt_open(path, config, &t, &err);
    CHECK((result == 0) == (t != NULL));
    zdt_free(t);
    return result;
}

static zdt_takeover *opened(void) {
    zdt_takeover *t = NULL;
    WORKS(zdt_open(in_dir("zdt.sock"), NULL, &t, &err));
    return t;
}

static void error_invalid_argument(void) {
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_bind("tcp://localhost:http", NULL, &err));
}

static void error_path_too_long(void) {
    char name[128] = {0};
    memset(name, 'x', sizeof name - 1);
    FAILS(ZDT_ERROR_PATH_TOO_LONG, open_alone(in_dir(name), NULL));
}

static void error_name_used(void) {
    zdt_takeover *t = opened();
    close(WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err)));
    FAILS(ZDT_ERROR_NAME_USED, zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    zdt_free(t);
}

static void error_wrong_state(void) {
    zdt_takeover *t = opened();
    WORKS(zdt_ready(t, &err));
    FAILS(ZDT_ERROR_WRONG_STATE, zdt_ready(t, &err));
    FAILS(ZDT_ERROR_WRONG_STATE, zdt_migrated_all(t, &err));
    zdt_free(t);
}

static void error_closed(void) {
    zdt_takeover *t = opened();
    zdt_close(t);
    FAILS(ZDT_ERROR_CLOSED, zdt_ready(t, &err));
    zdt_free(t);
}

static void error_forked(void) {
    zdt_takeover *t = opened();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        failures = 0;
        FAILS(ZDT_ERROR_FORKED, zdt_ready(t, &err));
        zdt_free(t);
        _exit(failures != 0);
    }
    CHECK(finish(child) == 0);
    WORKS(zdt_ready(t, &err));
    zdt_free(t);
}

static void error_too_large(void) {
    int pair[2];
    zdt_config small = quick();
    small.max_bytes = 8;
    struct two two = two_draining(in_dir("zdt.sock"), small, quick());
    zdt_connection connection = frozen(1, pair);
    connection.unsent = text_bytes("nine more");
    FAILS(ZDT_ERROR_TOO_LARGE, zdt_migrate(two.t[FIRST], &connection, &err));
    close(pair[0]), close(pair[1]);
    two_free(&two);
}

static void error_not_readable(void) {
    int pair[2];
    zdt_reads reads = ZDT_READS_INIT;
    reads.protocol = "other";
    zdt_config reading = quick();
    reading.reads = (const zdt_reads *const[]){&reads};
    reading.reads_count = 1;
    struct two two = two_draining(in_dir("zdt.sock"), quick(), reading);
    zdt_connection connection = frozen(1, pair);
    FAILS(ZDT_ERROR_NOT_READABLE, zdt_migrate(two.t[FIRST], &connection, &err));
    close(pair[0]), close(pair[1]);
    two_free(&two);
}

static void error_listener_unclaimed(void) {
    int listener;
    const char *path = in_dir("zdt.sock");
    struct two two = {.t = {serving(path, &listener), NULL}};
    WORKS(open_beside(two.t[FIRST], path, NULL, &two.t[SECOND], &err));
    FAILS(ZDT_ERROR_LISTENER_UNCLAIMED, zdt_ready(two.t[SECOND], &err));
    close(listener);
    two_free(&two);
}

static void error_signal_not_blocked(void) {
    struct stat there;
    zdt_config config = quick();
    config.drain_signals = (const int[]){SIGUSR1};
    config.drain_signals_count = 1;
    FAILS(ZDT_ERROR_SIGNAL_NOT_BLOCKED, open_alone(in_dir("zdt.sock"), &config));
    CHECK(stat(in_dir("zdt.sock"), &there) < 0); /* nothing was changed */
}

static void error_system(void) {
    /* TEST-NET-3 (RFC 5737): no interface has it. */
    CHECK(zdt_bind("tcp://203.0.113.1:0", NULL, &err) == -ZDT_ERROR_SYSTEM && zdt_error_errno(err) == EADDRNOTAVAIL);
    zdt_error_free(err), err = NULL;
}

static void error_directory_missing(void) {
    FAILS(ZDT_ERROR_DIRECTORY_MISSING, open_alone(in_dir("nowhere/zdt.sock"), NULL));
}

static void error_address_in_use(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(taken, (struct sockaddr *)&address, length) == 0 && listen(taken, 1) == 0);
    CHECK(getsockname(taken, (struct sockaddr *)&address, &length) == 0);
    char text[64];
    snprintf(text, sizeof text, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    FAILS(ZDT_ERROR_ADDRESS_IN_USE, zdt_bind(text, NULL, &err));
    close(taken);
}

static void error_busy(void) {
    zdt_takeover *t = opened(), *next = NULL; /* not ready itself */
    CHECK(open_beside(t, in_dir("zdt.sock"), NULL, &next, &err) == -ZDT_ERROR_BUSY && next == NULL);
    CHECK(zdt_error_pid(err) == (uint32_t)getpid() && zdt_error_retry_helps(err));
    zdt_error_free(err), err = NULL;
    zdt_free(t);
}

static void error_peer_gone(void) {
    struct two two = two_draining(in_dir("zdt.sock"), quick(), quick());
    zdt_close(two.t[SECOND]);
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(two.t[FIRST], ZDT_RESUME, &event));
    CHECK(zdt_error_number(event.cause) == ZDT_ERROR_PEER_GONE && zdt_error_pid(event.cause) == (uint32_t)getpid());
    two_free(&two);
}

static void error_unsafe_directory(void) {
    CHECK(mkdir(in_dir("open"), 0777) == 0 && chmod(in_dir("open"), 0777) == 0);
    FAILS(ZDT_ERROR_UNSAFE_DIRECTORY, open_alone(in_dir("open/zdt.sock"), NULL));
}

static void error_foreign_file(void) {
    struct stat there;
    close(open(in_dir("zdt.sock"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    FAILS(ZDT_ERROR_FOREIGN_FILE, open_alone(in_dir("zdt.sock"), NULL));
    CHECK(stat(in_dir("zdt.sock"), &there) == 0 && S_ISREG(there.st_mode)); /* it was left alone */
}

/* A bad predecessor, until its input is closed. */
struct hostile {
    pid_t pid;
    int input;
};

static struct hostile hostile(const char *kind) {
    int input[2], output[2];
    const char *program = getenv("ZDT_HOSTILE"), *path = in_dir("zdt.sock");
    if (!program) {
        fprintf(stderr, "ZDT_HOSTILE does not say where zdt-hostile is\n");
        abort();
    }
    CHECK(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(input[0], 0);
        dup2(output[1], 1);
        execl(program, program, kind, path, (char *)NULL);
        _exit(127);
    }
    close(input[0]), close(output[1]);
    CHECK(reads(output[0], "listening\n"));
    close(output[0]);
    return (struct hostile){pid, input[1]};
}

static void end(struct hostile *hostile) {
    close(hostile->input);
    CHECK(finish(hostile->pid) == 0);
}

/* What zdt_open meets; the handshake's deadline is short where the error comes only then. */
static void gives(int number, const char *kind, int64_t handshake_ms) {
    struct hostile at_the_path = hostile(kind);
    zdt_config config = quick();
    config.handshake_ms = handshake_ms;
    FAILS(number, open_alone(in_dir("zdt.sock"), &config));
    end(&at_the_path);
}

enum { PATIENT = 20000, SHORT = 200 };

static void error_unsupported(void) { gives(ZDT_ERROR_UNSUPPORTED, "unsupported", PATIENT); }
static void error_descriptor_limit(void) { gives(ZDT_ERROR_DESCRIPTOR_LIMIT, "descriptor-limit", PATIENT); }
static void error_no_answer(void) { gives(ZDT_ERROR_NO_ANSWER, "no-answer", SHORT); }
static void error_listener_mismatch(void) { gives(ZDT_ERROR_LISTENER_MISMATCH, "listener-mismatch", PATIENT); }
static void error_refused(void) { gives(ZDT_ERROR_REFUSED, "refused", PATIENT); }
static void error_no_common_version(void) { gives(ZDT_ERROR_NO_COMMON_VERSION, "no-common-version", PATIENT); }
static void error_malformed(void) { gives(ZDT_ERROR_MALFORMED, "malformed", PATIENT); }
static void error_out_of_order(void) { gives(ZDT_ERROR_OUT_OF_ORDER, "out-of-order", PATIENT); }
static void error_descriptor_count(void) { gives(ZDT_ERROR_DESCRIPTOR_COUNT, "descriptor-count", PATIENT); }
static void error_wrong_process(void) { gives(ZDT_ERROR_WRONG_PROCESS, "wrong-process", SHORT); }

static void error_wrong_user(void) {
    if (geteuid() == 0) /* only root can become somebody else */
        gives(ZDT_ERROR_WRONG_USER, "wrong-user", PATIENT);
}

static void error_attempt_lost(void) {
    struct hostile at_the_path = hostile("attempt-lost");
    zdt_takeover *t = opened();
    zdt_event event = ZDT_EVENT_INIT;
    CHECK(comes(t, ZDT_ABORTED, &event) && zdt_error_number(event.cause) == ZDT_ERROR_ATTEMPT_LOST);
    FAILS(ZDT_ERROR_ATTEMPT_LOST, zdt_ready(t, &err));
    zdt_free(t);
    end(&at_the_path);
}

const struct test error_tests[] = {
    TEST(every_error_number_has_its_kind),
    TEST(error_invalid_argument),
    TEST(error_path_too_long),
    TEST(error_name_used),
    TEST(error_wrong_state),
    TEST(error_closed),
    TEST(error_forked),
    TEST(error_too_large),
    TEST(error_not_readable),
    TEST(error_listener_unclaimed),
    TEST(error_signal_not_blocked),
    TEST(error_system),
    TEST(error_descriptor_limit),
    TEST(error_directory_missing),
    TEST(error_address_in_use),
    TEST(error_unsupported),
    TEST(error_busy),
    TEST(error_no_answer),
    TEST(error_peer_gone),
    TEST(error_listener_mismatch),
    TEST(error_attempt_lost),
    TEST(error_refused),
    TEST(error_no_common_version),
    TEST(error_malformed),
    TEST(error_out_of_order),
    TEST(error_descriptor_count),
    TEST(error_wrong_user),
    TEST(error_unsafe_directory),
    TEST(error_foreign_file),
    TEST(error_wrong_process),
    {NULL, NULL},
};

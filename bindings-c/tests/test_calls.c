/* What can be proved in one process: arguments, sizes, states, errors, the plain pieces. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static zdt_error *err;

static zdt_takeover *opened(void) {
    zdt_takeover *t = NULL;
    WORKS(zdt_open(in_dir("zdt.sock"), NULL, &t, &err));
    return t;
}

/* Every call on the handle, with arguments that are fine otherwise. */
static void all_fail(zdt_takeover *t, int number) {
    zdt_event event = ZDT_EVENT_INIT;
    zdt_connection connection = ZDT_CONNECTION_INIT;
    connection.protocol = "test";
    char **names;
    FAILS(number, zdt_next_event(t, 0, &event, &err));
    CHECK(event.kind == 0 && event.size == sizeof event);
    FAILS(number, zdt_listener(t, "a", "tcp://127.0.0.1:0", NULL, &err));
    FAILS(number, zdt_ready(t, &err));
    FAILS(number, zdt_migrate(t, &connection, &err));
    FAILS(number, zdt_migrated_all(t, &err));
    FAILS(number, zdt_drain(t, &err));
    CHECK(zdt_ready(t, NULL) == -number); /* err is optional */
    if (t)
        return; /* of the rest only NULL can be wrong */
    zdt_progress progress = ZDT_PROGRESS_INIT;
    zdt_offer *offer = NULL;
    FAILS(number, zdt_get_progress(t, &progress, &err));
    FAILS(number, zdt_unclaimed(t, &names, &err));
    FAILS(number, zdt_adopt(t, &offer, &connection, &err));
    FAILS(number, zdt_refuse(t, &offer, NULL, &err));
    CHECK(zdt_event_fd(t) == -number && zdt_close(t) == -number && zdt_set_connections(t, 1) == -number);
    CHECK(zdt_generation(t) == 0 && zdt_predecessor(t) == NULL);
}

static void null_is_answered_with_an_error_and_never_followed(void) {
    all_fail(NULL, ZDT_ERROR_INVALID_ARGUMENT);
    zdt_free(NULL);
    zdt_error_free(NULL);
    zdt_connection_free(NULL);
    zdt_names_free(NULL);
    zdt_gate_free(NULL);
    CHECK(zdt_gate_enter(NULL) < 0 && zdt_gate_leave(NULL) < 0 && zdt_gate_close(NULL) < 0 &&
          zdt_gate_open(NULL) < 0);
    CHECK(zdt_gate_in_flight(NULL) == 0);
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_gate_wait(NULL, 0, &err));
    CHECK(zdt_error_number(NULL) == 0 && zdt_error_errno(NULL) == 0 && zdt_error_pid(NULL) == 0);
    CHECK(!zdt_error_retry_helps(NULL) && !*zdt_error_what(NULL) && !*zdt_error_state(NULL) &&
          *zdt_error_message(NULL));

    zdt_takeover *t = NULL;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_open(NULL, NULL, &t, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_open("/tmp/x", NULL, NULL, &err));
    t = opened();
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_listener(t, NULL, "tcp://127.0.0.1:0", NULL, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_listener(t, "a", NULL, NULL, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_listener(t, "\xff", "tcp://127.0.0.1:0", NULL, &err)); /* not UTF-8 */
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_next_event(t, 0, NULL, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_get_progress(t, NULL, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_unclaimed(t, NULL, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_migrate(t, NULL, &err));
    zdt_connection connection = ZDT_CONNECTION_INIT;
    zdt_offer *answered = NULL;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_adopt(t, NULL, &connection, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_adopt(t, &answered, &connection, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_adopt(t, &answered, NULL, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_refuse(t, &answered, "twice", &err));
    zdt_free(t);
}

static void an_error_says_what_was_wrong_and_the_next_call_replaces_it(void) {
    zdt_error *garbage = (zdt_error *)(uintptr_t)0x10; /* written, never read */
    CHECK(zdt_bind("nonsense", NULL, &garbage) == -ZDT_ERROR_INVALID_ARGUMENT);
    CHECK(zdt_error_number(garbage) == ZDT_ERROR_INVALID_ARGUMENT && *zdt_error_what(garbage));
    CHECK(strstr(zdt_error_message(garbage), "invalid argument (101): ") == zdt_error_message(garbage));
    CHECK(!zdt_error_retry_helps(garbage) && zdt_error_pid(garbage) == 0);
    zdt_error *next = garbage;
    int fd = zdt_bind("tcp://127.0.0.1:0", NULL, &next);
    CHECK(fd >= 0 && next == NULL);
    close(fd);
    zdt_error_free(garbage);

    CHECK(strcmp(zdt_error_word(ZDT_ERROR_BUSY), "busy") == 0 && strcmp(zdt_error_word(-301), "busy") == 0);
    CHECK(strcmp(zdt_error_word(0), "unknown") == 0 && strcmp(zdt_error_word(INT32_MIN), "unknown") == 0);
    CHECK(zdt_version()[0] >= '0' && zdt_version()[0] <= '9' && strchr(zdt_version(), '.'));
}

static void a_struct_without_its_size_is_refused(void) {
    zdt_takeover *t = opened(), *other = NULL;
    zdt_event event = {0};
    zdt_config config = {0};
    zdt_connection connection = {0};
    zdt_progress progress = {0};
    zdt_listener_options options = {0};
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_next_event(t, 0, &event, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_open(in_dir("other"), &config, &other, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_migrate(t, &connection, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_get_progress(t, &progress, &err));
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_bind("tcp://127.0.0.1:0", &options, &err));
    CHECK(zdt_next_event(t, 0, &event, &err) < 0 && strstr(zdt_error_message(err), "ZDT_EVENT_INIT"));
    zdt_error_free(err);
    err = NULL;
    zdt_free(t);
}

/* A struct of an older or newer zdt.h: as long as it says, and 0xaa behind that. */
#define FRAMED(type, length)                                                                                         \
    union {                                                                                                          \
        struct type it;                                                                                              \
        unsigned char bytes[sizeof(struct type) + 64];                                                               \
    } framed_##type;                                                                                                 \
    memset(&framed_##type, 0xaa, sizeof framed_##type);                                                              \
    memset(&framed_##type, 0, length);                                                                               \
    framed_##type.it.size = length
#define UNTOUCHED_BEHIND(type, length) untouched(framed_##type.bytes + (length), sizeof framed_##type - (length))

static bool untouched(const unsigned char *bytes, size_t length) {
    while (length > 0 && bytes[length - 1] == 0xaa)
        length--;
    return length == 0;
}

static void an_older_callers_structs_work_and_are_never_written_past_their_size(void) {
    size_t config_size = offsetof(struct zdt_config, probation_ms); /* as if what follows had come later */
    FRAMED(zdt_config, config_size);
    framed_zdt_config.it.drain_ms = 1234;
    zdt_takeover *t = NULL;
    WORKS(zdt_open(in_dir("zdt.sock"), &framed_zdt_config.it, &t, &err));
    WORKS(zdt_drain(t, &err));

    size_t event_size = offsetof(struct zdt_event, reads);
    FRAMED(zdt_event, event_size);
    CHECK(comes(t, ZDT_DRAIN, &framed_zdt_event.it));
    CHECK(framed_zdt_event.it.size == event_size && UNTOUCHED_BEHIND(zdt_event, event_size));
    CHECK(framed_zdt_event.it.deadline_ms == 1234);

    size_t progress_size = offsetof(struct zdt_progress, offered);
    FRAMED(zdt_progress, progress_size);
    WORKS(zdt_get_progress(t, &framed_zdt_progress.it, &err));
    CHECK(framed_zdt_progress.it.generation == 1 && UNTOUCHED_BEHIND(zdt_progress, progress_size));
    zdt_free(t);
}

static void a_newer_callers_structs_work_unless_they_ask_for_what_is_not_known_here(void) {
    zdt_takeover *t = NULL;
    size_t config_size = sizeof(struct zdt_config) + 16;
    FRAMED(zdt_config, config_size);
    WORKS(zdt_open(in_dir("zdt.sock"), &framed_zdt_config.it, &t, &err));
    size_t event_size = sizeof(struct zdt_event) + 16;
    FRAMED(zdt_event, event_size);
    WORKS(zdt_next_event(t, 0, &framed_zdt_event.it, &err));
    CHECK(framed_zdt_event.it.size == event_size && UNTOUCHED_BEHIND(zdt_event, event_size));
    zdt_free(t);

    framed_zdt_config.bytes[config_size - 1] = 1;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_open(in_dir("zdt.sock"), &framed_zdt_config.it, &t, &err));
    CHECK(t == NULL);
}

static void a_config_reaches_the_core(void) {
    zdt_takeover *t = NULL;
    zdt_config config = ZDT_CONFIG_INIT;
    config.program = "gateway 2.1";
    config.drain_ms = 4321;
    zdt_reads reads = ZDT_READS_INIT;
    const zdt_reads *const all[] = {&reads};
    config.reads = all;
    config.reads_count = 1;
    FAILS(ZDT_ERROR_INVALID_ARGUMENT, zdt_open(in_dir("zdt.sock"), &config, &t, &err)); /* no protocol in it */
    reads.protocol = "test";
    WORKS(zdt_open(in_dir("zdt.sock"), &config, &t, &err));
    zdt_event event = ZDT_EVENT_INIT;
    WORKS(zdt_drain(t, &err));
    CHECK(comes(t, ZDT_DRAIN, &event) && event.deadline_ms == 4321 && !event.successor && event.reads_count == 0);
    zdt_free(t);
    config.drain_ms = -1; /* no time at all */
    WORKS(zdt_open(in_dir("zdt.sock"), &config, &t, &err));
    WORKS(zdt_drain(t, &err));
    CHECK(comes(t, ZDT_DRAIN, &event) && event.deadline_ms == 0);
    zdt_free(t);
}

static void open_says_what_is_wrong_with_a_path_and_touches_nothing(void) {
    zdt_takeover *t = (zdt_takeover *)(uintptr_t)1;
    char name[128];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    FAILS(ZDT_ERROR_PATH_TOO_LONG, zdt_open(in_dir(name), NULL, &t, &err));
    CHECK(t == NULL);
    FAILS(ZDT_ERROR_DIRECTORY_MISSING, zdt_open(in_dir("nowhere/zdt.sock"), NULL, &t, &err));
    CHECK(mkdir(in_dir("open"), 0777) == 0 && chmod(in_dir("open"), 0777) == 0);
    FAILS(ZDT_ERROR_UNSAFE_DIRECTORY, zdt_open(in_dir("open/zdt.sock"), NULL, &t, &err));
    int file = open(in_dir("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    FAILS(ZDT_ERROR_FOREIGN_FILE, zdt_open(in_dir("file"), NULL, &t, &err));
    struct stat there;
    CHECK(stat(in_dir("file"), &there) == 0 && S_ISREG(there.st_mode));
}

/* A process at the path that is no predecessor. Returns its listening socket. */
static int impostor(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path, path);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 8) == 0);
    return listener;
}

static void open_waits_for_a_silent_predecessor_no_longer_than_it_is_told(void) {
    zdt_takeover *t = NULL;
    zdt_config config = ZDT_CONFIG_INIT;
    config.handshake_ms = 200;
    const char *path = in_dir("zdt.sock");
    int listener = impostor(path);
    CHECK(zdt_open(path, &config, &t, &err) == -ZDT_ERROR_NO_ANSWER && t == NULL);
    CHECK(zdt_error_retry_helps(err) && zdt_error_pid(err) == (uint32_t)getpid() && *zdt_error_state(err));
    zdt_error_free(err);
    err = NULL;
    close(listener);
}

static void *answer_nonsense(void *listener) {
    char hello[65536];
    int link = accept(*(int *)listener, NULL, NULL);
    CHECK(read(link, hello, sizeof hello) > 0);
    CHECK(write(link, "GET / HTTP/1.1", 14) == 14);
    while (read(link, hello, sizeof hello) > 0)
        ; /* it may say why, and hangs up */
    close(link);
    return NULL;
}

static void a_peer_that_does_not_speak_the_protocol_is_malformed(void) {
    zdt_takeover *t = NULL;
    pthread_t impostors;
    const char *path = in_dir("zdt.sock");
    int listener = impostor(path);
    CHECK(pthread_create(&impostors, NULL, answer_nonsense, &listener) == 0);
    FAILS(ZDT_ERROR_MALFORMED, zdt_open(path, NULL, &t, &err));
    CHECK(t == NULL && pthread_join(impostors, NULL) == 0);
    close(listener);
}

static void a_peer_of_another_user_is_not_trusted(void) {
    if (geteuid() != 0)
        return; /* only root can be somebody else */
    int told[2];
    CHECK(pipe2(told, O_CLOEXEC) == 0 && chmod(in_dir(""), 01777) == 0);
    const char *path = in_dir("zdt.sock");
    pid_t nobody = fork();
    if (nobody == 0) {
        if (setuid(65534) == 0 && impostor(path) >= 0 && write(told[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    char ready;
    CHECK(read(told[0], &ready, 1) == 1);
    zdt_takeover *t = NULL;
    int result = zdt_open(path, NULL, &t, &err);
    /* The socket's file is theirs, or its listener is: either way it is said before anything moves. */
    CHECK(result == -ZDT_ERROR_WRONG_USER || result == -ZDT_ERROR_FOREIGN_FILE);
    CHECK(t == NULL && *zdt_error_message(err));
    zdt_error_free(err);
    err = NULL;
    kill(nobody, SIGKILL);
    finish(nobody);
    close(told[0]);
    close(told[1]);
}

const struct test call_tests[] = {
    TEST(null_is_answered_with_an_error_and_never_followed),
    TEST(an_error_says_what_was_wrong_and_the_next_call_replaces_it),
    TEST(a_struct_without_its_size_is_refused),
    TEST(an_older_callers_structs_work_and_are_never_written_past_their_size),
    TEST(a_newer_callers_structs_work_unless_they_ask_for_what_is_not_known_here),
    TEST(a_config_reaches_the_core),
    TEST(open_says_what_is_wrong_with_a_path_and_touches_nothing),
    TEST(open_waits_for_a_silent_predecessor_no_longer_than_it_is_told),
    TEST(a_peer_that_does_not_speak_the_protocol_is_malformed),
    TEST(a_peer_of_another_user_is_not_trusted),
    {NULL, NULL},
};

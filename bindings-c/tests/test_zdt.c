/* Runs the tests of the C face: `test_zdt [PART OF A NAME]`. Ends with a line "N passed, N failed". */
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int failures;
static char directory[64];

void failed(const char *file, int line, const char *what) {
    failures++;
    fprintf(stderr, "%s:%d: %s\n", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, what);
}

void fails(const char *file, int line, const char *what, int number, int result, zdt_error **err) {
    char text[400];
    snprintf(text, sizeof text, "%s is %d, not %d; %s", what, result, -number, zdt_error_message(*err));
    if (result != -number || zdt_error_number(*err) != number || !*zdt_error_what(*err))
        failed(file, line, text);
    zdt_error_free(*err);
    *err = NULL;
}

int works(const char *file, int line, const char *what, int result, zdt_error **err) {
    if (result < 0 || *err) {
        char text[400];
        snprintf(text, sizeof text, "%s is %d; %s", what, result, zdt_error_message(*err));
        failed(file, line, text);
        zdt_error_free(*err);
        *err = NULL;
    }
    return result;
}

const char *in_dir(const char *name) {
    static char paths[8][160];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

pid_t spawn(const char *role, const char *path) {
    static char program[4096];
    if (!program[0] && readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        abort();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, "--role", role, path, (char *)NULL);
        _exit(127);
    }
    return pid;
}

int finish(pid_t pid) {
    int status;
    for (int turn = 0; turn < 6000; turn++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        pause_ms(10);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}

void pause_ms(int ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL); }

bool reads(int fd, const char *text) {
    for (size_t left = strlen(text); left > 0;) {
        char got[256];
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 10000) != 1)
            return false;
        ssize_t count = read(fd, got, left < sizeof got ? left : sizeof got);
        if (count <= 0 || memcmp(got, text, (size_t)count) != 0)
            return false;
        text += count;
        left -= (size_t)count;
    }
    return true;
}

void writes(int fd, const void *data, size_t length) {
    CHECK(send(fd, data, length, MSG_NOSIGNAL) == (ssize_t)length);
}

bool comes(zdt_takeover *t, int kind, zdt_event *event) {
    zdt_error *err = NULL;
    int result = WORKS(zdt_next_event(t, 20000, event, &err));
    if (result == 1 && event->kind == kind)
        return true;
    fprintf(stderr, "process %d: event %d came, not %d: %s\n", (int)getpid(), event->kind, kind,
            event->cause ? zdt_error_message(event->cause) : "");
    return false;
}

static int open_descriptors(void) {
    int count = 0;
    DIR *open = opendir("/proc/self/fd");
    while (open && readdir(open))
        count++;
    closedir(open);
    return count;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where) {
    (void)about, (void)kind, (void)where;
    return remove(path);
}

static bool passes(const struct test *test) {
    snprintf(directory, sizeof directory, "/tmp/zdt-test-XXXXXX");
    if (!mkdtemp(directory))
        abort();
    failures = 0;
    int open_before = open_descriptors();
    test->run();
    if (open_descriptors() != open_before) {
        fprintf(stderr, "%d descriptors were open before, %d are now\n", open_before, open_descriptors());
        failures++;
    }
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    printf("%s %s\n", failures ? "FAILED" : "ok    ", test->name);
    return failures == 0;
}

int main(int argc, char **argv) {
    alarm(300); /* nothing here may hang */
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
    setrlimit(RLIMIT_NOFILE, &files);
    if (argc == 4 && strcmp(argv[1], "--role") == 0) {
        const struct role *all[] = {move_roles, death_roles};
        for (size_t part = 0; part < sizeof all / sizeof *all; part++)
            for (const struct role *role = all[part]; role->name; role++)
                if (strcmp(role->name, argv[2]) == 0)
                    return role->run(argv[3]) || failures;
        return 126;
    }
    int passed = 0, failed = 0;
    const struct test *all[] = {call_tests, plain_tests, behaviour_tests, listener_tests, error_tests, move_tests,
                                death_tests, worker_tests, reuseport_tests};
    for (size_t part = 0; part < sizeof all / sizeof *all; part++)
        for (const struct test *test = all[part]; test->name; test++)
            if (argc < 2 || strstr(test->name, argv[1]))
                *(passes(test) ? &passed : &failed) += 1;
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

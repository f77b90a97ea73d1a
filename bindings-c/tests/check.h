/* A test framework of one page. Nothing here but libc. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <zdt.h>

/* One test, named after what it proves. */
struct test {
    const char *name;
    void (*run)(void);
};
#define TEST(function) {#function, function}
/* Each ends with a NULL name. */
extern const struct test call_tests[], plain_tests[], behaviour_tests[], listener_tests[], error_tests[], move_tests[],
    death_tests[], worker_tests[], reuseport_tests[];

/* What a process does that was started by spawn(role); its result is the exit code. */
struct role {
    const char *name;
    int (*run)(const char *path);
};
extern const struct role move_roles[], death_roles[];

extern int failures; /* of this process */
void failed(const char *file, int line, const char *what);
#define CHECK(condition) ((condition) ? (void)0 : failed(__FILE__, __LINE__, #condition))
/* The call fails with this error, which says something; its err is called `err`. */
#define FAILS(number, call) fails(__FILE__, __LINE__, #call, number, call, &err)
void fails(const char *file, int line, const char *what, int number, int result, zdt_error **err);
/* The call does not fail; else it says with what. */
#define WORKS(call) works(__FILE__, __LINE__, #call, call, &err)
int works(const char *file, int line, const char *what, int result, zdt_error **err);

/* A path in this test's own directory; good until the test ends, for up to 8 names. */
const char *in_dir(const char *name);
/* Starts this program again as `role`, exec and all. */
pid_t spawn(const char *role, const char *path);
/* The exit code of a process, 128 + signal if it was killed; waits for up to 60 s, then kills it. */
int finish(pid_t pid);
/* Sleeps. */
void pause_ms(int ms);
/* Whether all of `text` is what comes next from fd, within 10 s. */
bool reads(int fd, const char *text);
/* Writes all of it. */
void writes(int fd, const void *data, size_t length);
/* The next event, within 20 s, is of this kind. */
bool comes(zdt_takeover *t, int kind, zdt_event *event);

#endif

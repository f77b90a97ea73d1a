/* A pre-fork server: an arbiter that holds the service, and workers that serve. ../README.md says what is spoken. */
#ifndef PREFORK_H
#define PREFORK_H

#include <zdt.h>

struct options {
    const char *path, *address;
    int workers;
    long probation_ms, drain_ms, hang_ms, slowly_ms;
};

extern struct options options;

/* What both parts set. */
struct zdt_config config(void);
/* A call of libzdt, or of the system, that must not fail: else the process ends. */
int must(int result, const char *what, zdt_error *err);
/* A worker's whole life, in the child: takes the seat, serves, migrates. */
int work(int seat);

#endif

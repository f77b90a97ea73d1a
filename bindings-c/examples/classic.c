/* The classic way without its loss: the next process binds the same port and sends this one a SIGHUP, which stops
 * accepting, finishes what is in flight and ends. It echoes, on two sockets that share the port; each connection has a
 * process.
 *
 *     cc classic.c -lzdt && ./a.out /tmp/classic.pid tcp://127.0.0.1:7007
 *
 * The examples in Python and Java do the same: each can follow each other one. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zdt.h>

#define WORKERS 2

static volatile sig_atomic_t told;
static zdt_error *err;

static int must(int result) {
    if (result < 0) {
        fprintf(stderr, "classic: %s\n", zdt_error_message(err));
        exit(1);
    }
    return result;
}

static void hear(int signal) { told = signal; }

static void echo(int connection) {
    char bytes[4096];
    ssize_t count;
    while ((count = read(connection, bytes, sizeof bytes)) > 0)
        for (ssize_t done = 0, more; done < count; done += more)
            if ((more = write(connection, bytes + done, (size_t)(count - done))) < 0)
                return;
}

/* Accepts until that would block. */
static void serve(int listener, void *group) {
    int connection;
    while ((connection = accept(listener, NULL, NULL)) >= 0) {
        pid_t pid = fork();
        if (pid == 0) {
            for (size_t index = 0; index < WORKERS; index++) /* not ours to keep: see ZDT_STEP_CLOSED */
                close(zdt_reuseport_socket(group, index));
            echo(connection);
            _exit(0);
        }
        if (pid < 0)
            perror("classic: fork");
        close(connection);
    }
}

static void tell(const char *path) {
    int pid = 0;
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%d", &pid) == 1 && pid > 0)
            kill(pid, SIGHUP);
        fclose(file);
    }
}

static void write_pid(const char *path) {
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid());
    FILE *file = fopen(temporary, "w");
    if (!file || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file) != 0 || rename(temporary, path) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: classic PIDFILE ADDRESS\n", stderr);
        return 2;
    }
    struct sigaction action = {.sa_handler = hear};
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    zdt_reuseport *group = NULL;
    must(zdt_reuseport_bind(argv[2], NULL, WORKERS, &group, &err)); /* beside the predecessor's */
    tell(argv[1]);
    write_pid(argv[1]);
    struct pollfd sockets[WORKERS];
    while (!told) {
        for (size_t index = 0; index < WORKERS; index++)
            sockets[index] = (struct pollfd){.fd = zdt_reuseport_socket(group, index), .events = POLLIN};
        poll(sockets, WORKERS, 100); /* a signal between the look and the poll is heard then */
        for (size_t index = 0; index < WORKERS; index++)
            serve(sockets[index].fd, group);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
    if (zdt_reuseport_retire(group, 1, -1, serve, group, &err) < 0) /* nobody there: this was a plain stop */
        fprintf(stderr, "classic: %s\n", zdt_error_message(err));
    zdt_error_free(err);
    zdt_reuseport_free(group);
    while (waitpid(-1, NULL, 0) > 0) { /* what is in flight */
    }
    return 0;
}

/* Preloaded under valgrind, which (as of 3.19) answers pidfd_open and pidfd_send_signal with ENOSYS: the same by other
 * means. A process gets a pidfd of itself from a socket pair (SO_PEERPIDFD, Linux 6.5); for another process its directory
 * in /proc stands in, which is enough to send it a signal. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static long open_pidfd(pid_t pid) {
    if (pid != getpid()) {
        char path[32];
        snprintf(path, sizeof path, "/proc/%d", (int)pid);
        long fd = open(path, O_DIRECTORY | O_CLOEXEC);
        errno = fd < 0 ? ESRCH : errno;
        return fd;
    }
    int pair[2], pidfd = -1;
    socklen_t length = sizeof pidfd;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    int result = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length);
    int error = errno;
    close(pair[0]);
    close(pair[1]);
    errno = error;
    return result < 0 ? -1 : pidfd;
}

static long signal_pidfd(int fd, int number) {
    char link[32], target[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, sizeof target - 1);
    target[length > 0 ? length : 0] = 0;
    int pid = 0;
    if (sscanf(target, "/proc/%d", &pid) != 1)
        pid = getpid();
    return kill(pid, number);
}

/* What libzdt calls for system calls that libc has no function for. */
long syscall(long number, ...) {
    long arguments[6];
    va_list list;
    va_start(list, number);
    for (int at = 0; at < 6; at++)
        arguments[at] = va_arg(list, long);
    va_end(list);
    if (number == SYS_pidfd_open)
        return open_pidfd((pid_t)arguments[0]);
    if (number == SYS_pidfd_send_signal)
        return signal_pidfd((int)arguments[0], (int)arguments[1]);
    long (*real)(long, ...);
    *(void **)&real = dlsym(RTLD_NEXT, "syscall"); /* as dlsym(3) has it */
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

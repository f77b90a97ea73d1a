#define _GNU_SOURCE
#include "link.h"
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

zdt_error *err;

zdt_bytes text_bytes(const char *text) { return (zdt_bytes){text, strlen(text)}; }
bool same(zdt_bytes bytes, const char *text) {
    return bytes.length == strlen(text) && memcmp(bytes.data, text, bytes.length) == 0;
}

zdt_takeover *open_with(const char *path, int64_t ready_ms) {
    zdt_takeover *t = NULL;
    zdt_config config = ZDT_CONFIG_INIT;
    config.program = "test";
    config.probation_ms = 100;
    config.ready_ms = ready_ms;
    config.hang_ms = 60000; /* these processes test each other step by step: nobody hangs */
    WORKS(zdt_open(path, &config, &t, &err));
    return t;
}

zdt_takeover *serving(const char *path, int *listener) {
    zdt_takeover *t = open_with(path, 0);
    *listener = WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    WORKS(zdt_ready(t, &err));
    return t;
}

int dial(int listener) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    CHECK(connect(client, (struct sockaddr *)&address, length) == 0);
    return client;
}

int accept_one(int listener) {
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    CHECK(poll(&ready, 1, 10000) == 1);
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* The state of connection n: "state of n", and for one of them 200 KiB. */
static zdt_bytes state_of(long n, char *buffer) {
    int length = sprintf(buffer, "state of %ld", n);
    if (n != BIG)
        return (zdt_bytes){buffer, (size_t)length};
    memset(buffer + length, 'b', BIG_STATE - (size_t)length);
    return (zdt_bytes){buffer, BIG_STATE};
}

void migrate(zdt_takeover *t, long n, int fd, int companion) {
    static char state[BIG_STATE + 64];
    char unread[32], unsent[32];
    sprintf(unread, "unread %ld.", n);
    sprintf(unsent, "unsent %ld.", n);
    zdt_companion up = ZDT_COMPANION_INIT;
    up.name = "upstream";
    up.fd = companion;
    up.unread = text_bytes("companion's unread");
    up.unsent = text_bytes("companion's unsent");
    const zdt_companion *const companions[] = {&up};
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(5), .sin_addr.s_addr = htonl(0x01020304)};
    zdt_connection connection = ZDT_CONNECTION_INIT;
    connection.id = (uint64_t)n;
    connection.fd = fd;
    connection.protocol = "test";
    connection.state_version = 7;
    connection.state = state_of(n, state);
    connection.unread = text_bytes(unread);
    connection.unsent = text_bytes(unsent);
    connection.dialled = n == DIALLED;
    if (companion >= 0) {
        connection.companions = companions;
        connection.companion_count = 1;
    }
    if (n == ADDRESSED) {
        connection.peer = (const struct sockaddr *)&peer;
        connection.peer_length = sizeof peer;
    }
    CHECK(WORKS(zdt_migrate(t, &connection, &err)) == 0);
    memset(state, 0, sizeof state); /* it was copied: the caller may do as it likes */
}

long check_offer(const zdt_offer *offer) {
    static char expected[BIG_STATE + 64];
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)offer->state.length, (const char *)offer->state.data);
    long n = strtol(text + strlen("state of "), NULL, 10);
    zdt_bytes state = state_of(n, expected);
    CHECK(offer->state.length == state.length && memcmp(offer->state.data, state.data, state.length) == 0);
    CHECK(strcmp(offer->protocol, "test") == 0 && offer->state_version == 7 && offer->dialled == (n == DIALLED));
    sprintf(text, "unread %ld.", n);
    CHECK(same(offer->unread, text));
    sprintf(text, "unsent %ld.", n);
    CHECK(same(offer->unsent, text));
    CHECK(offer->companion_count == (n == WITH_COMPANION));
    if (offer->companion_count == 1)
        CHECK(offer->companions[0]->fd == -1 && same(offer->companions[0]->unsent, "companion's unsent"));
    const struct sockaddr_in *peer = (const void *)offer->peer;
    CHECK(!peer == (n != ADDRESSED) && !offer->local);
    if (peer)
        CHECK(offer->peer_length == sizeof *peer && ntohs(peer->sin_port) == 5 &&
              ntohl(peer->sin_addr.s_addr) == 0x01020304);
    return n;
}

pid_t successor(zdt_takeover *t, const char *role, const char *path, zdt_event *event) {
    pid_t pid = spawn(role, path);
    CHECK(comes(t, ZDT_DRAIN, event) && event->successor && event->successor->pid == (uint32_t)pid);
    return pid;
}

zdt_takeover *succeed(const char *path, int *listener) {
    zdt_takeover *t = open_with(path, 0);
    *listener = WORKS(zdt_listener(t, "http", "tcp://127.0.0.1:0", NULL, &err));
    WORKS(zdt_ready(t, &err));
    return t;
}

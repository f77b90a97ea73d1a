#define _GNU_SOURCE
#include "takeover.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* ---- what it tells ---- */

#define LISTENER "relay" /* its name */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* One event on stdout; `format` gives its further fields (", \"name\": 1"). */
static void tell(const char *event, const char *format, ...) {
    printf("{\"event\": \"%s\"", event);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    puts("}");
    fflush(stdout);
}

/* An event with a cause, which is any text. */
static void tell_cause(const char *event, const zdt_error *cause) {
    char text[512];
    size_t length = 0;
    for (const char *from = zdt_error_message(cause); *from && length < sizeof text - 2; from++) {
        if (*from == '"' || *from == '\\')
            text[length++] = '\\';
        text[length++] = (unsigned char)*from < ' ' ? ' ' : *from;
    }
    text[length] = 0;
    tell(event, ", \"cause\": \"%s\"", text);
}

static _Noreturn void give_up(const char *what, zdt_error *err) {
    fprintf(stderr, "relay-c: %s: %s\n", what, zdt_error_message(err));
    exit(1);
}

/* ---- successor ---- */

/* What a connection's state says it is, or the reason to refuse it. */
static const char *restore(const struct takeover *takeover, const zdt_offer *offer, struct session *session) {
    if (takeover->options.refuse_all)
        return "refusing all";
    if (strcmp(offer->protocol, SESSION_PROTOCOL) != 0 || offer->state_version != SESSION_STATE_VERSION)
        return "another protocol or version";
    if (!session_restore(session, offer->state.data, offer->state.length))
        return "not a state of version 1";
    if (session->flags & SESSION_REFUSE_ME)
        return "it asked to be refused";
    bytes_put(&session->input, offer->unread.data, offer->unread.length);
    bytes_put(&session->output, offer->unsent.data, offer->unsent.length);
    return NULL;
}

static void stop_or_die_as_told(struct takeover *takeover) {
    long adopted = (long)takeover->adopted;
    if (takeover->options.die_after_adopting == adopted)
        raise(SIGKILL);
    if (takeover->options.stop_after_adopting == adopted) {
        takeover->options.stop_after_adopting = -1; /* once: it is woken up again */
        raise(SIGSTOP);
    }
}

static void offer(struct takeover *takeover, zdt_event *event) {
    zdt_error *err = NULL;
    struct session session = {0};
    if (takeover->adopted == 0)
        stop_or_die_as_told(takeover);
    if (takeover->options.adopt_delay_ms > 0)
        nanosleep(&(struct timespec){takeover->options.adopt_delay_ms / 1000,
                                     takeover->options.adopt_delay_ms % 1000 * 1000000L},
                  NULL);
    const char *why = restore(takeover, event->offer, &session);
    if (why) {
        if (zdt_refuse(takeover->zdt, &event->offer, why, &err) < 0)
            give_up("refuse", err);
        session_free(&session);
        return;
    }
    zdt_connection connection = ZDT_CONNECTION_INIT;
    switch (zdt_adopt(takeover->zdt, &event->offer, &connection, &err)) {
    case 0: break;
    case ZDT_GONE: /* it went back meanwhile, and lives on there */ session_free(&session); return;
    default: give_up("adopt", err);
    }
    struct live *live = relay_add(takeover->relay, connection.fd);
    live->session = session;
    relay_thaw(takeover->relay, live);
    zdt_connection_free(&connection);
    takeover->adopted++;
    stop_or_die_as_told(takeover);
}

/* ---- predecessor ---- */

static void tell_progress(struct takeover *takeover) {
    if (takeover->moved == takeover->told_moved && takeover->returned == takeover->told_returned)
        return;
    takeover->told = now();
    takeover->told_moved = takeover->moved;
    takeover->told_returned = takeover->returned;
    tell("progress", ", \"moved\": %zu, \"returned\": %zu, \"connections\": %zu", takeover->moved, takeover->returned,
         takeover->expected);
}

/* Offers what was not offered yet, until the credit is used up (then Room comes) or nothing is left. */
static void migrate(struct takeover *takeover) {
    zdt_error *err = NULL;
    struct relay *relay = takeover->relay;
    struct bytes state = {0};
    while (takeover->draining && relay->next_to_offer) {
        struct live *live = relay->next_to_offer;
        if (live->frozen) { /* on offer since the Drain before this one */
            relay->next_to_offer = live->next;
            continue;
        }
        relay_freeze(relay, live);
        bytes_take(&state, bytes_length(&state));
        session_state(&live->session, &state);
        zdt_connection connection = ZDT_CONNECTION_INIT;
        connection.id = (uintptr_t)live;
        connection.fd = live->fd;
        connection.protocol = SESSION_PROTOCOL;
        connection.state_version = SESSION_STATE_VERSION;
        connection.state = (zdt_bytes){bytes_first(&state), bytes_length(&state)};
        connection.unread = (zdt_bytes){bytes_first(&live->session.input), bytes_length(&live->session.input)};
        connection.unsent = (zdt_bytes){bytes_first(&live->session.output), bytes_length(&live->session.output)};
        int result = zdt_migrate(takeover->zdt, &connection, &err);
        if (result == ZDT_FULL) {
            relay_thaw(relay, live);
            break;
        }
        relay->next_to_offer = live->next;
        if (result < 0) { /* it stays here, and is served here to its end */
            fprintf(stderr, "relay-c: migrate: %s\n", zdt_error_message(err));
            zdt_error_free(err);
            relay_thaw(relay, live);
            continue;
        }
        if (takeover->options.die_after_offering == (long)++takeover->offered)
            raise(SIGKILL);
    }
    bytes_free(&state);
    if (takeover->draining && !relay->next_to_offer && !takeover->said_all) {
        if (zdt_migrated_all(takeover->zdt, &err) < 0)
            give_up("migrated_all", err);
        takeover->said_all = true;
    }
}

/* Tells the sum when everything offered is settled or back. */
static void migrated(struct takeover *takeover) {
    if (!takeover->draining || takeover->relay->next_to_offer ||
        takeover->moved + takeover->returned < takeover->offered)
        return;
    takeover->draining = false;
    tell_progress(takeover);
    zdt_progress progress = ZDT_PROGRESS_INIT;
    zdt_get_progress(takeover->zdt, &progress, NULL);
    tell("migrated",
         ", \"moved\": %zu, \"returned\": %zu, \"unread_bytes\": %" PRIu64 ", \"unsent_bytes\": %" PRIu64
         ", \"state_bytes\": %" PRIu64 ", \"duration_ms\": %.3f",
         takeover->moved, takeover->returned, progress.unread_bytes, progress.unsent_bytes, progress.state_bytes,
         (now() - takeover->began) * 1000);
}

static void drain(struct takeover *takeover, const zdt_event *event) {
    struct relay *relay = takeover->relay;
    takeover->retired = false;
    for (size_t at = 0; at < event->retired_count; at++)
        takeover->retired = takeover->retired || strcmp(event->retired[at], LISTENER) == 0;
    if (!takeover->retired)
        relay_stop_accepting(relay);
    takeover->alone = false;
    takeover->began = takeover->told = now();
    takeover->deadline = takeover->began + (double)event->deadline_ms / 1000;
    takeover->expected = relay->count;
    /* After Accept it comes once more: what is on offer stays so, whoever was accepted since moves too. */
    if (!takeover->draining)
        takeover->offered = takeover->moved = takeover->returned = takeover->told_moved = takeover->told_returned = 0;
    tell("drain", ", \"successor\": %" PRIu32 ", \"connections\": %zu", event->successor ? event->successor->pid : 0,
         relay->count);
    if (event->successor) {
        takeover->draining = true;
        takeover->said_all = false;
        relay->next_to_offer = relay->first;
        migrate(takeover);
        migrated(takeover);
    } else {
        takeover->alone = true;
    }
}

static void returned(struct takeover *takeover, const zdt_event *event) {
    struct live *live = (struct live *)(uintptr_t)event->id;
    bool refused = event->reason == ZDT_REFUSED;
    takeover->returned++;
    tell("returned", ", \"name\": \"%s\", \"why\": \"%s\"", live->session.name, refused ? "refused" : "taken back");
    if (refused)
        live->session.flags &= (uint8_t)~SESSION_REFUSE_ME;
    relay_thaw(takeover->relay, live);
    migrated(takeover);
}

/* ---- both ---- */

/* What the successor left to us nobody else will accept from, so its queue comes first. */
static void close_listener(struct takeover *takeover) {
    if (takeover->retired)
        relay_accept_all(takeover->relay);
    takeover->retired = false;
    relay_close_listener(takeover->relay);
}

static void on_event(struct takeover *takeover, zdt_event *event) {
    struct relay *relay = takeover->relay;
    switch (event->kind) {
    case ZDT_OFFER: offer(takeover, event); break;
    case ZDT_DRAIN: drain(takeover, event); break;
    case ZDT_SETTLED:
        relay_let_go(relay, (struct live *)(uintptr_t)event->id);
        takeover->moved++;
        migrated(takeover);
        break;
    case ZDT_RETURNED: returned(takeover, event); break;
    case ZDT_ROOM:
        migrate(takeover);
        migrated(takeover);
        break;
    case ZDT_COMMITTED:
        tell("committed", ", \"generation\": %" PRIu64 ", \"adopted\": %zu", event->generation, takeover->adopted);
        break;
    case ZDT_RESUME:
        takeover->draining = takeover->retired = false;
        relay->next_to_offer = NULL;
        tell_cause("resume", event->cause);
        relay_accept(relay);
        break;
    case ZDT_ACCEPT:
        tell_cause("accept", event->cause);
        relay_accept(relay);
        break;
    case ZDT_RELIEVED:
        tell("relieved", "");
        close_listener(takeover);
        break;
    case ZDT_ABORTED:
        tell_cause("aborted", event->cause);
        relay_close_listener(relay);
        takeover->deadline = now() + 1e9; /* what was adopted has nobody else */
        takeover->leaving = true;
        break;
    case ZDT_DONE:
        tell("done", ", \"left\": %" PRIu64, event->left);
        close_listener(takeover);
        takeover->leaving = true;
        break;
    default: /* of a newer libzdt */ break;
    }
}

void takeover_events(struct takeover *takeover) {
    zdt_error *err = NULL;
    zdt_event event = ZDT_EVENT_INIT;
    int result;
    while ((result = zdt_next_event(takeover->zdt, 0, &event, &err)) > 0)
        on_event(takeover, &event);
    if (result < 0)
        give_up("next_event", err);
}

bool takeover_tick(struct takeover *takeover) {
    zdt_error *err = NULL;
    if (takeover->draining && now() >= takeover->told + 0.05)
        tell_progress(takeover);
    if (takeover->alone && takeover->relay->count == 0) {
        takeover->alone = false;
        if (zdt_migrated_all(takeover->zdt, &err) < 0)
            give_up("migrated_all", err);
    }
    zdt_set_connections(takeover->zdt, takeover->relay->count);
    return !takeover->leaving || (takeover->relay->count > 0 && now() < takeover->deadline);
}

/* Whether the predecessor left us this listener. */
static bool inherits(zdt_takeover *zdt, const char *name) {
    char **names;
    bool found = false;
    if (zdt_unclaimed(zdt, &names, NULL) > 0)
        for (char **at = names; *at; at++)
            found = found || strcmp(*at, name) == 0;
    zdt_names_free(names);
    return found;
}

static void tell_listening(int listener, bool inherited) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char ip[INET6_ADDRSTRLEN] = "";
    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        die("getsockname");
    const struct sockaddr_in *v4 = (const void *)&address;
    const struct sockaddr_in6 *v6 = (const void *)&address;
    bool six = address.ss_family == AF_INET6;
    inet_ntop(address.ss_family, six ? (const void *)&v6->sin6_addr : &v4->sin_addr, ip, sizeof ip);
    tell("listening",
         six ? ", \"address\": \"[%s]:%d\", \"inherited\": %s" : ", \"address\": \"%s:%d\", \"inherited\": %s", ip,
         ntohs(six ? v6->sin6_port : v4->sin_port), inherited ? "true" : "false");
}

void takeover_start(struct takeover *takeover, struct relay *relay, const struct options *options) {
    *takeover = (struct takeover){.relay = relay, .options = *options};
    zdt_error *err = NULL;
    const int signals[] = {SIGTERM};    /* main blocked it */
    zdt_reads session = ZDT_READS_INIT; /* what we can restore; others are not even offered */
    session.protocol = SESSION_PROTOCOL;
    session.versions = (const uint32_t[]){SESSION_STATE_VERSION};
    session.version_count = 1;
    zdt_config config = ZDT_CONFIG_INIT;
    config.program = "relay";
    config.reads = (const zdt_reads *const[]){&session};
    config.reads_count = 1;
    config.probation_ms = options->probation_ms;
    config.drain_ms = options->drain_ms;
    config.commit_ms = options->commit_ms;
    config.handshake_ms = options->handshake_ms;
    config.ready_ms = options->ready_ms;
    config.hang_ms = options->hang_ms;
    config.drain_signals = signals;
    config.drain_signals_count = 1;
    if (zdt_open(options->takeover, &config, &takeover->zdt, &err) < 0)
        give_up("open", err);
    uint64_t generation = zdt_generation(takeover->zdt);
    tell("started", ", \"pid\": %d, \"language\": \"c\", \"runtime\": \"C, epoll\", \"generation\": %" PRIu64, (int)getpid(),
         generation);

    bool inherited = inherits(takeover->zdt, LISTENER);
    int listener = zdt_listener(takeover->zdt, LISTENER, options->listen, NULL, &err);
    if (listener < 0)
        give_up("listener", err);
    relay_start(relay, listener);
    snprintf(relay->who, sizeof relay->who, "%d c %" PRIu64, (int)getpid(), generation);
    tell_listening(listener, inherited);

    if (options->hold_before_ready)
        while (getchar() != '\n' && !feof(stdin))
            ;
    if (zdt_ready(takeover->zdt, &err) < 0)
        give_up("ready", err);
    tell("ready", "");
    relay_accept(relay);

    takeover->event_fd = zdt_event_fd(takeover->zdt);
    struct epoll_event watch = {.events = EPOLLIN, .data.ptr = &takeover->event_fd};
    if (epoll_ctl(relay->epoll, EPOLL_CTL_ADD, takeover->event_fd, &watch) < 0)
        die("epoll_ctl");
}

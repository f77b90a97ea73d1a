/*
 * libzdt: a server restarts and nobody notices. The listening sockets and the live connections of a predecessor move to
 * its successor. This is the C face; docs/guide says how to use it, docs/protocol.md what happens below.
 *
 * Generated from bindings-c/src; do not edit.
 *
 * Conventions
 *   Result   0 or a positive number is fine; a negative one is minus the number of an error (ZDT_ERROR_*).
 *   Errors   The last argument, a zdt_error **, may be NULL. Else *err is written by every call, and never read: NULL
 *            where all is well, a new error where not. Free that with zdt_error_free.
 *   Structs  Those that callers make begin with their size: initialise them with ZDT_..._INIT. So a program built with
 *            an older zdt.h runs with a newer libzdt, where what it does not know has its default.
 *   Strings  UTF-8 and NUL-terminated. Bytes are a zdt_bytes: pointer and length.
 *   Threads  Unless said otherwise a function may be called from any thread, at any time between zdt_open and zdt_free.
 *   Fork     In a child the handle is dead: each call fails with ZDT_ERROR_FORKED; zdt_free it.
 *   Faults   A fault of libzdt never unwinds into C: it is ZDT_ERROR_INTERNAL, and it is to be reported.
 */

#ifndef ZDT_H
#define ZDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// Initialisers: `struct zdt_event event = ZDT_EVENT_INIT;` Everything but the size is 0.
#ifdef __cplusplus
template <typename T> static inline T zdt_sized(void) {
    T value = T();
    value.size = sizeof(T);
    return value;
}
#define ZDT_SIZED(type) zdt_sized<type>()
#else
#define ZDT_SIZED(type) {.size = sizeof(type)}
#endif
#define ZDT_CONFIG_INIT ZDT_SIZED(struct zdt_config)
#define ZDT_READS_INIT ZDT_SIZED(struct zdt_reads)
#define ZDT_LISTENER_OPTIONS_INIT ZDT_SIZED(struct zdt_listener_options)
#define ZDT_CONNECTION_INIT ZDT_SIZED(struct zdt_connection)
#define ZDT_COMPANION_INIT ZDT_SIZED(struct zdt_companion)
#define ZDT_EVENT_INIT ZDT_SIZED(struct zdt_event)
#define ZDT_PROGRESS_INIT ZDT_SIZED(struct zdt_progress)
#define ZDT_REUSEPORT_NEXT_INIT ZDT_SIZED(struct zdt_reuseport_next)
#define ZDT_REUSEPORT_KERNEL_INIT ZDT_SIZED(struct zdt_reuseport_kernel)

// config.on_mismatch: it is an error (ZDT_ERROR_LISTENER_MISMATCH), and the listener stays unclaimed.
#define ZDT_MISMATCH_REFUSE 0

// config.on_mismatch: what was asked for is bound, and the predecessor's is left to it, as by zdt_retire.
#define ZDT_MISMATCH_BIND 1

// (successor) A connection is offered: build the objects for it, then zdt_adopt(&event.offer); or zdt_refuse.
#define ZDT_OFFER 1

// Stop accepting, but from event.retired. With a successor: freeze and zdt_migrate what there is, then
// zdt_migrated_all. Without one (a signal, or zdt_drain): finish what is in flight, then zdt_migrated_all.
#define ZDT_DRAIN 2

// (predecessor) The connection event.id was adopted over there: let go of it, that is out of the poller first, then
// close() without shutdown().
#define ZDT_SETTLED 3

// (predecessor) The connection event.id is ours as it was (event.reason says why): thaw the same objects.
#define ZDT_RETURNED 4

// (predecessor) zdt_migrate takes more.
#define ZDT_ROOM 5

// (successor) We are the owner now, with event.generation.
#define ZDT_COMMITTED 6

// (predecessor) The attempt is off, or the successor died (event.cause): accept again, from every listener. It may come
// before the connections that it gives back: whatever was on offer follows as ZDT_RETURNED, or as ZDT_SETTLED where the
// successor had adopted it.
#define ZDT_RESUME 7

// (predecessor) The successor owns the service but leaves the queue of a listener unserved (event.cause): accept from it
// too. Connections accepted this way are served here to their end.
#define ZDT_ACCEPT 8

// (predecessor) For good: nobody will resume here. Close the listeners, finish what is left.
#define ZDT_RELIEVED 9

// (successor) The attempt is off (event.cause): close the listeners, finish what was adopted, exit.
#define ZDT_ABORTED 10

// Libzdt has nothing left to do here: finish the connections that returned, if there are any, and exit. What the
// deadline left is counted in event.left.
#define ZDT_DONE 11

// (worker) The arbiter said ready: accept from here on.
#define ZDT_READY 12

// event.reason of ZDT_RETURNED: the successor refused it.
#define ZDT_REFUSED 1

// event.reason of ZDT_RETURNED: it was taken back, since the successor is gone, hangs, or the deadline came.
#define ZDT_TAKEN_BACK 2

// zdt_adopt: the offer went back meanwhile; nothing was adopted.
#define ZDT_GONE 1

// zdt_migrate takes no more for now: wait for ZDT_ROOM, then offer the same connection again.
#define ZDT_FULL 1

// How many descriptors one message can carry (SCM_MAX_FD; unix(7)).
#define ZDT_MAX_FDS 253

// An option of zdt_listener_options: on.
#define ZDT_ON 1

// An option of zdt_listener_options: off.
#define ZDT_OFF -1

// zdt_gate_wait: somebody is still inside.
#define ZDT_IN_FLIGHT 1

// zdt_reuseport_step: serve all sockets as ever, and call again after wait_ms or later.
#define ZDT_STEP_WAIT 1

// zdt_reuseport_step: accept from the socket (UDP: read) until that would block, take it out of your poller, call again.
#define ZDT_STEP_ACCEPT 2

// zdt_reuseport_step: the socket of this index was closed; close what copies there are (dup, fork), then call again.
#define ZDT_STEP_CLOSED 3

// zdt_reuseport_step: nothing of ours is left.
#define ZDT_STEP_DONE 4

// An argument is not what the call takes (an address that does not parse, a NULL pointer, a size of 0).
#define ZDT_ERROR_INVALID_ARGUMENT 101

// The path of the takeover socket is longer than sun_path holds (107 bytes; unix(7)).
#define ZDT_ERROR_PATH_TOO_LONG 102

// The name of a listener is in use already.
#define ZDT_ERROR_NAME_USED 103

// The call does not fit the state one is in (zdt_migrate before ZDT_DRAIN, zdt_ready twice).
#define ZDT_ERROR_WRONG_STATE 104

// The handle was closed.
#define ZDT_ERROR_CLOSED 105

// The handle belongs to the process that this one was forked from.
#define ZDT_ERROR_FORKED 106

// State, unread or unsent bytes are over the limit.
#define ZDT_ERROR_TOO_LARGE 107

// The successor does not read this protocol or state version: drain the connection instead.
#define ZDT_ERROR_NOT_READABLE 108

// An inherited listener was claimed by nobody before zdt_ready.
#define ZDT_ERROR_LISTENER_UNCLAIMED 109

// A thread leaves the drain signal unblocked, so a signalfd would never fire (signalfd(2)).
#define ZDT_ERROR_SIGNAL_NOT_BLOCKED 110

// A system call failed; see zdt_error_errno.
#define ZDT_ERROR_SYSTEM 201

// RLIMIT_NOFILE leaves too few descriptors for what is coming.
#define ZDT_ERROR_DESCRIPTOR_LIMIT 202

// The directory of the takeover socket does not exist.
#define ZDT_ERROR_DIRECTORY_MISSING 203

// The address of a listener is in use by somebody else.
#define ZDT_ERROR_ADDRESS_IN_USE 204

// The kernel lacks what this needs (live takeover needs Linux 5.4).
#define ZDT_ERROR_UNSUPPORTED 205

// Another successor is at it, or the owner is not ready yet.
#define ZDT_ERROR_BUSY 301

// The other side did not answer before the deadline.
#define ZDT_ERROR_NO_ANSWER 302

// The other side died or closed the link.
#define ZDT_ERROR_PEER_GONE 303

// An inherited listener is not what its spec asks for.
#define ZDT_ERROR_LISTENER_MISMATCH 304

// The attempt is lost: another process owns the service.
#define ZDT_ERROR_ATTEMPT_LOST 305

// The predecessor refused, for a reason that is in the message.
#define ZDT_ERROR_REFUSED 306

// The two sides have no protocol version in common.
#define ZDT_ERROR_NO_COMMON_VERSION 401

// A message does not decode, or the peer does not speak the protocol at all.
#define ZDT_ERROR_MALFORMED 402

// A message came out of order: a wrong sequence number, or one that does not fit the step.
#define ZDT_ERROR_OUT_OF_ORDER 403

// A message came with another number of descriptors than it says.
#define ZDT_ERROR_DESCRIPTOR_COUNT 404

// The peer runs as a user that is not trusted.
#define ZDT_ERROR_WRONG_USER 501

// The directory of the takeover socket can be written by others and has no sticky bit, or is theirs.
#define ZDT_ERROR_UNSAFE_DIRECTORY 502

// Something that is not a socket of ours lies at the path.
#define ZDT_ERROR_FOREIGN_FILE 503

// The peer's pidfd is not of the process that the kernel reports.
#define ZDT_ERROR_WRONG_PROCESS 504

// A fault of libzdt itself: please report it.
#define ZDT_ERROR_INTERNAL 901

// An error: what was wrong, what state one is in now, and what to do. It may be read by several threads at a time.
typedef struct zdt_error zdt_error;

// Counts what is in flight, and lets a drain wait for its end. All calls but zdt_gate_free from any thread.
typedef struct zdt_gate zdt_gate;

// Some sockets at one address (SO_REUSEPORT; socket(7)). One call at a time; the sockets may be used from any thread.
typedef struct zdt_reuseport zdt_reuseport;

// A takeover: the handle of a process that takes a service over and may be taken over from.
typedef struct zdt_takeover zdt_takeover;

// A worker's part in the takeovers of its arbiter, which has a zdt_takeover and no connections: it accepts from the
// arbiter's listeners, and its connections migrate straight to a worker of the successor. Events and words are those of a
// zdt_takeover; the calls of the same name mean the same.
//
// Where the arbiter dies or closes its handle, its workers get ZDT_DRAIN (or, if it had not taken over yet, ZDT_ABORTED),
// migrate over the lanes that they have, finish the rest, and get ZDT_DONE.
typedef struct zdt_worker zdt_worker;

// The state versions of one protocol that a program reads.
typedef struct zdt_reads {
    // Set by ZDT_READS_INIT.
    size_t size;
    // The protocol, as in zdt_connection.protocol.
    const char *protocol;
    // The state versions.
    const uint32_t *versions;
    // How many.
    size_t version_count;
} zdt_reads;

// How a takeover behaves; zdt_open with NULL is right for most. What is 0 or NULL has its default.
//
// Durations are milliseconds; a negative one means no time at all (probation_ms = -1: do not watch the successor).
typedef struct zdt_config {
    // Set by ZDT_CONFIG_INIT.
    size_t size;
    // Who this is, for the other side's messages, for instance "gateway 2.1". Default: empty.
    const char *program;
    // The runtime. Default: "c".
    const char *runtime;
    // How long the other side may take to answer in the handshake. Default: 5,000.
    int64_t handshake_ms;
    // How long a successor may warm up between getting the listeners and zdt_ready. Default: 120,000.
    int64_t ready_ms;
    // A successor commits once the first offers are settled, or after this. Default: 10,000.
    int64_t commit_ms;
    // How long draining may take: from ZDT_DRAIN until what is still on offer is taken back. Default: 30,000.
    int64_t drain_ms;
    // How long a predecessor still watches its successor once everything is settled, or the drain deadline has come: if
    // the successor dies meanwhile, ZDT_RESUME follows and the predecessor accepts again; else ZDT_DONE. A successor that
    // leaves for good, which is no death, ends it: ZDT_RELIEVED, then ZDT_DONE. -1: ZDT_DONE follows at once.
    // Default: 10,000.
    int64_t probation_ms;
    // How long the queue of a listener may stay unserved until whoever else holds it accepts from it. Default: 5,000.
    int64_t hang_ms;
    // The largest state of one connection, in bytes. Default: 1 MiB.
    size_t max_state;
    // The most unread bytes, and the most unsent bytes, of one connection or companion. Default: 16 MiB.
    size_t max_bytes;
    // Which state versions of which protocols this program reads. Default: whatever is offered.
    const struct zdt_reads *const *reads;
    // How many reads.
    size_t reads_count;
    // Users beside our own effective one and root whose processes may take over from us, or be taken over.
    const uint32_t *allowed_uids;
    // How many uids.
    size_t allowed_uids_count;
    // Signals that become a ZDT_DRAIN event through a signalfd. Each must be blocked in every thread; block them before
    // the first one is started. Default: none; call zdt_drain.
    const int *drain_signals;
    // How many signals.
    size_t drain_signals_count;
    // What becomes of a predecessor's listener that is not what zdt_listener asks for: ZDT_MISMATCH_REFUSE (default) or
    // ZDT_MISMATCH_BIND.
    int32_t on_mismatch;
} zdt_config;

// The process at the other end. Made by libzdt only, so it may grow.
typedef struct zdt_peer {
    // Its process id as our pid namespace shows it; 0 where it is not visible.
    uint32_t pid;
    // Its program, as it says. Never NULL.
    const char *program;
    // Its runtime, as it says. Never NULL.
    const char *runtime;
    // Its generation (of a successor: the one it will have).
    uint64_t generation;
} zdt_peer;

// Options of a listener. What is 0 is as the address says, else the default.
typedef struct zdt_listener_options {
    // Set by ZDT_LISTENER_OPTIONS_INIT.
    size_t size;
    // How many connections may wait to be accepted (listen(2)). Default: 4096.
    uint32_t backlog;
    // The mode of a Unix socket's path. Default: what the umask leaves.
    uint32_t mode;
    // IPV6_V6ONLY: ZDT_ON or ZDT_OFF.
    int32_t v6only;
    // TCP_NODELAY, which accepted sockets inherit: ZDT_ON or ZDT_OFF.
    int32_t nodelay;
    // SO_REUSEPORT: ZDT_ON or ZDT_OFF.
    int32_t reuseport;
} zdt_listener_options;

// What a takeover has done so far, seen from one process. All counters start at 0 with each link: they are those of the
// one to our predecessor until a successor comes.
typedef struct zdt_progress {
    // Set by ZDT_PROGRESS_INIT.
    size_t size;
    // Our generation.
    uint64_t generation;
    // How many connections the predecessor said there are (zdt_set_connections); 0 where it did not say.
    uint64_t expected;
    // Connections offered so far (sent by a predecessor, received by a successor).
    uint64_t offered;
    // Adopted by the successor.
    uint64_t settled;
    // Refused, or taken back.
    uint64_t returned;
    // Unread bytes of the connections that were adopted, companions included.
    uint64_t unread_bytes;
    // Unsent bytes of the connections that were adopted, companions included.
    uint64_t unsent_bytes;
    // State bytes of the connections that were adopted.
    uint64_t state_bytes;
} zdt_progress;

// Bytes: a pointer and a length. The pointer may be NULL where the length is 0.
typedef struct zdt_bytes {
    // The first byte.
    const void *data;
    // How many bytes.
    size_t length;
} zdt_bytes;

// A further descriptor that belongs to a connection, with the bytes on their way through it.
typedef struct zdt_companion {
    // Set by ZDT_COMPANION_INIT.
    size_t size;
    // What it is to the connection, for instance "upstream". At most 255 bytes.
    const char *name;
    // The descriptor; -1 while the connection is on offer.
    int fd;
    // Bytes that were read from it and not used yet.
    struct zdt_bytes unread;
    // Bytes that were to be written to it and are not in it yet.
    struct zdt_bytes unsent;
} zdt_companion;

// A connection on offer, to be read: what zdt_connection says of these fields holds. Its descriptors come with zdt_adopt.
//
// It belongs to the event that brought it until it is answered: zdt_next_event with the same struct refuses it. To keep
// it longer, or to give it to another thread, copy the pointer and set event.offer = NULL; then it lives until it is
// answered. Answer each one, also after zdt_close: zdt_refuse frees it. Made by libzdt only, so it may grow.
typedef struct zdt_offer {
    // The number that the adopted connection will have.
    uint64_t id;
    // What is spoken on it.
    const char *protocol;
    // Which form the state has.
    uint32_t state_version;
    // Dialled by the predecessor; else accepted.
    bool dialled;
    // The application's state.
    struct zdt_bytes state;
    // Unread bytes.
    struct zdt_bytes unread;
    // Unsent bytes.
    struct zdt_bytes unsent;
    // The companions, without their descriptors.
    const struct zdt_companion *const *companions;
    // How many.
    size_t companion_count;
    // The socket's own address, or NULL.
    const struct sockaddr *local;
    // The peer's address, or NULL.
    const struct sockaddr *peer;
    // The length of local.
    socklen_t local_length;
    // The length of peer.
    socklen_t peer_length;
} zdt_offer;

// What happened. The kind says which fields mean something; the others are 0.
//
// Pointers in it, save the offer, are libzdt's: good until the next zdt_next_event on the same handle, or zdt_free.
typedef struct zdt_event {
    // Set by ZDT_EVENT_INIT.
    size_t size;
    // Which event: ZDT_OFFER to ZDT_READY; 0 where there is none. Skip kinds that you do not know.
    int32_t kind;
    // ZDT_RETURNED: ZDT_REFUSED or ZDT_TAKEN_BACK.
    int32_t reason;
    // ZDT_SETTLED, ZDT_RETURNED: the id that zdt_migrate was given.
    uint64_t id;
    // ZDT_OFFER: the offer. Not yet answered when the struct is used again, it is refused.
    struct zdt_offer *offer;
    // ZDT_DRAIN: who is ready to take the connections; NULL where nobody is.
    const struct zdt_peer *successor;
    // ZDT_DRAIN: milliseconds from now until what is still on offer is taken back. ZDT_DONE follows: with a successor
    // after config.probation_ms, without one at once.
    uint64_t deadline_ms;
    // ZDT_DRAIN: which connections the successor can read; none: it did not say, offer everything.
    const struct zdt_reads *const *reads;
    // How many reads.
    size_t reads_count;
    // ZDT_COMMITTED: our generation, the predecessor's plus one.
    uint64_t generation;
    // ZDT_RESUME, ZDT_ACCEPT, ZDT_ABORTED: why. Not to be freed.
    const struct zdt_error *cause;
    // ZDT_DONE: how many offers were unanswered when the drain deadline came; ZDT_RETURNED (or ZDT_SETTLED, for one that
    // was adopted at that moment) has named each before this event. 0: none was. What was never offered is not counted,
    // and each worker's ZDT_DONE counts its own.
    //
    // Draining without a successor, where the deadline came before zdt_migrated_all: how many connections there are, as
    // zdt_set_connections was told, at least 1.
    uint64_t left;
    // ZDT_DRAIN: the listeners that the successor left to us (zdt_retire): go on accepting from these. At ZDT_DONE or
    // ZDT_RELIEVED accept what is still in their queues, then close them.
    const char *const *retired;
    // How many names.
    size_t retired_count;
} zdt_event;

// An established stream socket (TCP or Unix), accepted or dialled, and all that belongs to it.
//
// A predecessor fills one and gives it to zdt_migrate: everything is lent for the call. A successor gets one from
// zdt_adopt: the descriptors are its own, and the bytes are there until zdt_connection_free.
typedef struct zdt_connection {
    // Set by ZDT_CONNECTION_INIT.
    size_t size;
    // The caller's own name for the connection (a pointer will do): ZDT_SETTLED and ZDT_RETURNED tell it. It does not
    // travel; an adopted connection has the number that its offer had.
    uint64_t id;
    // The socket.
    int fd;
    // Which form the state has; 0 where there is none.
    uint32_t state_version;
    // What is spoken on it, for instance "http/1.1". At most 255 bytes.
    const char *protocol;
    // The application's own state.
    struct zdt_bytes state;
    // Bytes that were read from the socket and not used yet: the successor uses them before it reads on.
    struct zdt_bytes unread;
    // Bytes that were to be written and are not in the socket yet: the successor writes them before anything else.
    struct zdt_bytes unsent;
    // Further descriptors that belong to it and move with it or not at all (a proxy's upstream socket).
    const struct zdt_companion *const *companions;
    // How many.
    size_t companion_count;
    // The socket's own address where it was told, else NULL: getsockname(2) knows it.
    const struct sockaddr *local;
    // The peer's address where it was told, else NULL: getpeername(2) knows it.
    const struct sockaddr *peer;
    // The length of local.
    socklen_t local_length;
    // The length of peer.
    socklen_t peer_length;
    // Dialled (connected) by us; else it was accepted.
    bool dialled;
    // Of an adopted connection: what its bytes lie in. libzdt's own; leave it alone.
    void *storage;
} zdt_connection;

// What is next while sockets retire. Fields that do not belong to the kind are 0, the socket -1.
typedef struct zdt_reuseport_next {
    // Set by ZDT_REUSEPORT_NEXT_INIT.
    size_t size;
    // ZDT_STEP_*.
    int kind;
    // ZDT_STEP_ACCEPT: the descriptor, which stays the group's.
    int socket;
    // ZDT_STEP_ACCEPT, ZDT_STEP_CLOSED: its index.
    size_t index;
    // ZDT_STEP_WAIT: how long, in milliseconds; -1: for ever.
    int64_t wait_ms;
    // ZDT_STEP_DONE: how many of our sockets were closed.
    size_t closed;
    // ZDT_STEP_DONE: how many of the successor's stay.
    size_t successors;
    // ZDT_STEP_DONE: how often was waited: once, and again where the group's members changed.
    uint32_t waits;
} zdt_reuseport_next;

// What the kernel does beside, in this network namespace (ip-sysctl). Nothing here relies on it.
typedef struct zdt_reuseport_kernel {
    // Set by ZDT_REUSEPORT_KERNEL_INIT.
    size_t size;
    // net.ipv4.tcp_migrate_req: whoever waits at a listener that is closed moves to another one of its group.
    bool migrates;
    // net.ipv4.tcp_syncookies: 0 never, 1 where a queue overflows, 2 always.
    uint32_t syncookies;
} zdt_reuseport_kernel;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library, for instance "0.1.0". Never NULL; valid for ever.
const char *zdt_version(void);

// Finds the predecessor that waits at `path` and begins to take over from it, or is the first and waits there itself.
//
// `path` is that of the takeover socket, at most 107 bytes, in a directory that only this user (or root) can write, or
// that has the sticky bit. `config` may be NULL. 0: *t is the handle, to be closed with zdt_close and freed with
// zdt_free. Negative: *t is NULL and nothing has changed; a predecessor goes on serving.
//
// Blocks: up to config.handshake_ms. Errors: ZDT_ERROR_PATH_TOO_LONG, _DIRECTORY_MISSING, _UNSAFE_DIRECTORY,
// _FOREIGN_FILE, _WRONG_USER, _WRONG_PROCESS, _BUSY (try again), _NO_ANSWER, _PEER_GONE, _REFUSED, _NO_COMMON_VERSION,
// _MALFORMED, _DESCRIPTOR_LIMIT, _SIGNAL_NOT_BLOCKED, _UNSUPPORTED, _SYSTEM.
int zdt_open(const char *path, const struct zdt_config *config, struct zdt_takeover **t, struct zdt_error **err);

// Leaves: a successor that has not committed gives up, an owner without a successor leaves the path, a predecessor ends
// what is still on offer. Afterwards each call on the handle fails with ZDT_ERROR_CLOSED. The caller's descriptors
// (listeners, connections) are untouched.
//
// Returns 0; a second call does nothing. Blocks: never for long (it reads what is on the link). Another thread's
// zdt_next_event returns.
int zdt_close(struct zdt_takeover *t);

// Frees the handle, and closes it first if need be. No other thread may be in a call on it, and none may follow. Offers
// that were kept are answered before. NULL is fine.
void zdt_free(struct zdt_takeover *t);

// Our generation: 1 for the first process, one more with each takeover. 0 for NULL. Blocks: never.
uint64_t zdt_generation(const struct zdt_takeover *t);

// Whom we take over from, or took over from, as zdt_open met it; NULL for the first generation (and for a NULL handle).
// The handle's: good until zdt_free. Blocks: never.
const struct zdt_peer *zdt_predecessor(const struct zdt_takeover *t);

// The listener called `name`: inherited from the predecessor, or bound to `address`.
//
// `address` is "tcp://0.0.0.0:8080", "tcp://[::]:8080", "udp://0.0.0.0:53", "unix:///run/x.sock", or "unix://@name" in the
// abstract namespace, with options behind it if you like ("?backlog=128&nodelay=1"); in a path or name, %3f is the byte
// 0x3f. `options` may be NULL, and wins where it says something. The result is the descriptor, non-blocking and
// close-on-exec. Do not accept (or, of UDP, read) from it before zdt_ready. Ask for all listeners before that.
//
// A listener that the predecessor has at the very address under another name is inherited under the new one. Nodelay,
// and backlog and mode where they are said, become as asked for when we become the owner. For one that is not what
// was asked for see config.on_mismatch.
//
// Owns: the descriptor is the caller's to close. Blocks: never. Errors: ZDT_ERROR_INVALID_ARGUMENT, _NAME_USED,
// _LISTENER_MISMATCH (the inherited one is something else), _TOO_LARGE (as zdt_retire), _ADDRESS_IN_USE, _SYSTEM.
int zdt_listener(struct zdt_takeover *t, const char *name, const char *address, const struct zdt_listener_options *options, struct zdt_error **err);

// The names of inherited listeners that were neither asked for nor retired yet. The result is how many; *names is an array of that
// many strings with NULL behind the last. Blocks: never.
//
// Owns: the array is the caller's; free it with zdt_names_free. On an error it is NULL.
int zdt_unclaimed(const struct zdt_takeover *t, char ***names, struct zdt_error **err);

// Frees the array of zdt_unclaimed and the strings in it. NULL is fine.
void zdt_names_free(char **names);

// Leaves the predecessor's listener `name` to the predecessor: it goes on accepting from it, serves whoever connects there,
// and closes it when it is done. Nothing changes before zdt_ready; if the attempt is called off, or we die and the
// predecessor resumes, it still has the listener. 0, or an error. Blocks: never.
//
// Errors: ZDT_ERROR_INVALID_ARGUMENT (no unclaimed listener has this name), _TOO_LARGE (253 were retired).
int zdt_retire(struct zdt_takeover *t, const char *name, struct zdt_error **err);

// Says that this process is fit to serve. 0: accept from here on; a predecessor stops accepting and offers its
// connections. Blocks: never.
//
// Errors: ZDT_ERROR_WRONG_STATE (called twice), _LISTENER_UNCLAIMED (ask for it or retire it first, see zdt_unclaimed); nothing was
// done. ZDT_ERROR_ATTEMPT_LOST and the like: the attempt is off, close what you opened and exit.
int zdt_ready(struct zdt_takeover *t, struct zdt_error **err);

// A descriptor for your poller: readable (level-triggered) whenever zdt_next_event has something to do, deadlines
// included. The handle's: only poll it, and take it out of the poller before zdt_free. Negative for NULL. Blocks: never.
int zdt_event_fd(const struct zdt_takeover *t);

// Nothing more will be given to zdt_migrate: ZDT_DONE follows when everything is settled and the probation is over. After
// a ZDT_DRAIN without a successor: nothing is in flight any more, ZDT_DONE follows at once.
// 0, or ZDT_ERROR_WRONG_STATE before ZDT_DRAIN. Blocks: never.
int zdt_migrated_all(struct zdt_takeover *t, struct zdt_error **err);

// Asks for a graceful stop: ZDT_DRAIN without a successor follows. From any thread, but not from a signal handler (write
// to a pipe there, or use config.drain_signals). Blocks: never.
int zdt_drain(struct zdt_takeover *t, struct zdt_error **err);

// Says how many live connections there are: for progress, and so that a successor sees to room for their descriptors
// before the first comes. Cheap; call it whenever the number changes much. Blocks: never. Returns 0, or a negative number for NULL.
int zdt_set_connections(struct zdt_takeover *t, uint64_t count);

// What was done so far, into *progress. Returns 0. Blocks: never.
int zdt_get_progress(const struct zdt_takeover *t, struct zdt_progress *progress, struct zdt_error **err);

// A seat for a worker of ours: a descriptor that the worker takes with zdt_worker_join, in a child after fork(2), or in a
// program that was started with it (it is close-on-exec: clear that in the child first).
//
// Seat the workers before zdt_ready: from then on a predecessor's workers migrate to them, and never through this
// process. Close the descriptor here once the worker has its own. A worker that died is replaced by seating another.
// `worker` is a number of the caller's choice, for messages.
//
// Owns: the descriptor is the caller's to close. Blocks: never. Errors: ZDT_ERROR_WRONG_STATE (we drain, and a new
// worker would have nothing to do), _INVALID_ARGUMENT (more than 250 listeners), _SYSTEM; the other workers are as they
// were.
int zdt_seat(struct zdt_takeover *t, uint32_t worker, struct zdt_error **err);

// The next event. 1: there is one in *event; 0: none came within timeout_ms (0: only look; negative: wait for ever).
//
// Call it whenever zdt_event_fd is readable, until it returns 0; deadlines fire in here too. An offer that is still in
// *event is refused first (see zdt_offer).
//
// Threads: one caller at a time. Blocks: as long as timeout_ms says; zdt_close from another thread ends that.
// Errors: ZDT_ERROR_CLOSED, _FORKED, _SYSTEM; *event is then without offer and of kind 0, and the call may be repeated.
int zdt_next_event(struct zdt_takeover *t, int timeout_ms, struct zdt_event *event, struct zdt_error **err);

// Adopts a connection: from 0 on it is the caller's, and nobody else uses it.
//
// Build the objects for it first. 0: `connection` is filled: write its unsent bytes first, use its unread bytes before
// reading, then zdt_connection_free. ZDT_GONE: it went back meanwhile, drop what was built; `connection` is untouched.
// In either case, and on an error too, the offer is used up and *offer is NULL (save for ZDT_ERROR_INVALID_ARGUMENT:
// then nothing was done).
//
// Owns: the descriptors are the caller's to shut down and close, the bytes libzdt's until zdt_connection_free.
// Threads: any; one at a time for one offer. Blocks: never. Errors: ZDT_ERROR_CLOSED, _FORKED.
int zdt_adopt(struct zdt_takeover *t, struct zdt_offer **offer, struct zdt_connection *connection, struct zdt_error **err);

// Refuses an offer: the connection returns to the predecessor, which serves it on. The offer is used up, *offer is NULL.
//
// `why` is for the log of the other side; NULL is fine. Returns 0. Threads: any; one at a time for one offer.
// Blocks: never. Errors: ZDT_ERROR_INVALID_ARGUMENT, and then nothing was done.
int zdt_refuse(struct zdt_takeover *t, struct zdt_offer **offer, const char *why, struct zdt_error **err);

// Offers a frozen connection to the successor (predecessor, from ZDT_DRAIN with a successor on).
//
// Freeze it first: out of the poller, nothing in flight. 0: it is on offer, and ZDT_SETTLED or ZDT_RETURNED follows with
// its id; until then neither use nor close its descriptors. ZDT_FULL: nothing was done, wait for ZDT_ROOM and call again.
// Negative: nothing was done, the connection is the caller's as it was; finish it here.
//
// Owns: nothing; the bytes are copied before it returns, the descriptors stay the caller's. Blocks: never.
// Errors: ZDT_ERROR_WRONG_STATE (nobody is there to take it), _TOO_LARGE, _NOT_READABLE,
// _DESCRIPTOR_LIMIT (the successor has no room), _INVALID_ARGUMENT, _SYSTEM.
int zdt_migrate(struct zdt_takeover *t, const struct zdt_connection *connection, struct zdt_error **err);

// Wipes and frees the bytes of an adopted connection; its pointers are NULL and its lengths 0 afterwards.
//
// The descriptors are untouched: whoever uses them ends them with shutdown() and close(). Call it once the state is
// restored, unsent is written and unread is used. Of copies of one zdt_connection free only one. NULL, a connection
// that was not adopted, and a second call are fine. Blocks: never.
void zdt_connection_free(struct zdt_connection *connection);

// Takes the seat that zdt_seat gave, in the worker's own process. A child that was forked frees its copy of the arbiter's
// zdt_takeover before (zdt_free).
//
// Of `config`, which may be NULL, count reads, max_state, max_bytes, program and runtime; handshake_ms, and drain_ms
// should the arbiter die. 0: *w is the handle, to be closed with zdt_worker_close and freed with zdt_worker_free.
// Negative: *w is NULL.
//
// Owns: the seat is libzdt's from here on, on an error too (save for ZDT_ERROR_INVALID_ARGUMENT: then it is the
// caller's). Blocks: not for long; up to config.handshake_ms where the arbiter hangs. Errors: ZDT_ERROR_NO_ANSWER
// (also: the seat was taken before), _PEER_GONE, _OUT_OF_ORDER and _MALFORMED (it is no seat), _UNSUPPORTED, _SYSTEM.
int zdt_worker_join(int seat, const struct zdt_config *config, struct zdt_worker **w, struct zdt_error **err);

// Leaves: offers are answered or taken back, seat and lanes are closed. Afterwards each call on the handle fails with
// ZDT_ERROR_CLOSED. Returns 0; a second call does nothing. Blocks: never for long.
int zdt_worker_close(struct zdt_worker *w);

// Frees the handle, and closes it first if need be. No other thread may be in a call on it, and none may follow. Offers
// that were kept are answered before. NULL is fine.
void zdt_worker_free(struct zdt_worker *w);

// Our number, as zdt_seat had it. 0 for NULL. Blocks: never.
uint32_t zdt_worker_number(const struct zdt_worker *w);

// The arbiter's generation when it gave the seat. 0 for NULL. Blocks: never.
uint64_t zdt_worker_generation(const struct zdt_worker *w);

// The arbiter's listener called `name`, as it was when the seat was given. Accept from it from ZDT_READY on. Each can be
// had once.
//
// Owns: the descriptor is the caller's to close; non-blocking and close-on-exec. Blocks: never.
// Errors: ZDT_ERROR_INVALID_ARGUMENT (there was none of that name), _NAME_USED.
int zdt_worker_listener(struct zdt_worker *w, const char *name, struct zdt_error **err);

// A descriptor for your poller, as zdt_event_fd is. Negative for NULL. Blocks: never.
int zdt_worker_event_fd(const struct zdt_worker *w);

// The next event, as zdt_next_event gives it; its offers are for zdt_worker_adopt and zdt_worker_refuse. Coming back after
// ZDT_DRAIN says that this worker has stopped accepting.
int zdt_worker_next_event(struct zdt_worker *w, int timeout_ms, struct zdt_event *event, struct zdt_error **err);

// Adopts a connection, as zdt_adopt does.
int zdt_worker_adopt(struct zdt_worker *w, struct zdt_offer **offer, struct zdt_connection *connection, struct zdt_error **err);

// Refuses an offer, as zdt_refuse does.
int zdt_worker_refuse(struct zdt_worker *w, struct zdt_offer **offer, const char *why, struct zdt_error **err);

// Offers a frozen connection to a worker of the successor, as zdt_migrate does. What was taken back because a worker over
// there died may be offered again: another takes it.
int zdt_worker_migrate(struct zdt_worker *w, const struct zdt_connection *connection, struct zdt_error **err);

// Nothing more will be given to zdt_worker_migrate, and nothing is in flight that is to be finished first: ZDT_DONE
// follows when everything is settled and the arbiter is done too. What returns later may be offered again.
// 0, or ZDT_ERROR_WRONG_STATE before ZDT_DRAIN. Blocks: never.
int zdt_worker_migrated_all(struct zdt_worker *w, struct zdt_error **err);

// Says how many live connections this worker has, as zdt_set_connections does. Returns 0, or a negative number for NULL.
int zdt_worker_set_connections(struct zdt_worker *w, uint64_t count);

// What this worker did so far, over all its lanes, into *progress. Returns 0. Blocks: never.
int zdt_worker_get_progress(const struct zdt_worker *w, struct zdt_progress *progress, struct zdt_error **err);

// Sends `length` bytes (at least one) and `fd_count` descriptors (at most ZDT_MAX_FDS) as one message over a Unix socket.
//
// Owns: nothing; the descriptors stay open here and are the caller's to close. Blocks: as the socket does.
// No SIGPIPE. Returns 0. Errors: ZDT_ERROR_INVALID_ARGUMENT (no data, too many), _PEER_GONE, _SYSTEM (EAGAIN of a full
// non-blocking socket included); then nothing was sent.
int zdt_send_fds(int socket, const void *data, size_t length, const int *fds, size_t fd_count, struct zdt_error **err);

// Receives one message of up to `length` bytes over a Unix socket, with its descriptors, all close-on-exec.
//
// The result is how many bytes came; 0 is the end of the stream. *fd_count says how large `fds` is and is set to how
// many descriptors came; with room for ZDT_MAX_FDS there is always enough.
//
// Owns: the descriptors are the caller's to close. On an error there are none: what came was closed.
// Blocks: as the socket does. Errors: ZDT_ERROR_DESCRIPTOR_COUNT (more came than fds has room for), _DESCRIPTOR_LIMIT,
// _TOO_LARGE (the message is longer than length), _PEER_GONE, _INVALID_ARGUMENT, _SYSTEM.
int zdt_recv_fds(int socket, void *data, size_t length, int *fds, size_t *fd_count, struct zdt_error **err);

// Binds a listener with SO_REUSEPORT, outside of any takeover: several processes may listen at the same address.
// `address` and `options` as for zdt_listener. The result is the descriptor, which is the caller's. Blocks: never.
// Errors: ZDT_ERROR_INVALID_ARGUMENT, _ADDRESS_IN_USE, _SYSTEM.
int zdt_bind(const char *address, const struct zdt_listener_options *options, struct zdt_error **err);

// Asks the process `pid` to drain: SIGTERM through a pidfd, so never to another process that got the number meanwhile.
// Returns 0. Blocks: never. Errors: ZDT_ERROR_PEER_GONE (there is no such process), _WRONG_USER (we may not signal it),
// _UNSUPPORTED, _INVALID_ARGUMENT, _SYSTEM.
int zdt_signal_drain(uint32_t pid, struct zdt_error **err);

// A new gate, open and empty; free it with zdt_gate_free. NULL only after a fault of libzdt.
struct zdt_gate *zdt_gate_new(void);

// Enters. 1: inside, zdt_gate_leave must follow; 0: the gate is closed. Negative for NULL. Blocks: never; one atomic.
int zdt_gate_enter(struct zdt_gate *gate);

// Leaves, once for each time inside. Returns 0; negative for NULL, or if nobody is inside. Blocks: never.
int zdt_gate_leave(struct zdt_gate *gate);

// Closes the gate: nobody enters any more. Returns 0, negative for NULL. Blocks: never.
int zdt_gate_close(struct zdt_gate *gate);

// Opens the gate again (after ZDT_RESUME). Returns 0, negative for NULL. Blocks: never.
int zdt_gate_open(struct zdt_gate *gate);

// Waits until nobody is inside: 0; or ZDT_IN_FLIGHT when timeout_ms is over (0: only look; negative: for ever).
// Close the gate first. Blocks: as long as timeout_ms says. Errors: ZDT_ERROR_INVALID_ARGUMENT for NULL.
int zdt_gate_wait(struct zdt_gate *gate, int timeout_ms, struct zdt_error **err);

// How many are inside. 0 for NULL. Blocks: never.
uint64_t zdt_gate_in_flight(const struct zdt_gate *gate);

// Frees a gate. No other thread may be in a call on it, and none may follow. NULL is fine.
void zdt_gate_free(struct zdt_gate *gate);

// Binds `count` sockets at one address, beside those of a predecessor: `address` (tcp:// or udp://) and `options` (which may
// be NULL) as for zdt_listener. Port 0: any, the same for all.
//
// Owns: *group, which zdt_reuseport_free ends; NULL after an error. Blocks: never.
// Errors: ZDT_ERROR_INVALID_ARGUMENT, _ADDRESS_IN_USE (by another user, or without SO_REUSEPORT), _SYSTEM.
int zdt_reuseport_bind(const char *address, const struct zdt_listener_options *options, size_t count, struct zdt_reuseport **group, struct zdt_error **err);

// The descriptor of the socket with this index (0 to count - 1; close-on-exec, non-blocking), which stays the group's.
// Negative: the group is NULL, or there is no such socket any more. Blocks: never.
int zdt_reuseport_socket(const struct zdt_reuseport *group, size_t index);

// Takes our sockets away while `successors` of a successor's, at least, stay: nobody is refused, reset or left in a queue.
// All that is new goes to the successor's from here on (classic BPF; no privilege needed); what is on its way to us is
// waited for, `wait_ms` (negative: the default, 5 s; less than the slowest handshake loses that one; UDP needs 0).
// `serve` is called with a descriptor from which something can be accepted (UDP: read), until that would block; it must
// not close it. Nobody else accepts meanwhile, or stops when a copy of his is to be closed.
//
// Returns how many sockets were closed. Blocks: for wait_ms and a little more; where a predecessor of ours has not left
// yet, first until it has. Errors: as zdt_reuseport_start_retiring, but for _BUSY, and zdt_reuseport_step.
int zdt_reuseport_retire(struct zdt_reuseport *group, size_t successors, int wait_ms, void (*serve)(int socket, void *context), void *context, struct zdt_error **err);

// Begins to retire, for accept loops and pollers of one's own: all that is new goes to the successor's sockets from here
// on. Then call zdt_reuseport_step until ZDT_STEP_DONE. `successors` and `wait_ms` as for zdt_reuseport_retire. To find out
// which socket is where, packets that no application sees are sent over loopback (on UDP, a successor that joined while a
// predecessor of ours was there may read an empty datagram).
//
// Returns 0. Blocks: for that look, milliseconds at most as a rule. Errors, after each of which nothing was changed and all of ours serve on:
// ZDT_ERROR_PEER_GONE (fewer sockets of others are there), _BUSY (a predecessor of ours has not left yet), _WRONG_STATE
// (begun already; or one cannot find out which socket is where: loopback is down or closed to us), _INVALID_ARGUMENT, _SYSTEM.
int zdt_reuseport_start_retiring(struct zdt_reuseport *group, size_t successors, int wait_ms, struct zdt_error **err);

// What to do next while sockets retire; *next says it. Whoever joined or left the group meanwhile, all is waited for again.
//
// Returns 0. Blocks: never, but for a look as in zdt_reuseport_start_retiring if somebody left. Errors:
// ZDT_ERROR_WRONG_STATE (not begun; or somebody has had a copy of a socket that was closed for longer than a second: close
// it, call again; or one cannot find out which socket is where: call again), _PEER_GONE (no socket of a successor's is left:
// what is left of ours serves on, and one can begin again), _INVALID_ARGUMENT, _SYSTEM (call again).
int zdt_reuseport_step(struct zdt_reuseport *group, struct zdt_reuseport_next *next, struct zdt_error **err);

// Asks what the kernel does beside. Returns 0. Blocks: never. Errors: ZDT_ERROR_INVALID_ARGUMENT.
int zdt_reuseport_ask_kernel(struct zdt_reuseport_kernel *answer, struct zdt_error **err);

// Closes the sockets that are left, at once, with the loss that this means, and frees the group. NULL is fine.
void zdt_reuseport_free(struct zdt_reuseport *group);

// The number, positive: one of ZDT_ERROR_*. 0 for NULL.
int zdt_error_number(const struct zdt_error *error);

// The errno of the system call that failed; 0 where there was none, and for NULL.
int zdt_error_errno(const struct zdt_error *error);

// The process the error speaks of (who is busy, who is not trusted); 0 where there is none, and for NULL.
uint32_t zdt_error_pid(const struct zdt_error *error);

// Whether the same call, made again a little later, can succeed without anything being changed. False for NULL.
bool zdt_error_retry_helps(const struct zdt_error *error);

// What was wrong. Never NULL; valid until the error is freed.
const char *zdt_error_what(const struct zdt_error *error);

// What state one is in now and what to do; may be empty. Never NULL; valid until the error is freed.
const char *zdt_error_state(const struct zdt_error *error);

// All of it in one line: word, number, what was wrong, what to do. Never NULL; valid until the error is freed.
const char *zdt_error_message(const struct zdt_error *error);

// Frees an error that a call handed out; not the cause of an event, which is the handle's. NULL is fine.
void zdt_error_free(struct zdt_error *error);

// The short word for the number of an error, the same in every language ("busy" for 301). A negative result of a call
// is taken as well. "unknown" for any other number. Never NULL; valid for ever.
const char *zdt_error_word(int number);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ZDT_H */

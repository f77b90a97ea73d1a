/* A queue of bytes: put in at the end, taken out at the front. */
#ifndef RELAY_BYTES_H
#define RELAY_BYTES_H

#include <stddef.h>

struct bytes {
    unsigned char *data;
    size_t start; /* what is before it was taken out */
    size_t end;
    size_t room;
};

/* The first byte, and how many there are. */
static inline const unsigned char *bytes_first(const struct bytes *bytes) {
    return bytes->data ? bytes->data + bytes->start : NULL;
}
static inline size_t bytes_length(const struct bytes *bytes) { return bytes->end - bytes->start; }

/* Room for `length` more bytes, to be filled; bytes_put(bytes, NULL, n) then counts them in. Ends the process where there
 * is no memory. */
unsigned char *bytes_room(struct bytes *bytes, size_t length);
/* Puts bytes in; without data, counts in what was written where bytes_room said. */
void bytes_put(struct bytes *bytes, const void *data, size_t length);
/* Takes bytes out. */
void bytes_take(struct bytes *bytes, size_t length);
void bytes_free(struct bytes *bytes);

#endif

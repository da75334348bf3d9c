/*
 * uuid: 16 random bytes with a name, by RFC 9562.
 */
#ifndef PX_BASE_UUID_H
#define PX_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

enum { PX_UUID_BYTES = 16, PX_UUID_TEXT_BYTES = 37 };

struct px_uuid {
    uint8_t bytes[PX_UUID_BYTES];
};

/* Random bytes of the kernel's generator; waits for it only at the system's first boot. */
void px_random_bytes(void *data, unsigned size_bytes);

/* A random (version 4) uuid. */
struct px_uuid px_uuid_new(void);

/* "123e4567-e89b-42d3-a456-426614174000", lower case. */
void px_uuid_format(struct px_uuid uuid, char text[PX_UUID_TEXT_BYTES]);

/* False, and *ret untouched, if `text` is not exactly such a string (either case). */
bool px_uuid_parse(const char *text, struct px_uuid *ret_uuid);

bool px_uuid_equal(struct px_uuid a, struct px_uuid b);

#endif /* PX_BASE_UUID_H */

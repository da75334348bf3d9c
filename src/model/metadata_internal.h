/*
 * metadata_internal: what the files of metadata share: the set of keys that finds a repeated one,
 * and the writing of single pieces.
 */
#ifndef PX_MODEL_METADATA_INTERNAL_H
#define PX_MODEL_METADATA_INTERNAL_H

#include "model/metadata.h"

/*
 * The keys of one map, in the caller's frame, so that a row costs no allocation. A few keys are
 * compared one by one, which is faster than hashing them; more are found through an
 * open-addressing table that is half full at most.
 */
struct px_metadata_keys {
    uint32_t count;
    struct px_slice keys[PX_METADATA_MOST_ENTRIES]; /* the first `count`; kept */
    uint16_t table[2 * PX_METADATA_MOST_ENTRIES];   /* index + 1, or 0; undefined for a few */
};

static inline void px_metadata__keys_init(struct px_metadata_keys *keys)
{
    keys->count = 0; /* the rest is large, and written before it is read */
}

/* The equal key that was added before, or NULL. */
const struct px_slice *px_metadata__keys_find(const struct px_metadata_keys *keys,
                                              struct px_slice key);

/* Adds a key that is not there; at most PX_METADATA_MOST_ENTRIES of them. */
void px_metadata__keys_add(struct px_metadata_keys *keys, struct px_slice key);

/* The pieces of an Avro datum. */
void px_metadata__append_long(struct px_buffer *buffer, int64_t value);
void px_metadata__append_string(struct px_buffer *buffer, struct px_slice string);

/* The value at *at, a view into trusted bytes; *at moves behind it. */
struct px_value px_metadata__next_value(const uint8_t **at);

/* The beginning of a key, for a message with "'%.*s'": PX_METADATA_SHOWN(key). */
#define PX_METADATA_SHOWN(key) (int)px_utf8_cut(key, 80), (const char *)(key).data

#endif /* PX_MODEL_METADATA_INTERNAL_H */

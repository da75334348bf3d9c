/*
 * metadata: the key-value pairs of a row, held as the bytes of an Avro map from the client to the
 * answer, so that a row is neither parsed into objects when it comes nor re-encoded when it goes.
 *
 * Canonical form, the only one kept in memory: one block without a byte size.
 *
 *      OFFSET  SIZE    MEANING
 *      0       varint  n, the number of entries, as an Avro long; 0: an empty map, and the end
 *      ...     n *     key: Avro string. Value: Avro long, the branch of the union (0 null,
 *                      1 boolean, 2 long, 3 double, 4 string, 5 array<string>), then the value
 *      ...     1       0, the end of the map
 *
 * An array in it is canonical as well: one block without a byte size, or the zero alone. Integers
 * need not be in their shortest form, so equal maps may differ in bytes.
 *
 * Limits, checked once by px_metadata_read(): at most 1,024 entries, keys of 1 to 256 bytes, each
 * key once, strings of valid UTF-8 without NUL, doubles finite, 1 MiB in all. Everything behind it
 * trusts the bytes.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_MODEL_METADATA_H
#define PX_MODEL_METADATA_H

#include "base/buffer.h"
#include "model/value.h"

enum {
    PX_METADATA_MOST_ENTRIES = 1024,
    PX_METADATA_LONGEST_KEY_BYTES = 256,
    PX_METADATA_LARGEST_BYTES = 1 << 20,
};

/* The canonical empty map: one zero byte. */
extern const struct px_slice px_metadata_empty;

/*
 * Reads and checks an Avro map at the beginning of `input`, in any form that Avro allows (several
 * blocks, negative counts).
 *
 *   scratch     receives the canonical form if the input is not in it; kept: it must not be
 *               appended to while *ret_metadata is in use
 *   ret_size    bytes of `input` that the map took
 *   ret_metadata  the canonical form: a view into `input` or into `scratch`
 *
 * PROXIMADB_INVALID with a sentence that names the key; PROXIMADB_CORRUPT where the bytes are no
 * Avro map; PROXIMADB_NO_MEMORY, or PROXIMADB_RESOURCE_EXHAUSTED, where scratch fails.
 */
PX_MUST_CHECK int px_metadata_read(struct px_slice input, struct px_buffer *scratch,
                                   size_t *ret_size, struct px_slice *ret_metadata,
                                   struct proximadb_error *reterr);

/* Walks canonical metadata. */
struct px_metadata_walk {
    const uint8_t *next;
    int64_t left;
};

struct px_metadata_walk px_metadata_first(struct px_slice metadata);

/* True, with views into the metadata; false at the end. */
bool px_metadata_next(struct px_metadata_walk *walk, struct px_slice *ret_key,
                      struct px_value *ret_value);

/* The value of a key; false where it is missing. A key that is there with null gives null. */
bool px_metadata_find(struct px_slice metadata, struct px_slice key, struct px_value *ret_value);

/*
 * Building: begin, put each entry (distinct keys), finish. The count is written by begin, so it
 * must be known. Failures mark the buffer.
 */
void px_metadata_begin(struct px_buffer *buffer, size_t entry_count);
void px_metadata_put(struct px_buffer *buffer, struct px_slice key, const struct px_value *value);
void px_metadata_finish(struct px_buffer *buffer, size_t entry_count);

/* Appends an Avro array<string> block to `buffer`, for px_value.as.array. */
void px_strings_write(struct px_buffer *buffer, const struct px_slice *strings, size_t count);

/* Appends `old` with `changes` merged in: a key of changes replaces, in its old place, a null
 * removes. Both canonical, and not in `buffer`. The result is canonical; PROXIMADB_INVALID if it
 * exceeds the limits, and the buffer is then as before. */
PX_MUST_CHECK int px_metadata_merge(struct px_slice old, struct px_slice changes,
                                    struct px_buffer *buffer, struct proximadb_error *reterr);

/* Appends the metadata as a JSON object: doubles carry '.' or an exponent, longs neither, so that
 * px_metadata_from_json() gives the same types again. Keys for which skip() is true are left out;
 * skip may be NULL. */
void px_metadata_to_json(struct px_slice metadata, bool (*skip)(void *context, struct px_slice key),
                         void *context, struct px_buffer *buffer);

/* Appends the canonical form of a JSON object. A number with '.' or exponent is a double, any
 * other a long. PROXIMADB_INVALID: not an object, a value that is no metadata (an object, an array
 * of other than strings, a number that is too large), or a rule of above broken; with the key, and
 * the buffer is as before. */
PX_MUST_CHECK int px_metadata_from_json(struct px_slice json, struct px_buffer *buffer,
                                        struct proximadb_error *reterr);

#endif /* PX_MODEL_METADATA_H */

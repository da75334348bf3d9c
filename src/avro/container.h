/*
 * container: Avro object container files: a header that holds the schema, then blocks of data, each
 * closed by the file's own 16 random bytes. Any Avro reader reads them.
 *
 *      header  SIZE    MEANING                     block   SIZE    MEANING
 *              4       "Obj" 01                            varint  number of objects
 *              ...     map<bytes>: avro.schema,            varint  n, the bytes of the objects
 *                      avro.codec, keys of our own         n       the objects
 *              16      sync marker                         16      sync marker
 *
 * Only the codec null is written and read: what is in a block can then be read in place.
 *
 * The size of a block may be written padded, always in 5 bytes, so that a block whose size changes
 * later (the unused end of a log file) keeps the length of its header. Avro allows the longer form.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_AVRO_CONTAINER_H
#define PX_AVRO_CONTAINER_H

#include "base/buffer.h"

enum {
    PX_CONTAINER_SYNC_BYTES = 16,
    PX_CONTAINER_BLOCK_HEADER_BYTES = 20,       /* at most */
    PX_CONTAINER_PADDED_SIZE_BYTES = 5,         /* of a padded block size */
    PX_CONTAINER_LARGEST_HEADER_BYTES = 1 << 20 /* of a file that is read */
};

/* Sizes of padded blocks are below this: 5 bytes of 7 bits, one of them the sign. */
#define PX_CONTAINER_PADDED_SIZE_LIMIT (UINT64_C(1) << 34)

struct px_container_entry {
    struct px_slice key;
    struct px_slice value;
};

/* Appends a file header: the schema, the codec null and entries of the caller's own, whose keys
 * must not begin with "avro.". */
void px_container_header_write(struct px_buffer *buffer, struct px_slice schema,
                               const struct px_container_entry *entries, size_t entry_count,
                               const uint8_t sync[PX_CONTAINER_SYNC_BYTES]);

struct px_container_header {
    struct px_slice schema;   /* JSON text; view into the file, as are the next */
    struct px_slice metadata; /* the map; see px_container_find() */
    const uint8_t *sync;
    size_t size_bytes; /* of the header; the first block begins there */
};

/* Reads the header at the beginning of `file`, which may be cut behind it. PROXIMADB_CORRUPT;
 * PROXIMADB_UNIMPLEMENTED for a codec other than null. */
PX_MUST_CHECK int px_container_header_read(struct px_slice file,
                                           struct px_container_header *ret_header,
                                           struct proximadb_error *reterr);

/* The value of a metadata key, a view into the file; false where there is none. */
bool px_container_find(const struct px_container_header *header, const char *key,
                       struct px_slice *ret_value);

/* Writes what stands in front of a block's objects; returns how many bytes that took. */
size_t px_container_block_write(uint8_t at[PX_CONTAINER_BLOCK_HEADER_BYTES], uint64_t object_count,
                                uint64_t size_bytes);

/* The same with the size in PX_CONTAINER_PADDED_SIZE_BYTES; size_bytes must be below
 * PX_CONTAINER_PADDED_SIZE_LIMIT. */
size_t px_container_block_write_padded(uint8_t at[PX_CONTAINER_BLOCK_HEADER_BYTES],
                                       uint64_t object_count, uint64_t size_bytes);

struct px_container_block {
    uint64_t object_count;
    struct px_slice objects;  /* view into the input */
    size_t header_size_bytes; /* in front of the objects */
    size_t size_bytes;        /* header, objects and sync marker: where the next block begins */
};

/* Reads the block at the beginning of `input`, which is what is left of the file.
 * PROXIMADB_CORRUPT: it is cut off, or does not end with `sync`. */
PX_MUST_CHECK int px_container_block_read(struct px_slice input,
                                          const uint8_t sync[PX_CONTAINER_SYNC_BYTES],
                                          struct px_container_block *ret_block,
                                          struct proximadb_error *reterr);

#endif /* PX_AVRO_CONTAINER_H */

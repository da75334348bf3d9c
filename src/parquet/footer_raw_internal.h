/*
 * footer_raw_internal: the footer as its bytes say it, before anything in it is believed.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_FOOTER_RAW_INTERNAL_H
#define PX_PARQUET_FOOTER_RAW_INTERNAL_H

#include "base/arena.h"
#include "parquet/parquet_layout.h"

struct px_schema_elements;

struct px_raw_chunk {
    struct px_parquet_chunk chunk; /* its codec, encoding and pages' numbers are not set */
    uint64_t dictionary_offset;    /* 0: there is none */
    int32_t type;
    int32_t codec;
    uint64_t encodings; /* a bit for each */
    bool has_meta_data;
    bool is_encrypted;
    bool is_elsewhere; /* in another file */
};

struct px_raw_group {
    uint64_t row_count;
    uint32_t chunk_count;
    struct px_raw_chunk *chunks;
};

/* Slices are views into the bytes; the rest lies in the arena. */
struct px_raw_footer {
    bool is_encrypted;
    struct px_schema_elements *elements;
    uint64_t row_count;
    uint32_t group_count;
    struct px_raw_group *groups;
    uint32_t key_value_count;
    struct px_parquet_key_value *key_values;
    struct px_slice created_by;
    struct px_slice extension;
    const uint8_t *extension_at; /* the head of its field; NULL: there is none */
};

/* Reads struct FileMetaData, which must be all of `bytes`. PROXIMADB_CORRUPT, PROXIMADB_NO_MEMORY
 * */
PX_MUST_CHECK int px_footer_raw__read(struct px_slice bytes, struct px_arena *arena,
                                      struct px_raw_footer *ret_footer,
                                      struct proximadb_error *reterr);

#endif /* PX_PARQUET_FOOTER_RAW_INTERNAL_H */

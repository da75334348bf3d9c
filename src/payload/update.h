/*
 * update: an UpdateBatch, changes to rows that exist, read in place and checked whole.
 *
 * It holds what payload/batch.h says of a VectorBatch. Metadata here is a set of changes, which
 * px_metadata_merge() applies: a key with null is to be removed. Whether the merged row keeps the
 * limits is known only when it is merged.
 *
 * Threads: any thread.
 */
#ifndef PX_PAYLOAD_UPDATE_H
#define PX_PAYLOAD_UPDATE_H

#include "payload/batch.h"

enum px_change {
    PX_CHANGE_KEEP,  /* the part stays as it is */
    PX_CHANGE_SET,   /* it is replaced */
    PX_CHANGE_CLEAR, /* it is removed */
};

struct px_update_row {
    struct px_slice id;
    uint64_t id_hash;   /* px_hash_memory() of the id */
    const void *vector; /* dim_count little-endian floats, any alignment; NULL: it stays */
    bool has_metadata;
    struct px_slice metadata; /* canonical, fitted to the collection's fields */
    enum px_change document_change;
    struct px_slice document; /* of PX_CHANGE_SET */
    enum px_change expires_change;
    int64_t expires_at_ms; /* of PX_CHANGE_SET; otherwise PX_NEVER */
    bool has_expected_version;
    int64_t expected_version; /* 1 or more */
};

struct px_update {
    uint8_t request_id[PX_REQUEST_ID_BYTES];
    uint32_t row_count; /* 1 or more */
    struct px_update_row *rows;
};

/* Decodes and checks the datum of an UpdateBatch. Parameters and outcomes are those of
 * px_batch_decode(). */
PX_MUST_CHECK int px_update_decode(struct px_slice datum, const struct px_collection *collection,
                                   struct px_arena *arena, struct px_update *ret_update,
                                   struct proximadb_error *reterr);

#endif /* PX_PAYLOAD_UPDATE_H */

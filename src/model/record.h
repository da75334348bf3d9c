/*
 * record: one row, as every part of the engine passes it on: a struct of views.
 *
 * Where a record comes from (a payload, a memtable, a Parquet part) says how long its views live.
 */
#ifndef PX_MODEL_RECORD_H
#define PX_MODEL_RECORD_H

#include "base/slice.h"

enum { PX_LONGEST_ID_BYTES = 512 };

/* expires_at_ms of a row that never expires. */
#define PX_NEVER INT64_MAX

struct px_record {
    struct px_slice id;
    int64_t version;    /* LSN of the write that made the row; 0 before it has one */
    const void *vector; /* dim_count little-endian floats, any alignment; NULL: not loaded */
    uint32_t dim_count;
    struct px_slice metadata; /* canonical (model/metadata.h) */
    bool has_document;
    struct px_slice document;
    int64_t timestamp_ms;
    int64_t expires_at_ms; /* or PX_NEVER */
};

#endif /* PX_MODEL_RECORD_H */

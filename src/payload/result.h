/*
 * result: the answers of the engine, written as payloads.
 *
 * A whole answer is one call, or begin, put and finish. Failures (no memory, or the ceiling that
 * keeps an answer within what a client may receive) mark the buffer, which whoever takes it
 * notices. Metadata is copied as it is: canonical metadata is what the schemas call a map.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PAYLOAD_RESULT_H
#define PX_PAYLOAD_RESULT_H

#include "base/buffer.h"
#include "model/collection.h"
#include "model/record.h"

void px_result_write_write(struct px_buffer *buffer, const struct proximadb_write_result *result);
void px_result_write_count(struct px_buffer *buffer, uint64_t count);
void px_result_write_compact(struct px_buffer *buffer,
                             const struct proximadb_compact_result *result);

/* ---- RecordBatch: begin, put each record, finish ------------------------------------------- */

struct px_record_writer {
    struct px_buffer *buffer;
    size_t count_offset; /* where the number of records is written when it is known */
    uint64_t count;
};

struct px_record_writer px_record_writer_begin(struct px_buffer *buffer);

/* The vector is left out where record->vector is NULL. */
void px_record_writer_put(struct px_record_writer *writer, const struct px_record *record);

/* cursor: how a scan goes on, valid UTF-8; NULL: there is no more. */
void px_record_writer_finish(struct px_record_writer *writer, const struct px_slice *cursor);

/* ---- SearchResult: begin, each query's hits in order, finish ------------------------------- */

struct px_result_hit {
    const struct px_record *record;
    double score;
    double distance;
};

/* What each hit has beside id, version, score and distance. */
struct px_hit_parts {
    bool vector;   /* if the record has it loaded */
    bool metadata; /* and the document */
};

void px_result_begin_search(struct px_buffer *buffer, size_t query_count);
/* One query: begin with the number of its hits, put as many, finish with the same number. */
void px_result_begin_hits(struct px_buffer *buffer, size_t hit_count);
void px_result_put_hit(struct px_buffer *buffer, const struct px_result_hit *hit,
                       struct px_hit_parts parts);
void px_result_finish_hits(struct px_buffer *buffer, size_t hit_count);
void px_result_finish_search(struct px_buffer *buffer, size_t query_count);

/* ---- CollectionInfo, CollectionList -------------------------------------------------------- */

/* Of its index, likewise. */
struct px_index_numbers {
    const char *state; /* NULL counts as "none" */
    uint64_t row_count;
    uint64_t lag;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t rows_done;
    uint64_t rebuild_count;
    const char *rebuild_reason; /* NULL counts as "" */
};

/* What changes of a collection while it is used; proximadb_collection_info says what each is. */
struct px_collection_numbers {
    uint64_t vector_count;
    uint64_t part_count;
    uint64_t disk_bytes;
    uint64_t memtable_bytes;
    uint64_t wal_bytes;
    int64_t last_version;
    uint64_t fresh_part_count;
    uint64_t dead_row_count;
    uint64_t bytes_accepted;
    uint64_t bytes_written;
    const char *compaction_state; /* NULL counts as "idle" */
    uint64_t compaction_rows_done;
    uint64_t compaction_row_count;
    const char *read_only_reason; /* NULL: it is not read-only */
    struct px_index_numbers index;
};

void px_result_write_collection(struct px_buffer *buffer, const struct px_collection *collection,
                                const struct px_collection_numbers *numbers);

/* A list: begin with the number of collections, put as many, by name, finish with it again. */
void px_result_begin_list(struct px_buffer *buffer, size_t collection_count);
void px_result_put_collection(struct px_buffer *buffer, const struct px_collection *collection,
                              const struct px_collection_numbers *numbers);
void px_result_finish_list(struct px_buffer *buffer, size_t collection_count);

#endif /* PX_PAYLOAD_RESULT_H */

/*
 * wal_describe: a log file as text, for people and scripts: what `proximadb inspect wal` prints.
 *
 * One JSON object a line, each with "kind", in this order:
 *
 *      KIND    MEMBERS BESIDE kind
 *      header  collection, collection_id, first_lsn, previous_file, previous_end
 *      entry   block_offset, lsn, row_count, time, operation, batch_bytes, schema_fingerprint,
 *              request_id; first_id: that of the batch's first row, where the batch has one
 *      end     end (clean, torn or damaged), log_end, file_bytes, entry_count, row_count, next_lsn;
 *              reason where the end is not clean
 *
 * Threads: any thread. Failures mark the buffer.
 */
#ifndef PX_WAL_WAL_DESCRIBE_H
#define PX_WAL_WAL_DESCRIBE_H

#include "wal/wal_reader.h"

struct px_wal_totals {
    uint64_t entry_count;
    uint64_t row_count;
};

void px_wal_describe_header(const struct px_wal_header *header, struct px_buffer *buffer);

/* The entry that the reader gave last; counts it. */
void px_wal_describe_entry(const struct px_wal_reader *reader, const struct px_wal_entry *entry,
                           struct px_wal_totals *totals, struct px_buffer *buffer);

/* Behind the last entry. */
void px_wal_describe_end(const struct px_wal_reader *reader, const struct px_wal_totals *totals,
                         struct px_buffer *buffer);

/* "clean", "torn" or "damaged". */
const char *px_wal_end_name(enum px_wal_end end);

#endif /* PX_WAL_WAL_DESCRIBE_H */

/*
 * row_reader: reads rows of a snapshot, wherever they lie, for one request.
 *
 * A row is named by the index of its source in the snapshot's view and its place there. Ids and
 * versions of parts are looked up where they stand; for anything else there are readers of parts,
 * which are made when they are first needed and keep the pages they decoded last. Who reads rows
 * here and there, and not one behind the other, may have them share their pages with other
 * requests.
 *
 * A damaged part makes functions that cannot return an error give nothing, and sticks: ask
 * px_row_reader_status() before an answer is given out.
 *
 * Threads: externally serialised.
 */
#ifndef PX_SERVICE_ROW_READER_H
#define PX_SERVICE_ROW_READER_H

#include "service/view.h"

struct px_row_reader {
    const struct px_snapshot *snapshot; /* kept */
    struct px_part_reader **parts;      /* owned; one for each source, NULL until needed */
    struct px_part_scratch blocks;      /* what px_row_reader_block() gave */
    struct px_part_scratch vector;      /* what px_row_reader_vector() gave */
    bool shares_pages;
    struct proximadb_error error;
};

/* PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_row_reader_init(struct px_row_reader *reader,
                                     const struct px_snapshot *snapshot,
                                     struct proximadb_error *reterr);
void px_row_reader_release(struct px_row_reader *reader); /* accepts a zeroed one */

/* From now on: see above. */
void px_row_reader_share_pages(struct px_row_reader *reader);

/* PROXIMADB_OK, or the first failure of any function here. */
PX_MUST_CHECK int px_row_reader_status(const struct px_row_reader *reader,
                                       struct proximadb_error *reterr);

/* Whether the snapshot sees the row: not killed at its LSN, not expired at its time. */
bool px_row_reader_is_visible(struct px_row_reader *reader, uint32_t source_index, uint32_t row);

/* A view into the source; empty on failure. */
struct px_slice px_row_reader_id(struct px_row_reader *reader, uint32_t source_index, uint32_t row);

/* 0 on failure. */
int64_t px_row_reader_version(struct px_row_reader *reader, uint32_t source_index, uint32_t row);

/* Valid until the next one is asked for, of any source; NULL on failure. */
const void *px_row_reader_vector(struct px_row_reader *reader, uint32_t source_index, uint32_t row);

/* A block of vectors that holds the row, which is one of the snapshot's; valid until the next block
 * is asked for, of any source. PROXIMADB_CORRUPT, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_row_reader_block(struct px_row_reader *reader, uint32_t source_index,
                                      uint32_t row, struct px_part_block *ret_block,
                                      struct proximadb_error *reterr);

/* Canonical; valid until the next call for this source; false on failure. */
bool px_row_reader_metadata(struct px_row_reader *reader, uint32_t source_index, uint32_t row,
                            struct px_slice *ret_metadata);

/* Document and metadata only, into a record (borrowed) whose other members stay as they are; valid
 * until the next call for this source. False on failure. */
bool px_row_reader_texts(struct px_row_reader *reader, uint32_t source_index, uint32_t row,
                         struct px_record *record);

/* The whole row, or all but its vector, which is NULL then; views likewise. False on failure. */
bool px_row_reader_record(struct px_row_reader *reader, uint32_t source_index, uint32_t row,
                          bool with_vector, struct px_record *ret_record);

#endif /* PX_SERVICE_ROW_READER_H */

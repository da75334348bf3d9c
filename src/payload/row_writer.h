/*
 * row_writer: public struct proximadb_row to the rows of a VectorBatch or an UpdateBatch.
 *
 * The bytes are those that fastavro writes for the same row, its fields in the same order.
 *
 * What can be checked without knowing the collection is checked here, so that a mistake is reported
 * where it is made; the engine checks everything again.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PAYLOAD_ROW_WRITER_H
#define PX_PAYLOAD_ROW_WRITER_H

#include "base/buffer.h"

/* Appends one row. PROXIMADB_INVALID, PROXIMADB_NO_MEMORY: the buffer is as it was, without a mark.
 * */
PX_MUST_CHECK int px_row_write_vector(struct px_buffer *buffer, const struct proximadb_row *row,
                                      struct proximadb_error *reterr);
PX_MUST_CHECK int px_row_write_update(struct px_buffer *buffer, const struct proximadb_row *row,
                                      struct proximadb_error *reterr);

/* Of what px_row_write_head() appends. */
enum { PX_ROW_LARGEST_HEAD_BYTES = 10 + 16 + 10 };

/* Appends what stands in front of the first of row_count rows: the payload's header, the request id
 * and the count. Behind the last row goes one zero byte. Failures mark the buffer. */
void px_row_write_head(struct px_buffer *buffer, bool update, const uint8_t request_id[16],
                       size_t row_count);

#endif /* PX_PAYLOAD_ROW_WRITER_H */

/*
 * footer_internal: what ends a Parquet file and says where everything else is.
 *
 *      struct FileMetaData (Thrift), its size as u32, "PAR1"
 *
 * Pages carry checksums, but in the format nothing guards the footer and the page indexes; a bit
 * that flips in a bound would silently hide rows. So the footer's last field is an extension
 * (parquet_format_internal.h), which other readers skip:
 *
 *      OFFSET  SIZE  MEANING
 *      0       16    "proximadb:crc32c"
 *      16      8     offset in the file from where on the checksum counts: the first page index
 *      24      4     CRC-32C of the bytes from there up to the head of this field
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_FOOTER_INTERNAL_H
#define PX_PARQUET_FOOTER_INTERNAL_H

#include "base/arena.h"
#include "base/buffer.h"
#include "parquet/parquet_layout.h"

/* What this library writes as created_by begins with it. */
#define PX_PARQUET_APPLICATION "proximadb version "

/* Appends the footer up to the end of the file. `buffer` holds the page indexes and nothing else,
 * and they begin at `tail_offset` of the file. Failures mark the buffer. */
void px_footer__encode(const struct px_parquet_layout *layout, uint64_t tail_offset,
                       struct px_buffer *buffer);

/*
 * Reads the footer of `file` into `arena`. Of the layout everything is filled in but the pages;
 * slices are views into the file. Ranges lie in the file, in front of the footer; sums of rows
 * agree; every chunk is of a kind that we read.
 *
 * PROXIMADB_CORRUPT        it is no Parquet file, or a damaged one
 * PROXIMADB_UNIMPLEMENTED  it is one, but of a kind that ProximaDB does not read; the message names
 *                          the column and what is unsupported
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_footer__parse(struct px_slice file, struct px_arena *arena,
                                   struct px_parquet_layout *ret_layout,
                                   struct proximadb_error *reterr);

/* Whether a file says that this library wrote it. */
bool px_footer__is_ours(struct px_slice created_by);

#endif /* PX_PARQUET_FOOTER_INTERNAL_H */

/*
 * part: an open Parquet part: its rows, read where they lie in the mapped file, and which of them
 * are dead.
 *
 * Vectors are read in place, or, where the storage profile has them in another form, decoded into
 * a scratch of the caller's; ids walk at most one page; texts are decompressed page by page through
 * a px_part_reader, which remembers the last page of each column, so that neighbouring rows cost
 * little. The file is checked at opening as far as its footer goes, and each page at its first
 * touch.
 *
 * A part never changes. When compaction has replaced it, it is marked as obsolete, and its file is
 * removed when it is closed, that is, when the last reader of it is done.
 *
 * Threads: any thread; a px_part_reader or px_part_scratch belongs to one at
 * a time.
 */
#ifndef PX_VIPER_PART_H
#define PX_VIPER_PART_H

#include "base/buffer.h"
#include "model/collection.h"
#include "model/record.h"
#include "os/fs.h"
#include "parquet/parquet_vectors.h"
#include "viper/dead_rows.h"
#include "viper/manifest.h"
#include "viper/removal_gate.h"

struct px_part;
struct px_parquet_reader;

/*
 * Opens the part that `file` (borrowed) describes, below store_folder (borrowed).
 *
 * ret_part: free with px_part_close(). PROXIMADB_CORRUPT, naming the file: it is missing, of
 * another size, of another collection, or damaged. PROXIMADB_UNIMPLEMENTED: of a newer format.
 * PROXIMADB_IO, PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_part_open(struct px_fs *fs, const char *store_folder,
                               const struct px_manifest_file *file,
                               const struct px_collection *collection, struct px_part **ret_part,
                               struct proximadb_error *reterr);

/* Unmaps the file, and removes it if the part is obsolete. Accepts NULL. */
void px_part_close(struct px_part *part);

/* Its file goes when the part is closed, through the gate, of which a reference is taken. Once. */
void px_part_set_obsolete(struct px_part *part, struct px_removal_gate *gate);

const struct px_manifest_file *px_part_file(const struct px_part *part);

/* The file itself, for looking at it: valid until the part is closed. */
struct px_parquet_reader *px_part_parquet(struct px_part *part);

uint32_t px_part_row_count(const struct px_part *part);

/* Size of all that has to be copied to keep its rows: everything, before compression, but for the
 * vectors of a plain part. */
uint64_t px_part_memory_bytes(const struct px_part *part);

/* Which rows are dead. The struct is the part's; writers of it are the shard's business. */
struct px_dead_rows *px_part_dead_rows(struct px_part *part);

/* Whether any row has an expiry. */
bool px_part_has_expiry(const struct px_part *part);

/* Whether its vectors lie in the file as they are in memory. They are read in place then, and what
 * is read is valid for as long as the part. */
bool px_part_is_plain(const struct px_part *part);

/* Where the vectors of parts that are not plain are decoded to. A zeroed one is empty; one serves
 * any number of parts, one at a time, and remembers the last page of a part that is compressed. */
struct px_part_scratch {
    const struct px_part *part; /* of the last read: kept while the scratch is used; NULL: none */
    struct px_parquet_vector_cursor cursor;
    float *vectors; /* owned */
    size_t capacity_floats;
};

void px_part_scratch_release(struct px_part_scratch *scratch);

/* Rows that lie side by side. */
struct px_part_block {
    const float *vectors;
    size_t stride_bytes;
    uint32_t first_row;
    uint32_t row_count;
};

/* A block that holds `row`: of a plain part a page, of any other some rows from there on, as many
 * as exact search takes at once. Unless the part is plain, valid until the scratch is used again.
 * PROXIMADB_CORRUPT, naming the file; PROXIMADB_NO_MEMORY. */
PX_MUST_CHECK int px_part_get_block(const struct px_part *part, struct px_part_scratch *scratch,
                                    uint32_t row, struct px_part_block *ret_block,
                                    struct proximadb_error *reterr);

/* One vector, likewise. */
PX_MUST_CHECK int px_part_get_vector(const struct px_part *part, struct px_part_scratch *scratch,
                                     uint32_t row, const float **ret_vector,
                                     struct proximadb_error *reterr);

/* Whether ids and versions can be had without a reader, as in every part that we write. */
bool px_part_can_look_up(const struct px_part *part);

/* Then: a row's id, a view into the file, for which part of a page is walked over, and its version.
 * For rows here and there; those side by side are read quicker with a reader. Any thread.
 * PROXIMADB_CORRUPT, naming the file. */
PX_MUST_CHECK int px_part_get_id(const struct px_part *part, uint32_t row, struct px_slice *ret_id,
                                 struct proximadb_error *reterr);
PX_MUST_CHECK int px_part_get_version(const struct px_part *part, uint32_t row,
                                      int64_t *ret_version, struct proximadb_error *reterr);

struct px_part_reader;

/* part is kept. ret_reader: free with px_part_reader_free(). PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_part_reader_new(const struct px_part *part, struct px_part_reader **ret_reader,
                                     struct proximadb_error *reterr);
void px_part_reader_free(struct px_part_reader *reader);

/* From now on the reader shares the pages that it decodes with others (parquet_cursor.h): for rows
 * here and there. */
void px_part_reader_share_pages(struct px_part_reader *reader);

/* What shared pages take, in the whole process. */
uint64_t px_part_shared_bytes(void);

/* Each reads one thing of a row. PROXIMADB_CORRUPT, naming the file; PROXIMADB_NO_MEMORY. */

/* A view into the file. */
PX_MUST_CHECK int px_part_read_id(struct px_part_reader *reader, uint32_t row,
                                  struct px_slice *ret_id, struct proximadb_error *reterr);
PX_MUST_CHECK int px_part_read_version(struct px_part_reader *reader, uint32_t row,
                                       int64_t *ret_version, struct proximadb_error *reterr);
/* PX_NEVER for a row without one. */
PX_MUST_CHECK int px_part_read_expiry(struct px_part_reader *reader, uint32_t row,
                                      int64_t *ret_expires_at_ms, struct proximadb_error *reterr);
/* Canonical; a view into the reader until the next read of metadata. */
PX_MUST_CHECK int px_part_read_metadata(struct px_part_reader *reader, uint32_t row,
                                        struct px_slice *ret_metadata,
                                        struct proximadb_error *reterr);

/* As px_part_get_vector(); a view until the next read of a vector. */
PX_MUST_CHECK int px_part_read_vector(struct px_part_reader *reader, uint32_t row,
                                      const float **ret_vector, struct proximadb_error *reterr);

/* Document and metadata only, into a record (borrowed) whose other members stay as they are; views
 * into the reader until the next read. */
PX_MUST_CHECK int px_part_read_texts(struct px_part_reader *reader, uint32_t row,
                                     struct px_record *record, struct proximadb_error *reterr);

/* The whole row, or without the vector (NULL), which may be dear: a page to decompress. Metadata,
 * document and vector are views into the reader until the next read. */
PX_MUST_CHECK int px_part_read_record(struct px_part_reader *reader, uint32_t row, bool with_vector,
                                      struct px_record *ret_record, struct proximadb_error *reterr);

#endif /* PX_VIPER_PART_H */

/*
 * export_writer: rows of a collection into one file: Parquet, JSON lines, or an npy file with the
 * ids beside it. What `import` reads back is the same collection, but for npy, which has ids and
 * vectors only.
 *
 *      Parquet   vector, id, timestamp, expires_at, document, the filterable fields under their
 *                names, and metadata: a JSON object of what has no column
 *      JSONL     {"id":"a","vector":[...],"metadata":{...},"document":"...","timestamp":1}
 *      npy       float32, (rows, dimensions); FILE.ids.jsonl: a JSON string a line
 *
 * Threads: one.
 */
#ifndef PX_CLI_EXPORT_WRITER_H
#define PX_CLI_EXPORT_WRITER_H

#include "base/buffer.h"

/* A key of a Parquet file's footer: the dimension, which a file without rows does not tell. */
#define PX_EXPORT_DIMENSION "proximadb.dimension"

struct px_export_writer {
    int (*write)(struct px_export_writer *writer, const struct proximadb_hit *row,
                 struct proximadb_error *reterr);
    /* Makes the file appear. */
    int (*finish)(struct px_export_writer *writer, struct proximadb_error *reterr);
    void (*free)(struct px_export_writer *writer); /* finished or not */
};

/* *ret_writer: returned, end it with its free(). The info's texts are kept. */
PX_MUST_CHECK int px_export_parquet(const char *path, const struct proximadb_collection_info *info,
                                    struct px_export_writer **ret_writer,
                                    struct proximadb_error *reterr);
PX_MUST_CHECK int px_export_jsonl(const char *path, struct px_export_writer **ret_writer,
                                  struct proximadb_error *reterr);
PX_MUST_CHECK int px_export_npy(const char *path, const struct proximadb_collection_info *info,
                                struct px_export_writer **ret_writer,
                                struct proximadb_error *reterr);

/* Appends the fields as a JSON object, but for those that `is_left_out` (of field_count; may be
 * NULL). */
void px_export_metadata(const struct proximadb_field *fields, size_t field_count,
                        const bool *is_left_out, struct px_buffer *text);

#endif /* PX_CLI_EXPORT_WRITER_H */

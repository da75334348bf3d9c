/*
 * sql: one SELECT for DuckDB that gives the live rows of a store: what `proximadb inspect
 * collection NAME --sql` prints.
 *
 * A row of a part is live unless a delete file names it (viper/delete_file.h) or it has expired:
 *
 *      SELECT part.id, ..., part.m_price, CAST(NULL AS VARCHAR) AS m_topic
 *      FROM read_parquet(['/data/store/docs/vectors/cluster_000/part_001.parquet', ...],
 *          union_by_name = true, filename = true, file_row_number = true, ...) AS part
 *      WHERE (part.expires_at IS NULL OR part.expires_at > now())
 *          AND NOT EXISTS (SELECT 1 FROM read_parquet([...deletes...]) AS dead
 *              WHERE part.filename = '/data/store/docs/' || dead.file_path
 *                  AND part.file_row_number = dead.pos);
 *
 * The columns are those of viper/part_columns.h, and one m_NAME for each field that any part or the
 * collection has. Where no part has it, it is NULL; a store without parts gives no rows, and the
 * same columns. Names of folders may hold anything: quotes are doubled, and characters that DuckDB
 * takes for patterns are put into brackets.
 *
 * Threads: any.
 */
#ifndef PX_VIPER_SQL_H
#define PX_VIPER_SQL_H

#include "model/collection.h"
#include "viper/manifest.h"

/* A column m_NAME. */
struct px_sql_field {
    char name[PX_FIELD_NAME_BYTES]; /* without m_ */
    enum proximadb_field_type type;
    bool is_in_parts;
};

/* The fields of a statement. Names are unique ignoring case, as they are in DuckDB. */
struct px_sql_fields {
    struct px_sql_field *items; /* owned */
    size_t count;
    size_t capacity;
};

/* Accepts a zeroed struct, and leaves one. */
void px_sql_fields_release(struct px_sql_fields *fields);

/* Adds a field of the collection or, with is_in_parts, of a part; one that is there is kept, and is
 * in the parts if either is. PROXIMADB_CORRUPT: a name that no field has; PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_sql_fields_add(struct px_sql_fields *fields, struct px_slice name,
                                    enum proximadb_field_type type, bool is_in_parts,
                                    struct proximadb_error *reterr);

/* Appends the statement, with a semicolon and a newline. store_folder is absolute. Failures mark
 * the buffer. */
void px_sql_live_rows(const char *store_folder, const struct px_manifest *manifest,
                      const struct px_sql_fields *fields, struct px_buffer *sql);

#endif /* PX_VIPER_SQL_H */

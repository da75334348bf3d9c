/*
 * import_source: rows out of a file, one after the other, whatever its format is.
 *
 *      FORMAT   ROWS                                         IDS
 *      Parquet  columns by name; those without a role are    the column `id`
 *               metadata
 *      JSONL    an object a line, likewise                   the member `id`
 *      npy      a vector a row                               FILE.ids.jsonl, a JSON string a line,
 *                                                            or row numbers
 *
 * A source checks what the engine cannot tell about: which column, which line, which shape. That a
 * vector is finite, an id short enough and so on is the engine's to check.
 *
 * Threads: one.
 */
#ifndef PX_CLI_IMPORT_SOURCE_H
#define PX_CLI_IMPORT_SOURCE_H

#include "base/arena.h"
#include "cli/flags.h"

enum { PX_IMPORT_MOST_FIELDS = 1024 };

/* What the columns or members are called; NULL: the default, which need not be there. */
struct px_import_names {
    const char *id;
    const char *vector;
    const char *document;
    const char *metadata;
    const char *timestamp;
    const char *expires_at;
    const struct px_texts *ignored;
    const char *ids_file; /* npy only */
    bool number_ids;      /* ids are row numbers, from 0 on */
};

/* What a column or member is for. */
enum px_import_role {
    PX_ROLE_ID,
    PX_ROLE_VECTOR,
    PX_ROLE_DOCUMENT,
    PX_ROLE_METADATA,
    PX_ROLE_TIMESTAMP,
    PX_ROLE_EXPIRES_AT,
    PX_ROLE_COUNT,
    PX_ROLE_FIELD = PX_ROLE_COUNT, /* metadata of its own name */
    PX_ROLE_NONE,                  /* ignored */
};

struct px_import_source {
    /* The next row, in views that are valid until the next call; false at the end, and on failure
     * with reterr->status set. */
    bool (*next)(struct px_import_source *source, struct proximadb_row *ret_row,
                 struct proximadb_error *reterr);
    void (*close)(struct px_import_source *source);
    /* The line that a row was read from, counted from 1; NULL where rows are no lines. */
    uint64_t (*line_of)(const struct px_import_source *source, uint64_t row);
    uint64_t row_count; /* 0: unknown */
    size_t dim_count;   /* that the file names; 0: only its rows do */
    uint64_t next_row;  /* 0-based */
};

/* By the file's name: .parquet, .jsonl (or .ndjson), .npy. *ret_source: returned, end it with its
 * close(). PROXIMADB_INVALID, PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED, PROXIMADB_IO, ... */
PX_MUST_CHECK int px_import_open(const char *path, const struct px_import_names *names,
                                 struct px_import_source **ret_source,
                                 struct proximadb_error *reterr);

/* Those of the three formats. `file` (kept) is unmapped by close(). */
PX_MUST_CHECK int px_import_parquet(struct px_slice file, const struct px_import_names *names,
                                    struct px_import_source **ret_source,
                                    struct proximadb_error *reterr);
PX_MUST_CHECK int px_import_jsonl(struct px_slice file, const struct px_import_names *names,
                                  struct px_import_source **ret_source,
                                  struct proximadb_error *reterr);
PX_MUST_CHECK int px_import_npy(const char *path, struct px_slice file,
                                const struct px_import_names *names,
                                struct px_import_source **ret_source,
                                struct proximadb_error *reterr);

/* ---- what sources share ---- */

/* The role of a column or member of that name. */
enum px_import_role px_import_role_of(const struct px_import_names *names, struct px_slice name);

/* The name for a role, and whether the user gave it. */
const char *px_import_name_of(const struct px_import_names *names, enum px_import_role role,
                              bool *ret_is_given);

/* A row's number as its id, in `text`. */
struct proximadb_text px_import_number(uint64_t row, char text[24]);

/* Adds the members of a JSON object, or one value of it under a name, to the row's fields, of which
 * there is room for PX_IMPORT_MOST_FIELDS. Views into the document, lists in the arena. Why not, or
 * NULL. */
struct yyjson_val;
const char *px_import_object(struct yyjson_val *object, struct px_arena *arena,
                             struct proximadb_row *row, struct proximadb_field *fields);
const char *px_import_value(struct px_slice name, struct yyjson_val *value, struct px_arena *arena,
                            struct proximadb_row *row, struct proximadb_field *fields);

/* Why a number that px_json_parse_limited() left as text is not stored. */
const char *px_import_big_number(struct yyjson_val *raw);

/* Milliseconds since 1970 of an integer. */
bool px_import_time(struct yyjson_val *value, int64_t *ret_ms);

#endif /* PX_CLI_IMPORT_SOURCE_H */

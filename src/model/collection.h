/*
 * collection: what a collection is: its name, dimension, metric and filterable fields, with the
 * rules for each, and the JSON that says so on disk.
 *
 * Threads: a description does not change once it is published; a changed one is a new object.
 */
#ifndef PX_MODEL_COLLECTION_H
#define PX_MODEL_COLLECTION_H

#include "base/buffer.h"
#include "base/uuid.h"
#include "model/value.h"

enum {
    PX_COLLECTION_NAME_BYTES = 129, /* with the NUL */
    PX_FIELD_NAME_BYTES = 65,       /* with the NUL */
    PX_MOST_FIELDS = 64,
    PX_MOST_DIMS = 65536,
    PX_COLLECTION_FORMAT_VERSION = 1,
    PX_ALL_MANTISSA_BITS = 23, /* of a float */
};

/* A metadata key with a column of its own. */
struct px_field {
    char name[PX_FIELD_NAME_BYTES];
    enum proximadb_field_type type;
    int32_t parquet_id; /* field_id of its column; never reused within the collection */
};

struct px_collection {
    char name[PX_COLLECTION_NAME_BYTES];
    struct px_uuid id;
    uint32_t dim_count;
    enum proximadb_metric metric;
    enum proximadb_index_type index_type;
    enum proximadb_index_memory index_memory;
    enum proximadb_storage storage;
    enum proximadb_layout layout; /* never DEFAULT */
    int64_t created_at_ms;
    uint64_t vector_count; /* as of the last checkpoint */
    int32_t next_parquet_id;
    uint32_t field_count;
    struct px_field fields[PX_MOST_FIELDS]; /* the first field_count, sorted by name */
};

/* field_id of the columns that every part has; filterable fields get theirs from PX_FIRST_FIELD_ID
 * on. */
enum {
    PX_COLUMN_ID = 1,
    PX_COLUMN_VERSION = 2,
    PX_COLUMN_VECTOR = 3,
    PX_COLUMN_VECTOR_ELEMENT = 4,
    PX_COLUMN_TIMESTAMP = 5,
    PX_COLUMN_EXPIRES_AT = 6,
    PX_COLUMN_DOCUMENT = 7,
    PX_COLUMN_METADATA = 8,
    PX_FIRST_FIELD_ID = 100,
    PX_END_OF_FIELD_IDS = 1 << 30, /* from there on: the elements of lists, in Parquet */
};

/* The rules of names. PROXIMADB_INVALID with the rule. */
PX_MUST_CHECK int px_collection_name_validate(struct px_slice name, struct proximadb_error *reterr);

/* Makes a description from what a client asks for: checks every rule, sorts the fields, gives the
 * collection a new uuid and the fields their ids. PROXIMADB_INVALID */
PX_MUST_CHECK int px_collection_init(struct px_collection *collection,
                                     const struct proximadb_collection_spec *spec,
                                     int64_t created_at_ms, struct proximadb_error *reterr);

/* Whether a spec asks for what the collection is (names and ids apart): for exist_ok. One that asks
 * for no layout takes either. */
bool px_collection_matches(const struct px_collection *collection,
                           const struct proximadb_collection_spec *spec);

/* Replaces the filterable fields: a name that stays keeps its id, and must keep its type. */
PX_MUST_CHECK int px_collection_set_fields(struct px_collection *collection,
                                           const struct proximadb_filterable *fields,
                                           size_t field_count, struct proximadb_error *reterr);

/* The field of that name, or NULL. Names of fields are compared exactly. */
const struct px_field *px_collection_find_field(const struct px_collection *collection,
                                                struct px_slice name);

/*
 * Fits a value to its field's column: a long for a double field becomes a double where that is
 * exact; null fits every field. PROXIMADB_INVALID, naming field, type and value's type, otherwise.
 */
PX_MUST_CHECK int px_field_fit(const struct px_field *field, struct px_value *value,
                               struct proximadb_error *reterr);

/*
 * Fits all of a row's canonical metadata. *ret_fitted is `metadata` itself where nothing changes;
 * otherwise it is appended to `buffer` and a view into it.
 */
PX_MUST_CHECK int px_collection_fit(const struct px_collection *collection,
                                    struct px_slice metadata, struct px_buffer *buffer,
                                    struct px_slice *ret_fitted, struct proximadb_error *reterr);

/* The words of the enums: "cosine", "HNSW", "exact", "string_array"... Parsing ignores case;
 * false, and *ret untouched, for an unknown word. */
const char *px_metric_name(enum proximadb_metric metric);
const char *px_index_type_name(enum proximadb_index_type type);
const char *px_index_memory_name(enum proximadb_index_memory memory);
const char *px_storage_name(enum proximadb_storage storage);
const char *px_layout_name(enum proximadb_layout layout); /* DEFAULT is named as COMPRESSED */
const char *px_field_type_name(enum proximadb_field_type type);
bool px_metric_parse(struct px_slice word, int *ret_metric);
bool px_index_type_parse(struct px_slice word, int *ret_type);
bool px_index_memory_parse(struct px_slice word, int *ret_memory);
bool px_storage_parse(struct px_slice word, int *ret_storage);
bool px_layout_parse(struct px_slice word, int *ret_layout);
bool px_field_type_parse(struct px_slice word, int *ret_type);

/* Bits of mantissa that a profile keeps of each component: simd/rounding.h; PX_ALL_MANTISSA_BITS
 * where it does not round. And the largest relative error that comes of it. */
uint32_t px_storage_mantissa_bits(enum proximadb_storage storage);
double px_storage_relative_error(enum proximadb_storage storage);

/* The file metadata/collections/{name}.json (docs/format/collection.md): to JSON, and back with
 * every rule checked. Keys that this version does not know are ignored. PROXIMADB_CORRUPT with
 * what is wrong; PROXIMADB_INVALID for a newer format. */
void px_collection_to_json(const struct px_collection *collection, struct px_buffer *buffer);
PX_MUST_CHECK int px_collection_from_json(struct px_slice json, struct px_collection *collection,
                                          struct proximadb_error *reterr);

#endif /* PX_MODEL_COLLECTION_H */

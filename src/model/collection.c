#include "model/collection.h"

#include "codec/utf8.h"
#include "model/collection_internal.h"
#include "model/metadata.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- words of the enums ---- */

struct word {
    const char *text;
    int value;
};

static const struct word metric_words[] = {
    {"cosine", PROXIMADB_COSINE}, {"l2", PROXIMADB_L2}, {"dot", PROXIMADB_DOT}, {NULL, 0}};
static const struct word index_type_words[] = {
    {"HNSW", PROXIMADB_HNSW}, {"IVF", PROXIMADB_IVF}, {"FLAT", PROXIMADB_FLAT}, {NULL, 0}};
static const struct word index_memory_words[] = {
    {"lean", PROXIMADB_INDEX_LEAN}, {"fast", PROXIMADB_INDEX_FAST}, {NULL, 0}};
static const struct word storage_words[] = {{"balanced", PROXIMADB_BALANCED},
                                            {"exact", PROXIMADB_EXACT},
                                            {"compact", PROXIMADB_COMPACT_STORAGE},
                                            {NULL, 0}};
static const struct word layout_words[] = {
    {"compressed", PROXIMADB_LAYOUT_COMPRESSED}, {"plain", PROXIMADB_LAYOUT_PLAIN}, {NULL, 0}};
static const struct word field_type_words[] = {{"string", PROXIMADB_FIELD_STRING},
                                               {"long", PROXIMADB_FIELD_LONG},
                                               {"double", PROXIMADB_FIELD_DOUBLE},
                                               {"boolean", PROXIMADB_FIELD_BOOLEAN},
                                               {"string_array", PROXIMADB_FIELD_STRING_ARRAY},
                                               {NULL, 0}};

/* ASCII only, whatever the locale. */
static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

static bool equal_ignoring_case(struct px_slice a, struct px_slice b)
{
    if (a.size_bytes != b.size_bytes)
        return false;
    for (size_t i = 0; i < a.size_bytes; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

/* NULL for a number that is none of the enum's. */
static const char *word_of(const struct word *words, int value)
{
    for (; words->text != NULL; words++)
        if (words->value == value)
            return words->text;
    return NULL;
}

static bool parse_word(const struct word *words, struct px_slice text, int *ret_value)
{
    for (; words->text != NULL; words++) {
        if (equal_ignoring_case(text, px_slice_of_string(words->text))) {
            *ret_value = words->value;
            return true;
        }
    }
    return false;
}

static const char *known_word_of(const struct word *words, int value)
{
    const char *text = word_of(words, value);
    assert(text != NULL);
    return text;
}

const char *px_metric_name(enum proximadb_metric metric)
{
    return known_word_of(metric_words, (int)metric);
}

const char *px_index_type_name(enum proximadb_index_type type)
{
    return known_word_of(index_type_words, (int)type);
}

const char *px_index_memory_name(enum proximadb_index_memory memory)
{
    return known_word_of(index_memory_words, (int)memory);
}

const char *px_storage_name(enum proximadb_storage storage)
{
    return known_word_of(storage_words, (int)storage);
}

const char *px_layout_name(enum proximadb_layout layout)
{
    return layout == PROXIMADB_LAYOUT_DEFAULT ? px_layout_name(PROXIMADB_LAYOUT_COMPRESSED)
                                              : known_word_of(layout_words, (int)layout);
}

const char *px_field_type_name(enum proximadb_field_type type)
{
    return known_word_of(field_type_words, (int)type);
}

bool px_metric_parse(struct px_slice word, int *ret_metric)
{
    return parse_word(metric_words, word, ret_metric);
}

bool px_index_type_parse(struct px_slice word, int *ret_type)
{
    return parse_word(index_type_words, word, ret_type);
}

bool px_index_memory_parse(struct px_slice word, int *ret_memory)
{
    return parse_word(index_memory_words, word, ret_memory);
}

bool px_storage_parse(struct px_slice word, int *ret_storage)
{
    return parse_word(storage_words, word, ret_storage);
}

bool px_layout_parse(struct px_slice word, int *ret_layout)
{
    return parse_word(layout_words, word, ret_layout);
}

bool px_field_type_parse(struct px_slice word, int *ret_type)
{
    return parse_word(field_type_words, word, ret_type);
}

/* ---- rules ---- */

static bool is_letter(uint8_t byte)
{
    return lower(byte) >= 'a' && lower(byte) <= 'z';
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* The beginning of a name that broke a rule, as far as it may be shown. */
static const char *shown(struct px_slice name, char text[48])
{
    size_t size = px_utf8_validate(name) ? px_utf8_cut(name, 40) : 0;
    if (size > 0)
        memcpy(text, name.data, size);
    memcpy(text + size, size < name.size_bytes ? "..." : "", size < name.size_bytes ? 4 : 1);
    return text;
}

int px_collection_name_validate(struct px_slice name, struct proximadb_error *reterr)
{
    bool valid = name.size_bytes > 0 && name.size_bytes < PX_COLLECTION_NAME_BYTES &&
                 (is_letter(name.data[0]) || is_digit(name.data[0]));
    for (size_t i = 1; valid && i < name.size_bytes; i++) {
        uint8_t byte = name.data[i];
        valid = is_letter(byte) || is_digit(byte) || byte == '_' || byte == '-';
    }
    if (valid)
        return PROXIMADB_OK;
    char text[48];
    return px_fail(reterr, PROXIMADB_INVALID,
                   "'%s' is no name for a collection: it must have 1 to 128 letters, digits, '_' "
                   "or '-', all ASCII, and begin with a letter or a digit",
                   shown(name, text));
}

static int validate_field_name(struct px_slice name, struct proximadb_error *reterr)
{
    bool valid =
        name.size_bytes > 0 && name.size_bytes < PX_FIELD_NAME_BYTES && !is_digit(name.data[0]);
    for (size_t i = 0; valid && i < name.size_bytes; i++)
        valid = is_letter(name.data[i]) || is_digit(name.data[i]) || name.data[i] == '_';
    if (valid)
        return PROXIMADB_OK;
    char text[48];
    return px_fail(reterr, PROXIMADB_INVALID,
                   "'%s' is no name for a filterable field: it must have 1 to 64 letters, digits "
                   "or '_', all ASCII, and not begin with a digit",
                   shown(name, text));
}

int px_collection__validate_dim_count(uint64_t dim_count, struct proximadb_error *reterr)
{
    if (dim_count >= 1 && dim_count <= PX_MOST_DIMS)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_INVALID, "a collection has 1 to %d dimensions, not %" PRIu64,
                   PX_MOST_DIMS, dim_count);
}

int px_collection__validate_storage(int storage, int layout, struct proximadb_error *reterr)
{
    const char *word = word_of(storage_words, storage);
    if (word == NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no storage profile number %d", storage);
    if (layout != PROXIMADB_LAYOUT_DEFAULT && word_of(layout_words, layout) == NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no layout number %d", layout);
    if (layout == PROXIMADB_LAYOUT_PLAIN && storage != PROXIMADB_EXACT)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the layout \"plain\" goes with the storage profile \"exact\" only; with "
                       "\"%s\" leave the layout out",
                       word);
    return PROXIMADB_OK;
}

uint32_t px_storage_mantissa_bits(enum proximadb_storage storage)
{
    switch (storage) {
    case PROXIMADB_BALANCED:
        return 7;
    case PROXIMADB_COMPACT_STORAGE:
        return 4;
    case PROXIMADB_EXACT:
        break;
    }
    return PX_ALL_MANTISSA_BITS;
}

double px_storage_relative_error(enum proximadb_storage storage)
{
    uint32_t bits = px_storage_mantissa_bits(storage);
    return bits == PX_ALL_MANTISSA_BITS ? 0.0 : 0.5 / (double)(1u << bits);
}

/* ---- fields ---- */

static int compare_fields(const void *a, const void *b)
{
    return strcmp(((const struct px_field *)a)->name, ((const struct px_field *)b)->name);
}

static int check_distinct(const struct px_field *fields, size_t field_count,
                          struct proximadb_error *reterr)
{
    for (size_t i = 0; i < field_count; i++)
        for (size_t j = 0; j < i; j++)
            if (equal_ignoring_case(px_slice_of_string(fields[i].name),
                                    px_slice_of_string(fields[j].name)))
                return px_fail(reterr, PROXIMADB_INVALID,
                               "the filterable fields '%s' and '%s' have the same name (case is "
                               "ignored, as SQL does)",
                               fields[j].name, fields[i].name);
    return PROXIMADB_OK;
}

int px_collection__put_fields(struct px_collection *collection, const struct px_field *fields,
                              size_t field_count, struct proximadb_error *reterr)
{
    int rc = check_distinct(fields, field_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (field_count > 0)
        memcpy(collection->fields, fields, field_count * sizeof *fields);
    memset(collection->fields + field_count, 0,
           (PX_MOST_FIELDS - field_count) * sizeof *collection->fields);
    collection->field_count = (uint32_t)field_count;
    qsort(collection->fields, field_count, sizeof *fields, compare_fields);
    return PROXIMADB_OK;
}

int px_collection__field_init(struct px_field *field, struct px_slice name, int type,
                              struct proximadb_error *reterr)
{
    int rc = validate_field_name(name, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (word_of(field_type_words, type) == NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "the filterable field '%.*s' has no known type",
                       (int)name.size_bytes, (const char *)name.data);
    *field = (struct px_field){.type = (enum proximadb_field_type)type};
    memcpy(field->name, name.data, name.size_bytes);
    return PROXIMADB_OK;
}

/* Gives a wanted field its id: that of the present field of the name, or the next one. */
static int assign_id(const struct px_collection *collection, struct px_field *field,
                     int32_t *next_id, struct proximadb_error *reterr)
{
    const struct px_field *present =
        px_collection_find_field(collection, px_slice_of_string(field->name));
    if (present == NULL) {
        if (*next_id == PX_END_OF_FIELD_IDS)
            return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                           "the collection has used up its column ids; make a new collection");
        field->parquet_id = (*next_id)++;
        return PROXIMADB_OK;
    }
    if (present->type != field->type)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the filterable field '%s' is %s and cannot become %s; choose another name",
                       field->name, px_field_type_name(present->type),
                       px_field_type_name(field->type));
    field->parquet_id = present->parquet_id;
    return PROXIMADB_OK;
}

int px_collection_set_fields(struct px_collection *collection,
                             const struct proximadb_filterable *fields, size_t field_count,
                             struct proximadb_error *reterr)
{
    assert(fields != NULL || field_count == 0);
    struct px_field wanted[PX_MOST_FIELDS];
    int32_t next_id = collection->next_parquet_id;
    if (field_count > PX_MOST_FIELDS)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "a collection has at most %d filterable fields, not %zu", PX_MOST_FIELDS,
                       field_count);
    for (size_t i = 0; i < field_count; i++) {
        const char *name = fields[i].name != NULL ? fields[i].name : "";
        int rc =
            px_collection__field_init(&wanted[i], px_slice_of_string(name), fields[i].type, reterr);
        if (rc == PROXIMADB_OK)
            rc = assign_id(collection, &wanted[i], &next_id, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    int rc = px_collection__put_fields(collection, wanted, field_count, reterr);
    if (rc == PROXIMADB_OK)
        collection->next_parquet_id = next_id;
    return rc;
}

const struct px_field *px_collection_find_field(const struct px_collection *collection,
                                                struct px_slice name)
{
    size_t low = 0, high = collection->field_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct px_field *field = &collection->fields[middle];
        int order = px_slice_compare(name, px_slice_of_string(field->name));
        if (order == 0)
            return field;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- making and comparing ---- */

int px_collection_init(struct px_collection *collection,
                       const struct proximadb_collection_spec *spec, int64_t created_at_ms,
                       struct proximadb_error *reterr)
{
    struct px_slice name = px_slice_of_string(spec->name != NULL ? spec->name : "");
    int rc = px_collection_name_validate(name, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_collection__validate_dim_count(spec->dim_count, reterr);
    if (rc == PROXIMADB_OK && word_of(metric_words, spec->metric) == NULL)
        rc = px_fail(reterr, PROXIMADB_INVALID, "there is no metric number %d", spec->metric);
    if (rc == PROXIMADB_OK && word_of(index_type_words, spec->index_type) == NULL)
        rc = px_fail(reterr, PROXIMADB_INVALID, "there is no index type number %d",
                     spec->index_type);
    if (rc == PROXIMADB_OK && word_of(index_memory_words, spec->index_memory) == NULL)
        rc = px_fail(reterr, PROXIMADB_INVALID, "there is no memory profile number %d of an index",
                     spec->index_memory);
    if (rc == PROXIMADB_OK)
        rc = px_collection__validate_storage(spec->storage, spec->layout, reterr);
    if (rc != PROXIMADB_OK)
        return rc;

    struct px_collection made = {
        .id = px_uuid_new(),
        .dim_count = spec->dim_count,
        .metric = (enum proximadb_metric)spec->metric,
        .index_type = (enum proximadb_index_type)spec->index_type,
        .index_memory = (enum proximadb_index_memory)spec->index_memory,
        .storage = (enum proximadb_storage)spec->storage,
        .layout = spec->layout == PROXIMADB_LAYOUT_PLAIN ? PROXIMADB_LAYOUT_PLAIN
                                                         : PROXIMADB_LAYOUT_COMPRESSED,
        .created_at_ms = created_at_ms,
        .next_parquet_id = PX_FIRST_FIELD_ID,
    };
    memcpy(made.name, name.data, name.size_bytes);
    rc = px_collection_set_fields(&made, spec->filterable, spec->filterable_count, reterr);
    if (rc == PROXIMADB_OK)
        *collection = made;
    return rc;
}

bool px_collection_matches(const struct px_collection *collection,
                           const struct proximadb_collection_spec *spec)
{
    if (collection->dim_count != spec->dim_count || (int)collection->metric != spec->metric ||
        (int)collection->index_type != spec->index_type ||
        (int)collection->storage != spec->storage ||
        (spec->layout != PROXIMADB_LAYOUT_DEFAULT && (int)collection->layout != spec->layout) ||
        collection->field_count != spec->filterable_count)
        return false;
    bool seen[PX_MOST_FIELDS] = {false}; /* so that a name given twice does not stand for two */
    for (size_t i = 0; i < spec->filterable_count; i++) {
        const struct proximadb_filterable *wanted = &spec->filterable[i];
        struct px_slice name = px_slice_of_string(wanted->name != NULL ? wanted->name : "");
        const struct px_field *field = px_collection_find_field(collection, name);
        if (field == NULL || (int)field->type != wanted->type || seen[field - collection->fields])
            return false;
        seen[field - collection->fields] = true;
    }
    return true;
}

/* ---- fitting values to columns ---- */

/* Whether the value was changed, too. */
static int fit(const struct px_field *field, struct px_value *value, bool *ret_changed,
               struct proximadb_error *reterr)
{
    static const enum proximadb_value_kind kinds[] = {
        [PROXIMADB_FIELD_STRING] = PROXIMADB_VALUE_STRING,
        [PROXIMADB_FIELD_LONG] = PROXIMADB_VALUE_LONG,
        [PROXIMADB_FIELD_DOUBLE] = PROXIMADB_VALUE_DOUBLE,
        [PROXIMADB_FIELD_BOOLEAN] = PROXIMADB_VALUE_BOOLEAN,
        [PROXIMADB_FIELD_STRING_ARRAY] = PROXIMADB_VALUE_STRING_ARRAY,
    };
    if (value->kind == kinds[field->type] || value->kind == PROXIMADB_VALUE_NULL)
        return PROXIMADB_OK;
    if (field->type != PROXIMADB_FIELD_DOUBLE || value->kind != PROXIMADB_VALUE_LONG)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the filterable field '%s' is %s, but its value is %s", field->name,
                       px_field_type_name(field->type), px_value_kind_name(value->kind));
    double number = (double)value->as.integer;
    if (px_compare_long_double(value->as.integer, number) != 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the filterable field '%s' is double, which cannot hold the long %" PRId64
                       " exactly; give it as a double",
                       field->name, value->as.integer);
    *value = (struct px_value){.kind = PROXIMADB_VALUE_DOUBLE, .as.number = number};
    *ret_changed = true;
    return PROXIMADB_OK;
}

int px_field_fit(const struct px_field *field, struct px_value *value,
                 struct proximadb_error *reterr)
{
    bool changed;
    return fit(field, value, &changed, reterr);
}

/* Appends metadata whose values are known to fit. */
static int append_fitted(const struct px_collection *collection, struct px_slice metadata,
                         struct px_buffer *buffer, struct px_slice *ret_fitted,
                         struct proximadb_error *reterr)
{
    size_t begin = buffer->size_bytes;
    struct px_metadata_walk walk = px_metadata_first(metadata);
    size_t entry_count = (size_t)walk.left;
    struct px_slice key;
    struct px_value value;
    px_metadata_begin(buffer, entry_count);
    while (px_metadata_next(&walk, &key, &value)) {
        const struct px_field *field = px_collection_find_field(collection, key);
        bool fits = field == NULL || px_field_fit(field, &value, NULL) == PROXIMADB_OK;
        assert(fits); /* as the caller saw */
        px_metadata_put(buffer, key, &value);
    }
    px_metadata_finish(buffer, entry_count);
    int rc = px_buffer_status(buffer, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_slice fitted = px_slice_of(buffer->data + begin, buffer->size_bytes - begin);
    if (fitted.size_bytes > PX_METADATA_LARGEST_BYTES) {
        buffer->size_bytes = begin;
        return px_fail(reterr, PROXIMADB_INVALID,
                       "a row's metadata has at most %d bytes; with longs turned into doubles for "
                       "filterable fields this one has %zu",
                       PX_METADATA_LARGEST_BYTES, fitted.size_bytes);
    }
    *ret_fitted = fitted;
    return PROXIMADB_OK;
}

int px_collection_fit(const struct px_collection *collection, struct px_slice metadata,
                      struct px_buffer *buffer, struct px_slice *ret_fitted,
                      struct proximadb_error *reterr)
{
    bool changed = false;
    struct px_slice key;
    struct px_value value;
    struct px_metadata_walk walk = px_metadata_first(metadata);
    while (collection->field_count > 0 && px_metadata_next(&walk, &key, &value)) {
        const struct px_field *field = px_collection_find_field(collection, key);
        int rc = field != NULL ? fit(field, &value, &changed, reterr) : PROXIMADB_OK;
        if (rc != PROXIMADB_OK)
            return rc;
    }
    if (changed)
        return append_fitted(collection, metadata, buffer, ret_fitted, reterr);
    *ret_fitted = metadata;
    return PROXIMADB_OK;
}

#include "payload/collection_request.h"

#include "codec/utf8.h"
#include "model/collection.h"
#include "payload/decoder_internal.h"

enum { SHOWN_BYTES = 64 };

/* A word of one of the enums, as a message shows it: cut, and only if it is text. */
#define SHOWN(word) (int)px_utf8_cut(word, SHOWN_BYTES), (const char *)(word).data

static int copy_string(struct px_decoder *decoder, struct px_slice string, const char *field,
                       const char **ret_copy)
{
    if (!px_utf8_validate(string) ||
        (string.size_bytes > 0 && memchr(string.data, '\0', string.size_bytes) != NULL))
        return px_fail(decoder->reterr, PROXIMADB_INVALID,
                       "%s is not valid UTF-8, or has a NUL byte in it", field);
    *ret_copy = px_arena_copy(decoder->arena, string.data, string.size_bytes);
    return *ret_copy != NULL ? PROXIMADB_OK : px_fail_no_memory(decoder->reterr);
}

/* A string that stands for an enum: the words, its parser, and what an empty one means. */
struct word {
    const char *field;
    const char *known;
    bool (*parse)(struct px_slice word, int *ret_value);
    int default_value; /* -1: there is none */
};

static const struct word metric_word = {"metric", "cosine, l2 and dot", px_metric_parse,
                                        PROXIMADB_COSINE};
static const struct word index_type_word = {"index_type", "HNSW, IVF and FLAT", px_index_type_parse,
                                            PROXIMADB_HNSW};
static const struct word index_memory_word = {"index_memory", "lean and fast",
                                              px_index_memory_parse, PROXIMADB_INDEX_LEAN};
static const struct word storage_word = {"storage", "exact, balanced and compact", px_storage_parse,
                                         PROXIMADB_BALANCED};
static const struct word layout_word = {"layout", "compressed and plain", px_layout_parse,
                                        PROXIMADB_LAYOUT_DEFAULT};
static const struct word field_type_word = {"the type of a filterable field",
                                            "string, long, double, boolean and string_array",
                                            px_field_type_parse, -1};

static int parse_word(struct px_decoder *decoder, const struct word *word, struct px_slice text,
                      int *ret_value)
{
    if (text.size_bytes == 0 && word->default_value >= 0) {
        *ret_value = word->default_value;
        return PROXIMADB_OK;
    }
    if (word->parse(text, ret_value))
        return PROXIMADB_OK;
    if (!px_utf8_validate(text))
        text = px_slice_of_string("not valid UTF-8");
    return px_fail(decoder->reterr, PROXIMADB_INVALID, "%s is '%.*s'; there are %s", word->field,
                   SHOWN(text), word->known);
}

static int read_word(struct px_decoder *decoder, const struct word *word, int *ret_value)
{
    struct px_slice text = px_cursor_string(&decoder->cursor);
    int rc = px_decoder__check(decoder);
    return rc != PROXIMADB_OK ? rc : parse_word(decoder, word, text, ret_value);
}

static int read_field(struct px_decoder *decoder, struct proximadb_filterable *field)
{
    struct px_slice name = px_cursor_string(&decoder->cursor);
    struct px_slice type = px_cursor_string(&decoder->cursor);
    int rc = px_decoder__check(decoder);
    if (rc == PROXIMADB_OK)
        rc = copy_string(decoder, name, "the name of a filterable field", &field->name);
    if (rc == PROXIMADB_OK)
        rc = parse_word(decoder, &field_type_word, type, &field->type);
    return rc;
}

/* The map `filterable`. */
static int read_fields(struct px_decoder *decoder, struct px_collection_change *ret_fields)
{
    struct proximadb_filterable *fields =
        px_arena_calloc(decoder->arena, PX_MOST_FIELDS, sizeof *fields);
    struct px_cursor_items items = {0};
    size_t count = 0;
    if (fields == NULL)
        return px_fail_no_memory(decoder->reterr);
    while (px_cursor_next_item(&decoder->cursor, &items)) {
        if (count == PX_MOST_FIELDS)
            return px_fail(decoder->reterr, PROXIMADB_INVALID,
                           "there are more than %d filterable fields", PX_MOST_FIELDS);
        int rc = read_field(decoder, &fields[count++]);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    *ret_fields = (struct px_collection_change){.filterable = fields, .filterable_count = count};
    return px_decoder__check(decoder);
}

static int read_name_and_dimension(struct px_decoder *decoder,
                                   struct proximadb_collection_spec *spec)
{
    struct px_slice name = px_cursor_string(&decoder->cursor);
    int32_t dimension = px_cursor_int(&decoder->cursor);
    int rc = px_decoder__check(decoder);
    if (rc != PROXIMADB_OK)
        return rc;
    if (dimension < 1 || dimension > PX_MOST_DIMS)
        return px_fail(decoder->reterr, PROXIMADB_INVALID, "dimension is %d; it may be 1 to %d",
                       dimension, PX_MOST_DIMS);
    spec->dim_count = (uint32_t)dimension;
    return copy_string(decoder, name, "the name of the collection", &spec->name);
}

static int read_spec(struct px_decoder *decoder, struct proximadb_collection_spec *spec)
{
    struct px_collection_change fields = {0};
    int rc = read_name_and_dimension(decoder, spec);
    if (rc == PROXIMADB_OK)
        rc = read_word(decoder, &metric_word, &spec->metric);
    if (rc == PROXIMADB_OK)
        rc = read_word(decoder, &index_type_word, &spec->index_type);
    if (rc == PROXIMADB_OK)
        rc = read_word(decoder, &storage_word, &spec->storage);
    if (rc == PROXIMADB_OK)
        rc = read_fields(decoder, &fields);
    spec->filterable = fields.filterable;
    spec->filterable_count = fields.filterable_count;
    spec->exist_ok = px_cursor_boolean(&decoder->cursor);
    if (rc == PROXIMADB_OK)
        rc = read_word(decoder, &layout_word, &spec->layout);
    if (rc == PROXIMADB_OK)
        rc = read_word(decoder, &index_memory_word, &spec->index_memory);
    return rc != PROXIMADB_OK ? rc : px_decoder__finish(decoder);
}

int px_collection_spec_decode(struct px_slice datum, struct px_arena *arena,
                              struct proximadb_collection_spec *ret_spec,
                              struct proximadb_error *reterr)
{
    struct px_decoder decoder = px_decoder__of(datum, "CollectionSpec", NULL, arena, reterr);
    struct proximadb_collection_spec spec = {.struct_size = sizeof spec};
    int rc = read_spec(&decoder, &spec);
    px_decoder__release(&decoder);
    if (rc == PROXIMADB_OK)
        *ret_spec = spec;
    return rc;
}

int px_collection_change_decode(struct px_slice datum, struct px_arena *arena,
                                struct px_collection_change *ret_change,
                                struct proximadb_error *reterr)
{
    struct px_decoder decoder = px_decoder__of(datum, "CollectionChange", NULL, arena, reterr);
    struct px_collection_change change;
    int rc = read_fields(&decoder, &change);
    if (rc == PROXIMADB_OK)
        rc = px_decoder__finish(&decoder);
    px_decoder__release(&decoder);
    if (rc == PROXIMADB_OK)
        *ret_change = change;
    return rc;
}

int px_rebuild_index_request_decode(struct px_slice datum, int *ret_index_memory,
                                    struct proximadb_error *reterr)
{
    struct px_decoder decoder = px_decoder__of(datum, "RebuildIndexRequest", NULL, NULL, reterr);
    bool present = px_cursor_branch(&decoder.cursor, 2) == 1;
    int index_memory = -1;
    int rc = present ? read_word(&decoder, &index_memory_word, &index_memory)
                     : px_decoder__check(&decoder);
    if (rc == PROXIMADB_OK)
        rc = px_decoder__finish(&decoder);
    px_decoder__release(&decoder);
    if (rc == PROXIMADB_OK)
        *ret_index_memory = index_memory;
    return rc;
}

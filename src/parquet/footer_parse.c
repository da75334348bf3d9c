#include "parquet/footer_internal.h"

#include "base/bits.h"
#include "base/crc32c.h"
#include "codec/utf8.h"
#include "parquet/bounds_internal.h"
#include "parquet/footer_fields_internal.h"
#include "parquet/footer_raw_internal.h"
#include "parquet/parquet_format_internal.h"
#include "parquet/schema_element_internal.h"

/* Finds the footer's bytes; *ret_footer is a view into the file. */
static int find_footer(struct px_slice file, struct px_slice *ret_footer,
                       struct proximadb_error *reterr)
{
    size_t least = PX_PARQUET_MAGIC_BYTES + PX_PARQUET_TRAILER_BYTES;
    if (file.size_bytes < least || memcmp(file.data, PX_PARQUET_MAGIC, PX_PARQUET_MAGIC_BYTES) != 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it is not a Parquet file");
    const uint8_t *trailer = file.data + file.size_bytes - PX_PARQUET_TRAILER_BYTES;
    size_t size = px_load_u32(trailer);
    if (memcmp(trailer + 4, PX_PARQUET_MAGIC, PX_PARQUET_MAGIC_BYTES) != 0)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the Parquet file is cut off: it does not end as it should");
    if (size > file.size_bytes - least)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the footer is damaged: its length, %zu, is more than the file holds", size);
    *ret_footer = px_slice_of(trailer - size, size);
    return PROXIMADB_OK;
}

bool px_footer__is_ours(struct px_slice created_by)
{
    struct px_slice application = px_slice_of_string(PX_PARQUET_APPLICATION);
    return created_by.size_bytes >= application.size_bytes &&
           memcmp(created_by.data, application.data, application.size_bytes) == 0;
}

/* A footer of ours must have its checksum; an extension of others means nothing to us. */
static int check_checksum(struct px_slice file, const struct px_raw_footer *footer,
                          struct proximadb_error *reterr)
{
    struct px_slice extension = footer->extension;
    bool is_ours = extension.size_bytes == PX_FOOTER_EXTENSION_BYTES &&
                   memcmp(extension.data, PX_FOOTER_MARK, PX_FOOTER_MARK_BYTES) == 0;
    if (!is_ours && !px_footer__is_ours(footer->created_by))
        return PROXIMADB_OK;
    if (!is_ours)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the footer is damaged: it has no checksum");
    uint64_t begin = px_load_u64(extension.data + PX_FOOTER_MARK_BYTES);
    uint32_t expected = px_load_u32(extension.data + PX_FOOTER_MARK_BYTES + 8);
    size_t end = (size_t)(footer->extension_at - file.data);
    if (begin > end || px_crc32c(0, file.data + begin, end - (size_t)begin) != expected)
        return px_fail(
            reterr, PROXIMADB_CORRUPT,
            "the footer is damaged: its checksum does not match; restore the file from a "
            "backup");
    return PROXIMADB_OK;
}

static const char *codec_name(int32_t codec)
{
    static const char *const names[] = {"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO",
                                        "BROTLI",       "LZ4",    "ZSTD", "LZ4_RAW"};
    bool is_known = codec >= 0 && codec < (int32_t)(sizeof names / sizeof names[0]);
    return is_known ? names[codec] : "an unknown codec";
}

/* What the format allows and we do not read, or NULL. */
static const char *unsupported(const struct px_parquet_column *column,
                               const struct px_raw_chunk *raw)
{
    bool is_vector = column->shape == PX_PARQUET_VECTOR;
    uint64_t known = UINT64_C(1) << PX_PARQUET_PLAIN | UINT64_C(1) << PX_PARQUET_RLE |
                     UINT64_C(1) << PX_PARQUET_BIT_PACKED;
    uint64_t known_of_vectors =
        UINT64_C(1) << PX_PARQUET_RLE_DICTIONARY | UINT64_C(1) << PX_PARQUET_BYTE_STREAM_SPLIT;
    if (raw->is_encrypted)
        return "it is encrypted";
    if (raw->is_elsewhere)
        return "it is in another file";
    if (raw->dictionary_offset > 0 && !is_vector)
        return "it has a dictionary; write it with PLAIN encoding";
    if (!is_vector && (raw->encodings & ~known) != 0)
        return "its encoding is not PLAIN";
    if ((raw->encodings & ~(known | known_of_vectors)) != 0)
        return "its encoding is not PLAIN, RLE_DICTIONARY or BYTE_STREAM_SPLIT";
    if (raw->chunk.offset_index.size_bytes == 0)
        return "it has no offset index; write the file with a page index";
    return NULL;
}

static int check_supported(const struct px_parquet_column *column, const struct px_raw_chunk *raw,
                           struct proximadb_error *reterr)
{
    const char *reason = unsupported(column, raw);
    if (reason != NULL)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED, "column '%s' cannot be read: %s",
                       column->name, reason);
    if (raw->codec != PX_PARQUET_UNCOMPRESSED && raw->codec != PX_PARQUET_ZSTD)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "column '%s' cannot be read: it is compressed with %s; ProximaDB reads ZSTD",
                       column->name, codec_name(raw->codec));
    return PROXIMADB_OK;
}

/* Says how a vector's chunk is encoded, and makes the dictionary page a part of its pages. Every
 * page must then be encoded so, which is seen when it is read. */
static int set_encoding(const struct px_parquet_column *column, struct px_raw_chunk *raw,
                        struct proximadb_error *reterr)
{
    struct px_parquet_chunk *chunk = &raw->chunk;
    chunk->codec = (enum px_parquet_codec)raw->codec;
    chunk->encoding = PX_PARQUET_VECTOR_PLAIN;
    if (column->shape != PX_PARQUET_VECTOR)
        return PROXIMADB_OK;
    if ((raw->encodings & UINT64_C(1) << PX_PARQUET_BYTE_STREAM_SPLIT) != 0)
        chunk->encoding = PX_PARQUET_VECTOR_SPLIT;
    if (raw->dictionary_offset == 0)
        return PROXIMADB_OK;
    if (raw->dictionary_offset >= chunk->pages.offset ||
        chunk->pages.offset - raw->dictionary_offset > chunk->pages.size_bytes ||
        chunk->pages.offset - raw->dictionary_offset > INT32_MAX)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the footer is damaged: column '%s': a dictionary is not where it should be",
                       column->name);
    chunk->encoding = PX_PARQUET_VECTOR_DICTIONARY;
    chunk->dictionary_bytes = (uint32_t)(chunk->pages.offset - raw->dictionary_offset);
    chunk->pages.offset = raw->dictionary_offset;
    return PROXIMADB_OK;
}

static bool is_within(struct px_parquet_range range, uint64_t limit)
{
    return range.size_bytes == 0 ||
           (range.offset >= PX_PARQUET_MAGIC_BYTES && range.offset <= limit &&
            range.size_bytes <= limit - range.offset);
}

static int check_chunk(const struct px_parquet_column *column, const struct px_raw_chunk *raw,
                       uint64_t row_count, uint64_t footer_offset, struct proximadb_error *reterr)
{
    const struct px_parquet_chunk *chunk = &raw->chunk;
    const char *fault = NULL;
    if (!raw->has_meta_data)
        fault = "a chunk has no metadata";
    else if (raw->type != (int32_t)column->type)
        fault = "a chunk has another type than the schema says";
    else if (!is_within(chunk->pages, footer_offset) ||
             !is_within(chunk->offset_index, footer_offset) ||
             !is_within(chunk->column_index, footer_offset) ||
             !is_within(chunk->bloom_filter, footer_offset))
        fault = "a chunk or an index of it lies outside of the file";
    else if (!px_parquet_is_list(column) && chunk->value_count != row_count)
        fault = "a chunk does not have a value for each row";
    else if (!px_parquet_is_list(column) && chunk->statistics.has_bounds &&
             !px_bounds__is_valid(column->type, &chunk->statistics))
        fault = "a chunk has impossible bounds";
    if (fault == NULL)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_CORRUPT, "the footer is damaged: column '%s': %s",
                   column->name, fault);
}

/* All rows have as many elements as the chunks of the column say together. */
static int set_dims(struct px_parquet_column *column, const struct px_parquet_row_group *group,
                    const struct px_parquet_chunk *chunk, struct proximadb_error *reterr)
{
    if (column->shape != PX_PARQUET_VECTOR || group->row_count == 0)
        return PROXIMADB_OK;
    uint64_t dim_count = chunk->value_count / group->row_count;
    bool is_first = column->dim_count == 0;
    if (chunk->value_count % group->row_count != 0 || dim_count == 0 ||
        dim_count > PX_PARQUET_MOST_DIMS || (!is_first && dim_count != column->dim_count))
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "column '%s' cannot be read: its lists are not all of one length, 1 to "
                       "65,536",
                       column->name);
    column->dim_count = (uint32_t)dim_count;
    return PROXIMADB_OK;
}

/* ---- building the layout ------------------------------------------------------------------- */

struct build {
    struct px_parquet_column *columns;
    size_t column_count;
    uint64_t footer_offset;
    uint64_t claimed_bytes; /* of all that chunks have so far */
    struct px_arena *arena;
};

/* Nothing in a file belongs to two chunks. So the work of reading all of it is bounded by its size,
 * however many chunks a hostile footer points to one place. */
static int claim_bytes(struct build *build, const struct px_parquet_chunk *chunk,
                       struct proximadb_error *reterr)
{
    /* Each is at most the file, and so is their sum up to now: this one cannot overflow. */
    build->claimed_bytes += chunk->pages.size_bytes + chunk->offset_index.size_bytes +
                            chunk->column_index.size_bytes + chunk->bloom_filter.size_bytes;
    if (build->claimed_bytes > build->footer_offset)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the footer is damaged: chunks share parts of the file");
    return PROXIMADB_OK;
}

static int build_group(struct build *build, const struct px_raw_group *raw,
                       struct px_parquet_row_group *group, struct proximadb_error *reterr)
{
    if (raw->chunk_count != build->column_count)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the footer is damaged: a row group has %u columns, the schema %zu",
                       raw->chunk_count, build->column_count);
    group->row_count = raw->row_count;
    group->chunks = px_arena_calloc(build->arena, raw->chunk_count, sizeof *group->chunks);
    if (group->chunks == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < build->column_count; i++) {
        struct px_raw_chunk *raw_chunk = &raw->chunks[i];
        struct px_parquet_column *column = &build->columns[i];
        int rc = check_supported(column, raw_chunk, reterr);
        if (rc == PROXIMADB_OK)
            rc = set_encoding(column, raw_chunk, reterr);
        if (rc == PROXIMADB_OK)
            rc = check_chunk(column, raw_chunk, raw->row_count, build->footer_offset, reterr);
        if (rc == PROXIMADB_OK)
            rc = claim_bytes(build, &raw_chunk->chunk, reterr);
        if (rc == PROXIMADB_OK)
            rc = set_dims(column, group, &raw_chunk->chunk, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        group->chunks[i] = raw_chunk->chunk;
        if (px_parquet_is_list(column))
            group->chunks[i].statistics.has_bounds = false; /* of elements: of no use to rows */
    }
    return PROXIMADB_OK;
}

static int build_groups(struct build *build, const struct px_raw_footer *footer,
                        struct px_parquet_layout *layout, struct proximadb_error *reterr)
{
    uint64_t row_count = 0;
    struct px_parquet_row_group *groups =
        px_arena_calloc(build->arena, footer->group_count, sizeof *groups);
    if (groups == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < footer->group_count; i++) {
        groups[i].first_row = row_count;
        int rc = build_group(build, &footer->groups[i], &groups[i], reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (__builtin_add_overflow(row_count, groups[i].row_count, &row_count))
            return px_fail(reterr, PROXIMADB_CORRUPT, "the footer is damaged: too many rows");
    }
    if (row_count != footer->row_count)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the footer is damaged: it says %llu rows, its row groups have %llu",
                       (unsigned long long)footer->row_count, (unsigned long long)row_count);
    layout->row_count = row_count;
    layout->row_groups = groups;
    layout->row_group_count = footer->group_count;
    return PROXIMADB_OK;
}

static int check_file(const struct px_raw_footer *footer, struct proximadb_error *reterr)
{
    if (footer->is_encrypted)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "the file is encrypted, which ProximaDB does not read");
    if (footer->elements == NULL)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the footer is damaged: it has no schema");
    bool is_text = px_utf8_validate(footer->created_by);
    for (uint32_t i = 0; i < footer->key_value_count; i++)
        is_text = is_text && px_utf8_validate(footer->key_values[i].key) &&
                  px_utf8_validate(footer->key_values[i].value);
    return is_text
               ? PROXIMADB_OK
               : px_fail(reterr, PROXIMADB_CORRUPT, "the footer is damaged: a text is not UTF-8");
}

/* In files of ours a vector column is the first of the schema, since it is the first in the file;
 * in the layout it is where its field id belongs. Files from before have it there already. */
static void move_vector_back(struct px_parquet_column *columns, size_t column_count,
                             struct px_parquet_layout *layout)
{
    size_t at = 0;
    if (columns[0].shape != PX_PARQUET_VECTOR)
        return;
    while (at + 1 < column_count && columns[at + 1].field_id < columns[0].field_id)
        at++;
    struct px_parquet_column column = columns[0];
    memmove(columns, columns + 1, at * sizeof *columns);
    columns[at] = column;
    for (size_t i = 0; i < layout->row_group_count; i++) {
        struct px_parquet_chunk *chunks = layout->row_groups[i].chunks, chunk = chunks[0];
        memmove(chunks, chunks + 1, at * sizeof chunk);
        chunks[at] = chunk;
    }
}

int px_footer__parse(struct px_slice file, struct px_arena *arena,
                     struct px_parquet_layout *ret_layout, struct proximadb_error *reterr)
{
    struct px_slice bytes = {0};
    int rc = find_footer(file, &bytes, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_raw_footer footer;
    struct build build = {.arena = arena, .footer_offset = (uint64_t)(bytes.data - file.data)};
    struct px_parquet_layout layout = {.size_bytes = file.size_bytes};
    rc = px_footer_raw__read(bytes, arena, &footer, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_checksum(file, &footer, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_file(&footer, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_schema_element__columns(footer.elements, arena, &build.columns, &build.column_count,
                                        reterr);
    if (rc == PROXIMADB_OK)
        rc = build_groups(&build, &footer, &layout, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (px_footer__is_ours(footer.created_by))
        move_vector_back(build.columns, build.column_count, &layout);
    layout.created_by = footer.created_by;
    layout.columns = build.columns;
    layout.column_count = build.column_count;
    layout.key_values = footer.key_values;
    layout.key_value_count = footer.key_value_count;
    *ret_layout = layout;
    return PROXIMADB_OK;
}

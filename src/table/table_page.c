#include "base/bits.h"
#include "codec/gzip.h"
#include "codec/snappy.h"
#include "codec/zstd.h"
#include "table/table_internal.h"

enum page_type { DATA_PAGE = 0, INDEX_PAGE = 1, DICTIONARY_PAGE = 2, DATA_PAGE_V2 = 3 };

enum page_field {
    TYPE = 1,
    UNPACKED_SIZE = 2,
    PACKED_SIZE = 3,
    DATA = 5,
    DICTIONARY = 7,
    DATA_V2 = 8
};

struct header {
    int32_t type;
    uint32_t unpacked_bytes;
    uint32_t packed_bytes;
    uint32_t level_count;
    int32_t encoding;
    int32_t definition_encoding;
    int32_t repetition_encoding;
    uint32_t definition_bytes; /* of a page of version 2 */
    uint32_t repetition_bytes;
    int32_t codec; /* the chunk's, or that of a page of version 2 that is not compressed */
    bool has_body; /* the struct of its type was there */
};

static uint32_t get_u32(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    return (uint32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
}

/* The fields of the three structs have numbers of their own. */
static void read_body(struct px_thrift_reader *reader, struct px_thrift_field outer,
                      struct header *header)
{
    bool is_v2 = outer.id == DATA_V2;
    struct px_thrift_field field = {0};
    px_thrift_get_struct(reader, outer);
    header->has_body = true;
    while (px_thrift_next(reader, &field)) {
        if (field.id == 1)
            header->level_count = get_u32(reader, field);
        else if (field.id == (is_v2 ? 4 : 2))
            header->encoding = (int32_t)get_u32(reader, field);
        else if (outer.id == DATA && field.id == 3)
            header->definition_encoding = (int32_t)get_u32(reader, field);
        else if (outer.id == DATA && field.id == 4)
            header->repetition_encoding = (int32_t)get_u32(reader, field);
        else if (is_v2 && field.id == 5)
            header->definition_bytes = get_u32(reader, field);
        else if (is_v2 && field.id == 6)
            header->repetition_bytes = get_u32(reader, field);
        else if (is_v2 && field.id == 7)
            header->codec =
                px_thrift_get_bool(reader, field) ? header->codec : PX_TABLE_UNCOMPRESSED;
        else
            px_thrift_skip(reader, field);
    }
}

static struct header read_header(struct px_thrift_reader *reader, int32_t codec)
{
    struct header header = {
        .definition_encoding = PX_TABLE_RLE, .repetition_encoding = PX_TABLE_RLE, .codec = codec};
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        bool is_body = (field.id == DATA && header.type == DATA_PAGE) ||
                       (field.id == DICTIONARY && header.type == DICTIONARY_PAGE) ||
                       (field.id == DATA_V2 && header.type == DATA_PAGE_V2);
        if (field.id == TYPE)
            header.type = (int32_t)get_u32(reader, field);
        else if (field.id == UNPACKED_SIZE)
            header.unpacked_bytes = get_u32(reader, field);
        else if (field.id == PACKED_SIZE)
            header.packed_bytes = get_u32(reader, field);
        else if (is_body)
            read_body(reader, field, &header);
        else
            px_thrift_skip(reader, field);
    }
    return header;
}

/* ---- unpacking ----------------------------------------------------------------------------- */

static const char *codec_name(int32_t codec)
{
    static const char *const names[] = {"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO",
                                        "BROTLI",       "LZ4",    "ZSTD", "LZ4_RAW"};
    bool is_known = codec >= 0 && codec < (int32_t)(sizeof names / sizeof names[0]);
    return is_known ? names[codec] : "an unknown codec";
}

static int unpack_zstd(struct px_table_page_reader *reader, struct px_slice packed, size_t size,
                       struct proximadb_error *reterr)
{
    if (reader->zstd == NULL)
        reader->zstd = px_zstd_decompressor_new();
    if (reader->zstd == NULL)
        return px_fail_no_memory(reterr);
    return px_zstd_decompress(reader->zstd, packed, size, &reader->content, reterr);
}

static int unpack_gzip(struct px_slice packed, void *data, size_t size,
                       struct proximadb_error *reterr)
{
    size_t claimed = 0;
    int rc = px_gzip_size(packed, size, &claimed, reterr);
    if (rc == PROXIMADB_OK && claimed != size)
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "a page has another size than its header says");
    return rc == PROXIMADB_OK ? px_gzip_unpack(packed, data, size, reterr) : rc;
}

/* Unpacks into reader->content. */
static int unpack(struct px_table_page_reader *reader, int32_t codec, struct px_slice packed,
                  size_t size, struct px_slice *ret_bytes, struct proximadb_error *reterr)
{
    int rc;
    if (codec == PX_TABLE_UNCOMPRESSED) {
        *ret_bytes = packed;
        return PROXIMADB_OK;
    }
    px_buffer_clear(&reader->content);
    if (codec == PX_TABLE_ZSTD) {
        rc = unpack_zstd(reader, packed, size, reterr);
    } else if (codec == PX_TABLE_SNAPPY || codec == PX_TABLE_GZIP) {
        void *data = px_buffer_reserve(&reader->content, size > 0 ? size : 1);
        if (data == NULL)
            return px_buffer_status(&reader->content, reterr);
        rc = codec == PX_TABLE_SNAPPY ? px_snappy_unpack(packed, data, size, reterr)
                                      : unpack_gzip(packed, data, size, reterr);
        reader->content.size_bytes = size;
    } else {
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "it is compressed with %s, which is not read; write it with zstd, snappy, "
                       "gzip or without compression",
                       codec_name(codec));
    }
    *ret_bytes = px_buffer_slice(&reader->content);
    return rc;
}

/* ---- levels -------------------------------------------------------------------------------- */

static int fail_levels(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CORRUPT, "a page is damaged: its levels make no sense");
}

static unsigned width_of(uint8_t most)
{
    return most == 0 ? 0 : 32 - (unsigned)__builtin_clz(most);
}

/* Takes levels from the front of *bytes. Version 1 puts their size before them; in version 2 the
 * page's header has it. */
static int take_levels(struct px_slice *bytes, const uint32_t *size_of_v2, uint8_t most,
                       size_t count, struct px_arena *arena, const uint8_t **ret_levels,
                       struct proximadb_error *reterr)
{
    size_t size;
    if (size_of_v2 != NULL) {
        size = *size_of_v2;
    } else if (most == 0) {
        return PROXIMADB_OK;
    } else if (bytes->size_bytes < 4) {
        return fail_levels(reterr);
    } else {
        size = px_load_u32(bytes->data);
        *bytes = px_slice_of(bytes->data + 4, bytes->size_bytes - 4);
    }
    if (size > bytes->size_bytes)
        return fail_levels(reterr);
    struct px_slice levels = px_slice_of(bytes->data, size);
    *bytes = px_slice_of(bytes->data + size, bytes->size_bytes - size);
    if (most == 0)
        return PROXIMADB_OK;
    uint8_t *made = px_arena_alloc(arena, count);
    if (made == NULL)
        return px_fail_no_memory(reterr);
    if (!px_table__unpack_levels(levels, width_of(most), most, made, count))
        return fail_levels(reterr);
    *ret_levels = made;
    return PROXIMADB_OK;
}

static size_t count_values(const struct px_table_page *page, uint8_t most)
{
    if (page->definitions == NULL)
        return page->level_count;
    size_t count = 0;
    for (size_t i = 0; i < page->level_count; i++)
        count += page->definitions[i] == most;
    return count;
}

static int read_levels(const struct header *header, const struct px_table_column *column,
                       struct px_arena *arena, struct px_table_page *page,
                       struct proximadb_error *reterr)
{
    bool is_v2 = header->type == DATA_PAGE_V2;
    if (!is_v2 && ((column->most_definition > 0 && header->definition_encoding != PX_TABLE_RLE) ||
                   (column->most_repetition > 0 && header->repetition_encoding != PX_TABLE_RLE)))
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "its levels are not in RLE encoding, which all writers of today use");
    int rc =
        take_levels(&page->values, is_v2 ? &header->repetition_bytes : NULL,
                    column->most_repetition, page->level_count, arena, &page->repetitions, reterr);
    if (rc == PROXIMADB_OK)
        rc = take_levels(&page->values, is_v2 ? &header->definition_bytes : NULL,
                         column->most_definition, page->level_count, arena, &page->definitions,
                         reterr);
    return rc;
}

/* ---- pages --------------------------------------------------------------------------------- */

/* *header has the codec already. */
static int find_page(const struct px_table_page_reader *reader, uint64_t *at, uint64_t end,
                     struct header *header, struct px_slice *ret_bytes,
                     struct proximadb_error *reterr)
{
    struct px_slice rest = px_slice_of(reader->file.data + *at, (size_t)(end - *at));
    struct px_thrift_reader thrift = px_thrift_reader_of(rest);
    *header = read_header(&thrift, header->codec);
    int rc = px_thrift_check(&thrift, "the header of a page", reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (header->packed_bytes > (size_t)(thrift.end - thrift.at))
        return px_fail(reterr, PROXIMADB_CORRUPT, "a page is damaged: it goes beyond its column");
    if (header->level_count > PX_TABLE_MOST_PAGE_VALUES ||
        header->unpacked_bytes > PX_TABLE_MOST_PAGE_BYTES)
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "a page has over 67,108,864 values or 1 GiB; write the file with smaller "
                       "pages");
    *ret_bytes = px_slice_of(thrift.at, header->packed_bytes);
    *at += (uint64_t)(thrift.at - rest.data) + header->packed_bytes;
    return PROXIMADB_OK;
}

/* In version 2 the levels stand before what is compressed. */
static int read_v2(struct px_table_page_reader *reader, const struct header *header,
                   const struct px_table_column *column, struct px_arena *arena,
                   struct px_table_page *page, struct proximadb_error *reterr)
{
    int rc = read_levels(header, column, arena, page, reterr);
    uint64_t level_bytes = (uint64_t)header->definition_bytes + header->repetition_bytes;
    if (rc == PROXIMADB_OK && level_bytes > header->unpacked_bytes)
        rc = fail_levels(reterr);
    /* No value, no bytes: not even those of an empty frame. */
    if (rc != PROXIMADB_OK || page->values.size_bytes == 0)
        return rc;
    return unpack(reader, header->codec, page->values, header->unpacked_bytes - (size_t)level_bytes,
                  &page->values, reterr);
}

int px_table__read_page(struct px_table_page_reader *reader, const struct px_table_column *column,
                        uint64_t *at, uint64_t end, struct px_arena *arena,
                        struct px_table_page *ret_page, struct proximadb_error *reterr)
{
    struct header header = {.codec = reader->codec};
    struct px_table_page page = {0};
    int rc = find_page(reader, at, end, &header, &page.values, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    bool is_data = header.type == DATA_PAGE || header.type == DATA_PAGE_V2;
    page.is_dictionary = header.type == DICTIONARY_PAGE;
    if (!is_data && !page.is_dictionary) {
        *ret_page = (struct px_table_page){0};
        return PROXIMADB_OK;
    }
    if (!header.has_body)
        return px_fail(reterr, PROXIMADB_CORRUPT, "a page's header is damaged: it says too little");
    page.level_count = header.level_count;
    page.encoding = header.encoding;
    if (header.type == DATA_PAGE_V2) {
        rc = read_v2(reader, &header, column, arena, &page, reterr);
    } else {
        rc = unpack(reader, header.codec, page.values, header.unpacked_bytes, &page.values, reterr);
        if (rc == PROXIMADB_OK && is_data)
            rc = read_levels(&header, column, arena, &page, reterr);
    }
    page.value_count = is_data ? count_values(&page, column->most_definition) : page.level_count;
    if (rc == PROXIMADB_OK)
        *ret_page = page;
    return rc;
}

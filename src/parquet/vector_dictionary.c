#include "parquet/vector_dictionary_internal.h"

#include "codec/zstd.h"

#include <stdlib.h>

static int check_size(const struct px_data_page *page, struct proximadb_error *reterr)
{
    if (page->value_count < 1 || page->value_count > PX_PARQUET_MOST_DISTINCT)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "it has %u values; ProximaDB reads dictionaries of 1 to %d",
                       page->value_count, PX_PARQUET_MOST_DISTINCT);
    if (page->uncompressed_bytes != page->value_count * sizeof(float))
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the page is damaged: it has %u bytes for %u values",
                       page->uncompressed_bytes, page->value_count);
    return PROXIMADB_OK;
}

static int decompress(const struct px_data_page *page, struct px_buffer *content,
                      struct proximadb_error *reterr)
{
    struct px_zstd_decompressor *decompressor = px_zstd_decompressor_new();
    if (decompressor == NULL)
        return px_fail_no_memory(reterr);
    int rc =
        px_zstd_decompress(decompressor, page->body, page->uncompressed_bytes, content, reterr);
    px_zstd_decompressor_free(decompressor);
    return rc;
}

static int load(const struct px_data_page *page, enum px_parquet_codec codec,
                struct px_buffer *content, struct px_loaded_dictionary **ret_loaded,
                struct proximadb_error *reterr)
{
    if (codec != PX_PARQUET_UNCOMPRESSED) {
        int rc = decompress(page, content, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    struct px_loaded_dictionary *loaded = malloc(sizeof *loaded + content->size_bytes);
    if (loaded == NULL)
        return px_fail_no_memory(reterr);
    loaded->dictionary =
        (struct px_vector_dictionary){.values = page->body.data, .count = page->value_count};
    if (content->size_bytes > 0) {
        memcpy(loaded->decompressed, content->data, content->size_bytes);
        loaded->dictionary.values = loaded->decompressed;
    }
    *ret_loaded = loaded;
    return PROXIMADB_OK;
}

int px_vector_dictionary__load(struct px_slice bytes, enum px_parquet_codec codec, bool needs_crc,
                               struct px_loaded_dictionary **ret_loaded,
                               struct proximadb_error *reterr)
{
    struct px_data_page page;
    struct px_buffer content = {0};
    int rc = px_data_page__parse_dictionary(bytes, codec, &page, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_data_page__verify(&page, needs_crc, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_size(&page, reterr);
    if (rc == PROXIMADB_OK)
        rc = load(&page, codec, &content, ret_loaded, reterr);
    px_buffer_release(&content);
    return rc;
}

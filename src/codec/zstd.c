#include "codec/zstd.h"

#include <stdatomic.h>
#include <zstd.h>

/* The structs exist in name only: a pointer to one is libzstd's own context. */
static ZSTD_CCtx *context_of_compressor(struct px_zstd_compressor *compressor)
{
    return (ZSTD_CCtx *)(void *)compressor;
}

static ZSTD_DCtx *context_of_decompressor(struct px_zstd_decompressor *decompressor)
{
    return (ZSTD_DCtx *)(void *)decompressor;
}

struct px_zstd_compressor *px_zstd_compressor_new(void)
{
    return (struct px_zstd_compressor *)(void *)ZSTD_createCCtx();
}

void px_zstd_compressor_free(struct px_zstd_compressor *compressor)
{
    ZSTD_freeCCtx(context_of_compressor(compressor));
}

int px_zstd_compress(struct px_zstd_compressor *compressor, int level, struct px_slice input,
                     struct px_buffer *buffer, struct proximadb_error *reterr)
{
    size_t bound = ZSTD_compressBound(input.size_bytes);
    if (ZSTD_isError(bound))
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "%zu bytes are more than zstd can compress at once", input.size_bytes);
    void *room = px_buffer_reserve(buffer, bound);
    if (room == NULL)
        return px_buffer_status(buffer, reterr);
    size_t size = ZSTD_compressCCtx(context_of_compressor(compressor), room, bound, input.data,
                                    input.size_bytes, level);
    /* With room for the bound, only libzstd's own working memory can be missing. */
    if (ZSTD_isError(size))
        return px_fail_no_memory(reterr);
    buffer->size_bytes += size;
    return PROXIMADB_OK;
}

/* Compresses the parts into *output, whose room they are known to fit. False without memory. */
static bool put_parts(ZSTD_CCtx *context, int level, const struct px_slice *parts,
                      size_t part_count, size_t size_bytes, ZSTD_outBuffer *output)
{
    size_t rc = ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
    if (!ZSTD_isError(rc))
        rc = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(rc))
        rc = ZSTD_CCtx_setPledgedSrcSize(context, size_bytes);
    for (size_t i = 0; !ZSTD_isError(rc) && i < part_count; i++) {
        ZSTD_inBuffer input = {.src = parts[i].data, .size = parts[i].size_bytes};
        rc = ZSTD_compressStream2(context, output, &input, ZSTD_e_flush);
    }
    ZSTD_inBuffer nothing = {0};
    if (!ZSTD_isError(rc))
        rc = ZSTD_compressStream2(context, output, &nothing, ZSTD_e_end);
    return rc == 0;
}

int px_zstd_compress_parts(struct px_zstd_compressor *compressor, int level,
                           const struct px_slice *parts, size_t part_count,
                           struct px_buffer *buffer, struct proximadb_error *reterr)
{
    enum { PART_BYTES = 16 }; /* more than what a block that ends early adds */
    size_t size = 0;
    for (size_t i = 0; i < part_count; i++)
        size += parts[i].size_bytes;
    size_t bound = ZSTD_compressBound(size);
    if (ZSTD_isError(bound))
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "%zu bytes are more than zstd can compress at once", size);
    bound += part_count * PART_BYTES;
    ZSTD_outBuffer output = {.dst = px_buffer_reserve(buffer, bound), .size = bound};
    if (output.dst == NULL)
        return px_buffer_status(buffer, reterr);
    if (!put_parts(context_of_compressor(compressor), level, parts, part_count, size, &output))
        return px_fail_no_memory(reterr);
    buffer->size_bytes += output.pos;
    return PROXIMADB_OK;
}

/* Contexts that nobody uses at the moment. Making one takes longer than decompressing a page. */
enum { MOST_SPARE = 8 };
static _Atomic(ZSTD_DCtx *) spare_contexts[MOST_SPARE];

struct px_zstd_decompressor *px_zstd_decompressor_new(void)
{
    ZSTD_DCtx *context = NULL;
    for (size_t i = 0; i < MOST_SPARE && context == NULL; i++)
        context = atomic_exchange_explicit(&spare_contexts[i], NULL, memory_order_acquire);
    if (context == NULL)
        context = ZSTD_createDCtx();
    return (struct px_zstd_decompressor *)(void *)context;
}

void px_zstd_decompressor_free(struct px_zstd_decompressor *decompressor)
{
    ZSTD_DCtx *context = context_of_decompressor(decompressor);
    for (size_t i = 0; i < MOST_SPARE && context != NULL; i++) {
        ZSTD_DCtx *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&spare_contexts[i], &none, context,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
    ZSTD_freeDCtx(context);
}

/* Before any memory is taken: a frame that states its size must state the right one. */
static int check_stated_size(struct px_slice input, size_t size_bytes,
                             struct proximadb_error *reterr)
{
    unsigned long long stated = ZSTD_getFrameContentSize(input.data, input.size_bytes);
    if (stated == ZSTD_CONTENTSIZE_ERROR)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the bytes are not a zstd frame");
    if (stated != ZSTD_CONTENTSIZE_UNKNOWN && stated != size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the zstd frame holds %llu bytes where %zu were expected", stated,
                       size_bytes);
    return PROXIMADB_OK;
}

int px_zstd_decompress(struct px_zstd_decompressor *decompressor, struct px_slice input,
                       size_t size_bytes, struct px_buffer *buffer, struct proximadb_error *reterr)
{
    int rc = check_stated_size(input, size_bytes, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    void *room = px_buffer_reserve(buffer, size_bytes);
    if (room == NULL)
        return px_buffer_status(buffer, reterr);
    size_t size = ZSTD_decompressDCtx(context_of_decompressor(decompressor), room, size_bytes,
                                      input.data, input.size_bytes);
    if (ZSTD_isError(size))
        return px_fail(reterr, PROXIMADB_CORRUPT, "the zstd frame is damaged: %s",
                       ZSTD_getErrorName(size));
    if (size != size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the zstd frame holds %zu bytes where %zu were expected", size, size_bytes);
    buffer->size_bytes += size;
    return PROXIMADB_OK;
}

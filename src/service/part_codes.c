#include "service/part_codes.h"

#include "viper/part_lists.h"

#include <stdlib.h>

/* ---- references ---------------------------------------------------------------------------- */

int px_part_codes_new(struct px_ivf *ivf, uint64_t round, struct px_part_codes **ret_codes,
                      struct proximadb_error *reterr)
{
    struct px_part_codes *codes = malloc(sizeof *codes);
    if (codes == NULL)
        return px_fail_no_memory(reterr);
    *codes = (struct px_part_codes){.ivf = ivf, .round = round};
    atomic_init(&codes->reference_count, 1);
    *ret_codes = codes;
    return PROXIMADB_OK;
}

struct px_part_codes *px_part_codes_ref(struct px_part_codes *codes)
{
    atomic_fetch_add_explicit(&codes->reference_count, 1, memory_order_relaxed);
    return codes;
}

void px_part_codes_unref(struct px_part_codes *codes)
{
    if (codes == NULL ||
        atomic_fetch_sub_explicit(&codes->reference_count, 1, memory_order_acq_rel) > 1)
        return;
    px_ivf_close(codes->ivf);
    free(codes);
}

/* ---- making -------------------------------------------------------------------------------- */

static struct px_ivf_identity identity_of(const struct px_part *part,
                                          const struct px_collection *collection)
{
    const struct px_manifest_file *file = px_part_file(part);
    return (struct px_ivf_identity){.collection_id = collection->id,
                                    .part_bytes = file->size_bytes,
                                    .part_checksum = file->crc32c,
                                    .dim_count = collection->dim_count,
                                    .metric = collection->metric};
}

/* Copies the rows of a block that are wanted; returns how many. */
static uint32_t copy_rows(const struct px_part_block *block, size_t dim_count, uint32_t first_row,
                          uint32_t row_count, float *ret_vectors)
{
    uint32_t skipped = first_row - block->first_row, count = block->row_count - skipped;
    const uint8_t *vectors = (const uint8_t *)block->vectors + skipped * block->stride_bytes;
    count = count < row_count ? count : row_count;
    for (uint32_t i = 0; i < count; i++)
        memcpy(ret_vectors + i * dim_count, vectors + i * block->stride_bytes,
               dim_count * sizeof *ret_vectors);
    return count;
}

static int read_rows(void *context, uint32_t first_row, uint32_t row_count, float *ret_vectors,
                     struct proximadb_error *reterr)
{
    const struct px_part_codes_input *input = context;
    size_t dim_count = input->collection->dim_count;
    struct px_part_scratch scratch = {0};
    int rc = PROXIMADB_OK;
    for (uint32_t done = 0; done < row_count && rc == PROXIMADB_OK;) {
        struct px_part_block block;
        rc = px_part_get_block(input->part, &scratch, first_row + done, &block, reterr);
        if (rc == PROXIMADB_OK)
            done += copy_rows(&block, dim_count, first_row + done, row_count - done,
                              ret_vectors + done * dim_count);
    }
    px_part_scratch_release(&scratch);
    if (rc == PROXIMADB_OK && input->note_rows != NULL)
        input->note_rows(input->context, row_count);
    return rc;
}

static bool should_stop(void *context)
{
    const struct px_part_codes_input *input = context;
    return input->should_stop != NULL && input->should_stop(input->context);
}

static int make_of(const struct px_part_codes_input *input, const struct px_part_lists *known,
                   struct px_ivf **ret_ivf, struct proximadb_error *reterr)
{
    struct px_ivf_list *lists = malloc(known->count * sizeof *lists);
    if (lists == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < known->count; i++)
        lists[i] = (struct px_ivf_list){.id = known->items[i].id,
                                        .first_row = known->items[i].first_row,
                                        .row_count = known->items[i].row_count};
    struct px_part_codes_input copy = *input;
    const struct px_ivf_input making = {.identity = identity_of(input->part, input->collection),
                                        .lists = lists,
                                        .list_count = known->count,
                                        .crew = input->crew,
                                        .read = read_rows,
                                        .should_stop = should_stop,
                                        .context = &copy};
    int rc = px_ivf_build(&making, ret_ivf, reterr);
    free(lists);
    return rc;
}

int px_part_codes_make(const struct px_part_codes_input *input, struct px_ivf **ret_ivf,
                       struct proximadb_error *reterr)
{
    struct px_part_lists lists;
    int rc = px_part_lists_read(input->part, &lists, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    *ret_ivf = NULL;
    if (lists.count > 0)
        rc = make_of(input, &lists, ret_ivf, reterr);
    px_part_lists_release(&lists);
    return rc;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int verify(const struct px_ivf *ivf, const char *path, const struct px_part *part,
                  struct proximadb_error *reterr)
{
    uint32_t found = px_ivf_info(ivf).row_count, expected = px_part_row_count(part);
    int rc = px_ivf_verify(ivf, reterr);
    if (rc == PROXIMADB_OK && found != expected)
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "it has %u rows, and the part has %u", found,
                     expected);
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "%s", path);
    return rc;
}

int px_part_codes_open(struct px_fs *fs, const char *path, const struct px_part *part,
                       const struct px_collection *collection, struct px_ivf **ret_ivf,
                       struct proximadb_error *reterr)
{
    struct px_ivf_identity expected = identity_of(part, collection);
    struct px_ivf *ivf;
    int rc = collection->index_memory == PROXIMADB_INDEX_FAST
                 ? px_ivf_load(fs, path, &expected, &ivf, reterr)
                 : px_ivf_open(fs, path, &expected, &ivf, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = verify(ivf, path, part, reterr);
    if (rc != PROXIMADB_OK) {
        px_ivf_close(ivf);
        return rc;
    }
    *ret_ivf = ivf;
    return PROXIMADB_OK;
}

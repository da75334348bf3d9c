/* Making an index: each list by itself, on as many threads as help. The place of everything is
 * known before, since a list of n rows has (n + 31) / 32 blocks, whatever they are. */
#include "axis/ivf_internal.h"

#include "base/bits.h"
#include "base/crc32c.h"
#include "os/crew.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PIECE_BYTES = 64 << 20 }; /* of a list's rows as floats, at most; but a block at least */

/* ---- the making of one list ----------------------------------------------------------------- */

/* What all threads share. */
struct making {
    const struct px_ivf_input *input;
    struct px_ivf *ivf;
    uint8_t *image;                 /* the file */
    struct px_ivf_disk_list *lists; /* in it */
    uint32_t piece_rows;            /* of the longest list */
    atomic_uint_least32_t next_list;
    struct px_crew_failure failure;
};

/* What a thread has for itself; all owned. */
struct bench {
    struct making *making;
    float *rows;     /* rotated rows of the list */
    uint32_t *order; /* of them */
    float *centre;   /* of the list */
    float *mean;     /* of a block */
    float *residual;
    uint8_t *signs; /* a byte each */
};

static void *image_at(const struct making *making, enum px_ivf_section section, size_t offset)
{
    return making->image + making->ivf->header->sections[section].offset + offset;
}

static float squared_distance(const float *a, const float *b, size_t count)
{
    struct px_rows row = {a, count * sizeof *a, 1, count};
    float sum;
    px_kernels_get()->l2_squared(&row, b, &sum);
    return sum;
}

/* The mean of rows, to bench->mean. `order` NULL: of the first ones. */
static void take_mean(struct bench *bench, const uint32_t *order, size_t row_count)
{
    size_t count = bench->making->ivf->rotation.padded_count;
    memset(bench->mean, 0, count * sizeof *bench->mean);
    for (size_t i = 0; i < row_count; i++) {
        const float *row = bench->rows + (order != NULL ? order[i] : i) * count;
        for (size_t d = 0; d < count; d++)
            bench->mean[d] += row[d];
    }
    for (size_t d = 0; d < count; d++)
        bench->mean[d] /= (float)row_count;
}

/* The mean of the squared distances of the same rows from `centre`. */
static float take_spread(const struct bench *bench, const uint32_t *order, size_t row_count,
                         const float *centre)
{
    size_t count = bench->making->ivf->rotation.padded_count;
    double spread = 0;
    for (size_t i = 0; i < row_count; i++)
        spread += (double)squared_distance(bench->rows + (order != NULL ? order[i] : i) * count,
                                           centre, count);
    return (float)(spread / (double)row_count);
}

/* Signs, a byte each, as those of a lane of 32. */
static void put_signs(const uint8_t *signs, size_t count, size_t lane, uint8_t *codes)
{
    uint8_t *at =
        codes + lane / (PX_IVF_BLOCK_ROWS / 2) * 2 * count + lane % (PX_IVF_BLOCK_ROWS / 2);
    for (size_t i = 0; i < count; i += 8, at += PX_IVF_BLOCK_ROWS / 2) {
        unsigned byte = 0;
        for (unsigned bit = 0; bit < 8; bit++)
            byte |= (unsigned)signs[i + bit] << bit;
        *at = (uint8_t)byte;
    }
}

static void put_factors(uint8_t *adds, size_t lane, struct px_ivf_factors factors)
{
    memcpy(adds + lane * sizeof(float), &factors.add, sizeof(float));
    memcpy(adds + (PX_IVF_BLOCK_ROWS + lane) * sizeof(float), &factors.rescale, sizeof(float));
}

/* The difference of a row, or of a block's mean, from the list's centre, to bench->residual. */
static void subtract_centre(struct bench *bench, const float *row)
{
    size_t count = bench->making->ivf->rotation.padded_count;
    for (size_t i = 0; i < count; i++)
        bench->residual[i] = row[i] - bench->centre[i];
}

/* Signs of the first dimensions of bench->residual, and factors, as those of a lane of 32. */
static void put_code(struct bench *bench, size_t code_count, uint8_t *codes, size_t lane)
{
    size_t count = bench->making->ivf->rotation.padded_count;
    struct px_ivf_factors factors =
        px_ivf__encode_signs(bench->making->input->identity.metric, bench->residual, bench->centre,
                             count, code_count, bench->signs);
    put_signs(bench->signs, code_count, lane, codes);
    put_factors(codes + px_fastscan_block_bytes(code_count), lane, factors);
}

static void encode_row(struct bench *bench, const float *row, size_t block, size_t lane)
{
    struct making *making = bench->making;
    size_t count = making->ivf->rotation.padded_count;
    uint8_t *vector = image_at(making, PX_IVF_VECTORS,
                               (block * PX_IVF_BLOCK_ROWS + lane) * px_ivf_vector_stride(count));
    subtract_centre(bench, row);
    size_t code_count = px_ivf_code_count((uint32_t)count);
    put_code(bench, code_count,
             image_at(making, PX_IVF_CODES, block * px_ivf_code_stride(code_count)), lane);
    struct px_ivf_factors factors = px_ivf__encode_bytes(
        making->input->identity.metric, bench->residual, bench->centre, count, vector);
    memcpy(vector + count, &factors, sizeof factors);
}

/* The centre of a block, in the group that has it. */
static void encode_block_centre(struct bench *bench, const struct px_ivf_disk_list *list,
                                const uint32_t *order, size_t row_count, size_t index)
{
    struct making *making = bench->making;
    size_t count = making->ivf->rotation.padded_count, lane = index % PX_IVF_BLOCK_ROWS;
    size_t group = list->first_group + index / PX_IVF_BLOCK_ROWS;
    uint8_t *codes = image_at(making, PX_IVF_GROUPS, group * px_ivf_group_stride(count));
    uint8_t *adds = codes + px_fastscan_block_bytes(count);
    take_mean(bench, order, row_count);
    subtract_centre(bench, bench->mean);
    put_code(bench, count, codes, lane);
    struct px_ivf__spread spread = px_ivf__spread_of(
        making->input->identity.metric, take_spread(bench, order, row_count, bench->mean));
    float add = px_load_f32(adds + lane * sizeof add) + spread.add;
    memcpy(adds + lane * sizeof add, &add, sizeof add);
    memcpy(adds + (2 * PX_IVF_BLOCK_ROWS + lane) * sizeof add, &spread.share, sizeof add);
}

/* Block number `index` of the list: rows order[0] to order[row_count - 1]. */
static void encode_block(struct bench *bench, const struct px_ivf_disk_list *list,
                         const uint32_t *order, size_t row_count, size_t index)
{
    struct making *making = bench->making;
    size_t count = making->ivf->rotation.padded_count, block = list->first_block + index;
    uint32_t *rows = image_at(making, PX_IVF_ROWS, block * PX_IVF_BLOCK_ROWS * sizeof(uint32_t));
    encode_block_centre(bench, list, order, row_count, index);
    for (size_t lane = 0; lane < PX_IVF_BLOCK_ROWS; lane++) {
        rows[lane] = lane < row_count ? list->first_row + order[lane] : PX_IVF_NO_ROW;
        if (lane < row_count)
            encode_row(bench, bench->rows + order[lane] * count, block, lane);
    }
}

/* The centre of the list, to bench->centre as its bytes have it. */
static void encode_list_centre(struct bench *bench, struct px_ivf_disk_list *list,
                               uint8_t *ret_bytes)
{
    size_t count = bench->making->ivf->rotation.padded_count;
    take_mean(bench, NULL, list->row_count);
    memcpy(bench->centre, bench->mean, count * sizeof *bench->mean);
    list->step = px_ivf__encode_centre(bench->centre, count, ret_bytes);
    list->norm_squared = px_kernels_get()->norm_squared(bench->centre, count);
    list->spread_squared = take_spread(bench, NULL, list->row_count, bench->centre);
}

/* Reads the rows of a list and rotates them; unit vectors under cosine. */
static int load_rows(struct bench *bench, const struct px_ivf_disk_list *list,
                     struct proximadb_error *reterr)
{
    const struct px_ivf_input *input = bench->making->input;
    const struct px_rotation *rotation = &bench->making->ivf->rotation;
    size_t dim_count = rotation->dim_count, count = rotation->padded_count;
    uint32_t row_count = list->row_count;
    int rc = input->read(input->context, list->first_row, row_count, bench->rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = row_count; i-- > 0;) { /* from the last one on, as they move apart */
        float *row = bench->rows + i * count;
        memmove(row, bench->rows + i * dim_count, dim_count * sizeof *row);
        memset(row + dim_count, 0, (count - dim_count) * sizeof *row);
        float norm = sqrtf(px_kernels_get()->norm_squared(row, dim_count));
        for (size_t d = 0; input->identity.metric == PROXIMADB_COSINE && norm > 0 && d < dim_count;
             d++)
            row[d] /= norm;
        px_rotation_apply(rotation, row);
    }
    return PROXIMADB_OK;
}

static int make_list(struct bench *bench, uint32_t index, struct proximadb_error *reterr)
{
    struct making *making = bench->making;
    struct px_ivf_disk_list *list = &making->lists[index];
    size_t count = making->ivf->rotation.padded_count, row_count = list->row_count;
    if (making->input->should_stop != NULL && making->input->should_stop(making->input->context))
        return px_fail(reterr, PROXIMADB_CANCELLED, "the making of an index was stopped");
    int rc = load_rows(bench, list, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    encode_list_centre(bench, list, image_at(making, PX_IVF_LIST_CENTRES, index * count));
    struct px_rows rows = {bench->rows, count * sizeof(float), row_count, count};
    rc = px_ivf__split(&rows, bench->order, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t first = 0; first < row_count; first += PX_IVF_BLOCK_ROWS) {
        size_t left = row_count - first;
        encode_block(bench, list, bench->order + first,
                     left < PX_IVF_BLOCK_ROWS ? left : PX_IVF_BLOCK_ROWS,
                     first / PX_IVF_BLOCK_ROWS);
    }
    return PROXIMADB_OK;
}

/* ---- threads -------------------------------------------------------------------------------- */

static void release_bench(struct bench *bench)
{
    free(bench->rows);
    free(bench->order);
    free(bench->centre);
    free(bench->mean);
    free(bench->residual);
    free(bench->signs);
}

static int init_bench(struct bench *bench, struct making *making, struct proximadb_error *reterr)
{
    size_t count = making->ivf->rotation.padded_count;
    *bench = (struct bench){.making = making};
    bench->rows = malloc(making->piece_rows * count * sizeof(float));
    bench->order = malloc(making->piece_rows * sizeof *bench->order);
    bench->centre = malloc(count * sizeof(float));
    bench->mean = malloc(count * sizeof(float));
    bench->residual = malloc(count * sizeof(float));
    bench->signs = malloc(count);
    if (bench->rows != NULL && bench->order != NULL && bench->centre != NULL &&
        bench->mean != NULL && bench->residual != NULL && bench->signs != NULL)
        return PROXIMADB_OK;
    release_bench(bench);
    return px_fail_no_memory(reterr);
}

static void make_lists(void *context, unsigned member)
{
    (void)member;
    struct making *making = context;
    struct bench bench;
    struct proximadb_error error = {0};
    int rc = init_bench(&bench, making, &error);
    if (rc != PROXIMADB_OK) {
        px_crew_failure_note(&making->failure, &error);
        return;
    }
    uint32_t list_count = making->ivf->header->list_count, list;
    while (rc == PROXIMADB_OK && !px_crew_has_failed(&making->failure) &&
           (list = atomic_fetch_add(&making->next_list, 1)) < list_count)
        rc = make_list(&bench, list, &error);
    if (rc != PROXIMADB_OK)
        px_crew_failure_note(&making->failure, &error);
    release_bench(&bench);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Rows that a list has at most: a multiple of a block's. */
static uint32_t most_piece_rows(uint32_t dim_count)
{
    size_t rows = PIECE_BYTES / (px_round_up(dim_count, PX_ROTATION_UNIT) * sizeof(float));
    rows -= rows % PX_IVF_BLOCK_ROWS;
    rows = rows < PX_IVF_BLOCK_ROWS ? PX_IVF_BLOCK_ROWS : rows;
    return rows > PX_IVF_MOST_LIST_ROWS ? PX_IVF_MOST_LIST_ROWS : (uint32_t)rows;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Counts the lists, long ones cut, with their rows, blocks and groups. */
static int count_all(const struct px_ivf_input *input, uint32_t piece_rows,
                     struct px_ivf_header *header, struct proximadb_error *reterr)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < input->list_count; i++) {
        assert(input->lists[i].row_count > 0 && input->lists[i].first_row == rows);
        rows += input->lists[i].row_count;
        for (uint32_t done = 0; done < input->lists[i].row_count;) {
            uint32_t count = smaller(input->lists[i].row_count - done, piece_rows);
            header->list_count++;
            header->block_count += px_ivf_blocks_of(count);
            header->group_count += px_ivf_blocks_of(px_ivf_blocks_of(count));
            done += count;
        }
    }
    if (rows > PX_IVF_MOST_ROWS)
        return px_fail(reterr, PROXIMADB_TOO_LARGE, "a part of %llu rows is too large for an index",
                       (unsigned long long)rows);
    header->row_count = (uint32_t)rows;
    return PROXIMADB_OK;
}

static int make_header(const struct px_ivf_input *input, uint32_t piece_rows,
                       struct px_ivf_header *ret_header, struct proximadb_error *reterr)
{
    const struct px_ivf_identity *identity = &input->identity;
    struct px_ivf_header header = {
        .part_bytes = identity->part_bytes,
        .part_checksum = identity->part_checksum,
        .dim_count = identity->dim_count,
        .padded_count = (uint32_t)px_round_up(identity->dim_count, PX_ROTATION_UNIT),
        .metric = (uint32_t)identity->metric,
    };
    header.code_count = px_ivf_code_count(header.padded_count);
    memcpy(header.collection_id, identity->collection_id.bytes, PX_UUID_BYTES);
    if (input->calibration != NULL)
        header.calibration = *input->calibration;
    int rc = count_all(input, piece_rows, &header, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    (void)px_ivf__lay_out(&header);
    *ret_header = header;
    return PROXIMADB_OK;
}

/* Numbers of the lists, whose centres are still to be made. */
static void place_lists(const struct px_ivf_input *input, uint32_t piece_rows,
                        struct px_ivf_disk_list *lists)
{
    uint32_t block = 0, group = 0;
    for (size_t i = 0; i < input->list_count; i++)
        for (uint32_t done = 0; done < input->lists[i].row_count; lists++) {
            uint32_t count = smaller(input->lists[i].row_count - done, piece_rows);
            uint32_t blocks = px_ivf_blocks_of(count);
            *lists = (struct px_ivf_disk_list){.id = input->lists[i].id,
                                               .first_row = input->lists[i].first_row + done,
                                               .row_count = count,
                                               .first_block = block,
                                               .block_count = blocks,
                                               .first_group = group,
                                               .group_count = px_ivf_blocks_of(blocks)};
            block += blocks;
            group += lists->group_count;
            done += count;
        }
}

static int make_content(struct making *making, struct proximadb_error *reterr)
{
    struct px_ivf *ivf = making->ivf;
    struct px_ivf_header *header = (struct px_ivf_header *)(void *)making->image;
    making->lists = image_at(making, PX_IVF_LISTS, 0);
    place_lists(making->input, making->piece_rows, making->lists);
    making->piece_rows = smaller(making->piece_rows, header->row_count);
    px_crew_run(making->input->crew, UINT32_MAX, make_lists, making);
    int rc = px_crew_failure_end(&making->failure, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < PX_IVF_SECTION_COUNT; i++)
        header->sections[i].checksum = px_crc32c(0, ivf->content.data + header->sections[i].offset,
                                                 (size_t)header->sections[i].size_bytes);
    px_ivf__seal(header);
    return PROXIMADB_OK;
}

static int build(struct px_ivf *ivf, const struct px_ivf_input *input,
                 struct proximadb_error *reterr)
{
    struct px_ivf_header header;
    uint32_t piece_rows = most_piece_rows(input->identity.dim_count);
    int rc = make_header(input, piece_rows, &header, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_pages_grow(&ivf->pages, (size_t)header.size_bytes, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rotation_init(&ivf->rotation, header.dim_count, PX_IVF_SEED, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    memcpy(ivf->pages.data, &header, sizeof header);
    px_ivf__attach(ivf, px_slice_of(ivf->pages.data, (size_t)header.size_bytes));
    struct making making = {.input = input,
                            .ivf = ivf,
                            .image = ivf->pages.data,
                            .piece_rows = piece_rows,
                            .failure = PX_CREW_NO_FAILURE};
    return make_content(&making, reterr);
}

int px_ivf_build(const struct px_ivf_input *input, struct px_ivf **ret_ivf,
                 struct proximadb_error *reterr)
{
    assert(input->identity.dim_count >= 1 && input->identity.dim_count <= 65536);
    struct px_ivf *ivf = calloc(1, sizeof *ivf);
    if (ivf == NULL)
        return px_fail_no_memory(reterr);
    int rc = build(ivf, input, reterr);
    if (rc != PROXIMADB_OK) {
        px_ivf_close(ivf);
        return rc;
    }
    *ret_ivf = ivf;
    return PROXIMADB_OK;
}

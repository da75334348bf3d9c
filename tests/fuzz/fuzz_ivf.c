/* px-test: layers=axis label=fuzz */
/*
 * fuzz_ivf: any bytes as the file of an inverted index. The first byte says whether checksums are
 * put right before, so that what stands behind them is reached. What opens is searched and
 * calibrated, and every hit is a row that it says to have.
 */
#include "axis/ivf.h"

#include "base/crc32c.h"

#include <stdlib.h>
#include <string.h>

enum {
    REPAIR = 1,
    HEADER_BYTES = 320,
    CHECKSUM_AT = 12,
    SECTIONS_AT = 88,
    SECTION_BYTES = 24,
    SECTION_COUNT = 6,
    ALIGN = 64,
    K = 3,
    QUERIES = 2
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static uint64_t load(const uint8_t *at, size_t size_bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, size_bytes);
    return value;
}

static void store_checksum(uint8_t *at, uint32_t checksum)
{
    memcpy(at, &checksum, sizeof checksum);
}

/* The checksums of all sections that lie within the file, and that of the header. */
static void repair(uint8_t *file, size_t size)
{
    if (size < HEADER_BYTES)
        return;
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        uint8_t *section = file + SECTIONS_AT + i * SECTION_BYTES;
        uint64_t offset = load(section, 8), length = load(section + 8, 8);
        if (offset <= size && length <= size - offset)
            store_checksum(section + 16, px_crc32c(0, file + offset, (size_t)length));
    }
    store_checksum(file + CHECKSUM_AT, 0);
    store_checksum(file + CHECKSUM_AT, px_crc32c(0, file, HEADER_BYTES));
}

static void check_hits(const struct px_ivf_hit *hits, uint32_t count, uint32_t row_count)
{
    demand(count <= K);
    for (uint32_t i = 0; i < count; i++) {
        demand(hits[i].part_index == 0 && hits[i].row_index < row_count);
        demand(hits[i].distance == hits[i].distance);
    }
}

static void search(const struct px_ivf *ivf, const struct px_ivf_info *info)
{
    const struct px_ivf *parts[] = {ivf};
    struct px_ivf_set set = {parts, 1};
    struct px_ivf_hit hits[QUERIES * K];
    uint32_t counts[QUERIES], dim_count = info->identity.dim_count;
    struct px_ivf_searcher *searcher;
    float *queries = calloc(QUERIES, dim_count * sizeof *queries);
    demand(queries != NULL && px_ivf_searcher_new(&searcher, NULL) == PROXIMADB_OK);
    for (uint32_t i = 0; i < QUERIES * dim_count; i++)
        queries[i] = (float)(i % 5) - 2;
    struct px_ivf_request request = {
        .queries = {queries, dim_count * sizeof *queries, QUERIES, dim_count},
        .k = K,
        .probe_count = px_ivf_probe_count(&info->calibration, 0.95, info->row_count)};
    for (size_t at_once = 1; at_once <= QUERIES; at_once++) {
        request.queries.row_count = at_once;
        demand(px_ivf_search(searcher, &set, &request, hits, counts, NULL) == PROXIMADB_OK);
        for (size_t q = 0; q < at_once; q++)
            check_hits(hits + q * K, counts[q], info->row_count);
    }
    px_ivf_searcher_free(searcher);
    free(queries);
    struct px_ivf_calibration calibration;
    struct px_ivf_calibrating calibrating = {.k = K, .query_count = 4};
    demand(px_ivf_calibrate(&set, &calibrating, &calibration, NULL) == PROXIMADB_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t file_bytes = size - 1;
    uint8_t *file = aligned_alloc(ALIGN, (file_bytes / ALIGN + 1) * ALIGN);
    demand(file != NULL);
    memcpy(file, data + 1, file_bytes);
    if ((data[0] & REPAIR) != 0)
        repair(file, file_bytes);
    struct px_ivf *ivf;
    struct proximadb_error error = {0};
    int rc = px_ivf_parse((struct px_slice){file, file_bytes}, NULL, &ivf, &error);
    if (rc == PROXIMADB_OK) {
        struct px_ivf_info info = px_ivf_info(ivf);
        demand(info.size_bytes == file_bytes);
        int verified = px_ivf_verify(ivf, &error);
        demand(verified == PROXIMADB_OK || verified == PROXIMADB_CORRUPT);
        search(ivf, &info);
        px_ivf_close(ivf);
    } else {
        demand(rc == PROXIMADB_CORRUPT || rc == PROXIMADB_UNIMPLEMENTED);
        demand(error.status == rc && error.message[0] != '\0');
    }
    free(file);
    return 0;
}

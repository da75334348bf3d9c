/* ivf_internal: the index in memory, which is its file (docs/format/ivf.md), and what the files of
 * ivf.h share. */
#ifndef PX_AXIS_IVF_INTERNAL_H
#define PX_AXIS_IVF_INTERNAL_H

#include "axis/ivf.h"
#include "axis/rotation.h"
#include "base/bits.h"
#include "os/pages.h"
#include "simd/fastscan.h"

enum {
    PX_IVF_VERSION = 1,
    PX_IVF_ALIGN = 64,            /* of sections */
    PX_IVF_MOST_LIST_ROWS = 8192, /* longer ones are cut */
    PX_IVF_MOST_ROWS = INT32_MAX, /* of a part */
    PX_IVF_CENTRE_ZERO = 128,     /* the byte that stands for 0, of centres and of rows */
    PX_IVF_MOST_BYTE = 127,       /* magnitude */
};

#define PX_IVF_NO_ROW UINT32_MAX                   /* fills the last block of a list */
#define PX_IVF_SEED   UINT64_C(0x70726f78696d6100) /* of the rotation, in version 1 */

/* ---- the file ------------------------------------------------------------------------------- */

enum px_ivf_section {
    PX_IVF_LISTS,        /* struct px_ivf_disk_list each */
    PX_IVF_LIST_CENTRES, /* padded_count bytes each */
    PX_IVF_GROUPS,       /* centres of 32 blocks: signs, 32 adds, 32 rescales, 32 spreads */
    PX_IVF_ROWS,         /* 32 row numbers a block */
    PX_IVF_CODES,        /* a block's signs, its 32 adds, its 32 rescales */
    PX_IVF_VECTORS,      /* padded_count bytes, add, rescale: 32 a block */
    PX_IVF_SECTION_COUNT
};

struct px_ivf_disk_section {
    uint64_t offset;
    uint64_t size_bytes;
    uint32_t checksum; /* CRC-32C */
    uint32_t reserved;
};

struct px_ivf_header {
    uint8_t magic[8];
    uint32_t version;
    uint32_t checksum; /* CRC-32C of the header, with this member 0 */
    uint8_t collection_id[PX_UUID_BYTES];
    uint64_t part_bytes;
    uint32_t part_checksum;
    uint32_t row_count;
    uint32_t dim_count;
    uint32_t padded_count;
    uint32_t code_count;
    uint32_t metric;
    uint32_t list_count;
    uint32_t block_count;
    uint32_t group_count;
    uint32_t reserved1;
    uint64_t size_bytes;
    struct px_ivf_disk_section sections[PX_IVF_SECTION_COUNT];
    struct px_ivf_calibration calibration;
    uint8_t reserved[8];
};

static_assert(sizeof(struct px_ivf_calibration) == 80, "on disk");
static_assert(sizeof(struct px_ivf_header) == 320, "on disk");

/* The centre is step * (byte - 128) in each of its rotated dimensions. */
struct px_ivf_disk_list {
    float step;
    float norm_squared;
    float spread_squared; /* mean of its rows' squared distances from the centre */
    uint32_t id;
    uint32_t first_row;
    uint32_t row_count;
    uint32_t first_block;
    uint32_t block_count;
    uint32_t first_group;
    uint32_t group_count;
};

static_assert(sizeof(struct px_ivf_disk_list) == 40, "on disk");

/* How many of the rotated dimensions the signs of rows are of. Any are as good as others; fewer
 * make a scan faster, but let more rows pass: at 384 dimensions of MiniLM vectors 90 (of 4,800)
 * with all of them, 190 with a half and 420 with a third, where queries take 45, 28 and 33 us. */
static inline uint32_t px_ivf_code_count(uint32_t padded_count)
{
    if (padded_count < 256)
        return padded_count;
    return (uint32_t)px_round_up(padded_count / 2, PX_ROTATION_UNIT);
}

/* Blocks that so many rows take, or groups that so many blocks do. */
static inline uint32_t px_ivf_blocks_of(uint32_t count)
{
    return count / PX_IVF_BLOCK_ROWS + (count % PX_IVF_BLOCK_ROWS != 0);
}

/* Sizes of what repeats. */
static inline size_t px_ivf_code_stride(size_t code_count)
{
    return px_fastscan_block_bytes(code_count) + 2 * PX_IVF_BLOCK_ROWS * sizeof(float);
}

static inline size_t px_ivf_group_stride(size_t padded_count)
{
    return px_fastscan_block_bytes(padded_count) + 3 * PX_IVF_BLOCK_ROWS * sizeof(float);
}

static inline size_t px_ivf_vector_stride(size_t padded_count)
{
    return padded_count + 2 * sizeof(float);
}

/* ---- in memory ------------------------------------------------------------------------------ */

struct px_ivf {
    struct px_slice content; /* the file; a view */
    struct px_pages pages;   /* owned: its bytes, if it was built */
    struct px_fs *fs;        /* kept; its map is owned, if it was opened */
    const struct px_ivf_header *header;
    struct px_rotation rotation; /* owned */
    const struct px_ivf_disk_list *lists;
    const uint8_t *list_centres;
    const uint8_t *groups;
    const uint32_t *rows;
    const uint8_t *codes;
    const uint8_t *vectors;
};

/* Fills in sizes and offsets of a header that has its counts, and returns the file's size. */
uint64_t px_ivf__lay_out(struct px_ivf_header *header);

/* Fills in what stands in every header, and at last its checksum. */
void px_ivf__seal(struct px_ivf_header *header);
uint32_t px_ivf__header_checksum(const struct px_ivf_header *header);

/* Whether a calibration is possible; a zeroed one is. */
bool px_ivf__is_calibration(const struct px_ivf_calibration *calibration);

/* Points into content, whose header is right. */
void px_ivf__attach(struct px_ivf *ivf, struct px_slice content);

/* ---- codes ---------------------------------------------------------------------------------- */

/* Writes the bytes of the centre, and replaces it by what they stand for. Returns the step. */
float px_ivf__encode_centre(float *centre, size_t count, uint8_t *ret_bytes);

/* What makes a distance of a code's sum: add - rescale * sum, on top of that of the centre. */
struct px_ivf_factors {
    float add;
    float rescale;
};

/* Codes of a rotated row less its centre, `residual`: signs of the first code_count of `count`
 * dimensions as 0 and 1, one byte each; and bytes. */
struct px_ivf_factors px_ivf__encode_signs(enum proximadb_metric metric, const float *residual,
                                           const float *centre, size_t count, size_t code_count,
                                           uint8_t *ret_signs);
struct px_ivf_factors px_ivf__encode_bytes(enum proximadb_metric metric, const float *residual,
                                           const float *centre, size_t count, uint8_t *ret_bytes);

/* Orders rows of a matrix so that each 32 are near each other: writes a permutation of 0 to
 * row_count - 1. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_ivf__split(const struct px_rows *rows, uint32_t *ret_order,
                                struct proximadb_error *reterr);

/* ---- queries -------------------------------------------------------------------------------- */

/* A query, prepared. Its arrays lie in the searcher. */
struct px_ivf__query {
    enum proximadb_metric metric;
    size_t count;         /* rotated dimensions */
    float *rotated;       /* a unit vector under cosine */
    int8_t *high, *low;   /* planes: component i is step * (128 * high[i] + low[i]) */
    uint8_t *tables;      /* simd/fastscan.h; valid until the next query is prepared */
    size_t code_count;    /* of the dimensions, the first ones */
    uint8_t *code_tables; /* those of them */
    float step;
    int64_t sum; /* of the planes' components */
    float norm;
    float norm_squared;
    float table_unit;
    float table_offset; /* unit * sum of entries + offset: the sum of signed components */
    float code_offset;
};

/* is_rotated: the vector has all rotated dimensions, and is taken as it is. */
void px_ivf__prepare(struct px_ivf__query *query, const struct px_rotation *rotation,
                     enum proximadb_metric metric, const void *vector, bool is_rotated);

/* The product of a vector of bytes around 128, from simd/fastscan.h's sum, with the query. */
static inline float px_ivf__product(const struct px_ivf__query *query, int64_t raw)
{
    return query->step * (float)(raw - PX_IVF_CENTRE_ZERO * query->sum);
}

/* The centre of a list as a query sees it. */
struct px_ivf__view {
    float base;  /* its distance, squared under l2 */
    float reach; /* what a difference from it is multiplied with */
    float key;   /* for ranking: about the distance of a near row */
};

struct px_ivf__view px_ivf__look(const struct px_ivf__query *query,
                                 const struct px_ivf_disk_list *list, int64_t raw);

/* What the rows of a block are spread around its centre makes of that centre's distance, for
 * ranking: this much is added, and this times the reach taken off. */
struct px_ivf__spread {
    float add;
    float share;
};

struct px_ivf__spread px_ivf__spread_of(enum proximadb_metric metric, float spread_squared);

/* ---- searches ------------------------------------------------------------------------------- */

/* A block, or a list, that a query looks at. */
struct px_ivf__probe {
    uint32_t part_index;
    uint32_t number;
    float base;  /* of the view of the list */
    float reach; /* likewise */
};

/* Room for ranking: `capacity` items each; owned. */
struct px_ivf__ranking {
    size_t capacity;
    float *keys;
    uint32_t *buckets;           /* of the keys */
    uint32_t *chosen;            /* keys of the first buckets */
    uint32_t *order;             /* the result */
    struct px_ivf__probe *items; /* of the chosen keys */
    struct px_ivf__probe *lists;
    uint32_t *used; /* lists whose blocks are ranked */
    int64_t *sums;  /* PX_IVF__SUMS of them */
};

enum { PX_IVF__SUMS = 256 };

/* Blocks of all parts of a set. */
uint64_t px_ivf__block_count(const struct px_ivf_set *set);

/* Room for the lists, and for the blocks, of the set. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_ivf__ranking_grow(struct px_ivf__ranking *ranking,
                                       const struct px_ivf_set *set,
                                       struct proximadb_error *reterr);
void px_ivf__ranking_release(struct px_ivf__ranking *ranking);

/* The nearest blocks of a set to a query, nearest first but for small differences: probe_count of
 * them, or all. Returns their number. */
size_t px_ivf__rank(struct px_ivf__ranking *ranking, const struct px_ivf_set *set,
                    const struct px_ivf__query *query, size_t probe_count,
                    struct px_ivf__probe *ret_probes);

/* px_ivf_search(), also with queries that are rotated. */
PX_MUST_CHECK int px_ivf__search(struct px_ivf_searcher *searcher, const struct px_ivf_set *set,
                                 const struct px_ivf_request *request, bool is_rotated,
                                 struct px_ivf_hit *ret_hits, uint32_t *ret_counts,
                                 struct proximadb_error *reterr);

#endif /* PX_AXIS_IVF_INTERNAL_H */

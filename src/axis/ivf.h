/*
 * ivf: an inverted index over the lists of clustered rows, in codes of its own.
 *
 * Rows come in lists of near ones (viper/clustering.h). A list of some 2,000 rows is too coarse a
 * thing to read as a whole: most of it is far from a query that needs two of its rows. So each list
 * is split further, by two-means, into blocks of exactly 32 rows, which is what one step of the
 * scan takes (simd/fastscan.h). A block has a centre; lists are ranked by theirs, the blocks of the
 * nearest lists by theirs, and the rows of the nearest blocks are looked at, in three steps:
 *
 *   1 bit      of each of half of the dimensions: the signs of the rotated difference from the
 *              list's centre, with RaBitQ's unbiased estimate (Gao and Long, SIGMOD 2024). A row
 *              whose estimate less what it may be off is farther than the k-th best goes no
 *              further. All rows of a block at once.
 *   8 bits     per dimension, of the same difference: the distance to some 1e-3 of it. Rows that
 *              are among the k best by it are asked for (`accept`) and kept.
 *   exact      is the caller's: it asks for more candidates than it needs, and orders them by
 *              canonical distances (axis/topk.h).
 *
 * How many blocks are looked at is the only effort; it decides the recall. px_ivf_calibrate()
 * finds what recall takes how many.
 *
 * An index is of one part and never changes, and a search is over any number of indexes of one
 * dimension and metric. It is derived data: built from rows, saved (docs/format/ivf.md), opened
 * with a map, built again when it is missing or damaged. Of it only the header, lists and row
 * numbers are checked when it is opened; whatever stands in the rest gives wrong candidates at
 * worst, and px_ivf_verify() finds it.
 *
 * Memory at 384 dimensions: 434 bytes a row. Many queries at once share what they read of blocks.
 *
 * Threads: an index may be searched by any number of threads, each with a searcher of its own.
 */
#ifndef PX_AXIS_IVF_H
#define PX_AXIS_IVF_H

#include "base/slice.h"
#include "base/uuid.h"
#include "os/fs.h"
#include "simd/kernels.h"

struct px_crew;
struct px_ivf;

enum { PX_IVF_BLOCK_ROWS = 32, PX_IVF_MOST_POINTS = 8 };

/* ---- effort --------------------------------------------------------------------------------- */

/* What recall took how many blocks, among so many rows; by rising recall. Zeroed: not known. */
struct px_ivf_calibration {
    uint64_t row_count;
    uint32_t point_count;
    uint32_t reserved; /* 0 */
    struct px_ivf_point {
        float recall;
        uint32_t probe_count;
    } points[PX_IVF_MOST_POINTS];
};

/* How many blocks to look at for a recall (0 to 1) in a collection of row_count rows: interpolated,
 * with a little more recall than is wanted, and in proportion to the rows. Behind the last point:
 * twice as many. Without a calibration, an eighth of all. At least 1. */
uint32_t px_ivf_probe_count(const struct px_ivf_calibration *calibration, double recall,
                            uint64_t row_count);

/* ---- making --------------------------------------------------------------------------------- */

/* What an index is of. An index of another part, or of the same before it was written anew, is
 * refused by px_ivf_open(). */
struct px_ivf_identity {
    struct px_uuid collection_id;
    uint64_t part_bytes;
    uint32_t part_checksum;
    uint32_t dim_count; /* 1 to 65,536 */
    enum proximadb_metric metric;
};

/* Rows first_row to first_row + row_count - 1 of the part. */
struct px_ivf_list {
    uint32_t id;
    uint32_t first_row;
    uint32_t row_count; /* more than 0 */
};

struct px_ivf_input {
    struct px_ivf_identity identity;
    const struct px_ivf_list *lists; /* one behind the other: all rows of the part */
    size_t list_count;
    const struct px_ivf_calibration *calibration; /* to be kept in the index; NULL: none */
    struct px_crew *crew;                         /* helps the calling thread; NULL: nobody */

    /* Copies rows, packed, to ret_vectors. On several threads at once if there is a crew. An error
     * ends the making. */
    int (*read)(void *context, uint32_t first_row, uint32_t row_count, float *ret_vectors,
                struct proximadb_error *reterr);
    bool (*should_stop)(void *context); /* asked once a list; NULL: never */
    void *context;                      /* of both */
};

/*
 * Makes an index in memory, which can be searched at once. *ret_ivf: close with px_ivf_close().
 *
 * PROXIMADB_CANCELLED  should_stop said so.
 * PROXIMADB_NO_MEMORY, PROXIMADB_TOO_LARGE (2^31 rows), and what read() fails with.
 */
PX_MUST_CHECK int px_ivf_build(const struct px_ivf_input *input, struct px_ivf **ret_ivf,
                               struct proximadb_error *reterr);

/* Writes it to a file, which is made or emptied, and syncs that; syncing its name is the caller's.
 * PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (disk full): what is at `path` is of no use. */
PX_MUST_CHECK int px_ivf_save(const struct px_ivf *ivf, struct px_fs *fs, const char *path,
                              struct proximadb_error *reterr);

/*
 * Opens a file. *ret_ivf: close with px_ivf_close(); fs is kept.
 *
 * PROXIMADB_CORRUPT        the message has the file and what is wrong with it; also an index of
 *                          something else than `expected`.
 * PROXIMADB_UNIMPLEMENTED  a version from the future.
 * PROXIMADB_IO (os_errno ENOENT where there is none), PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_ivf_open(struct px_fs *fs, const char *path,
                              const struct px_ivf_identity *expected, struct px_ivf **ret_ivf,
                              struct proximadb_error *reterr);

/* The same, but the file is copied to memory, in huge pages where there are any: a fifth faster,
 * and memory that the system cannot take back. Fails likewise. */
PX_MUST_CHECK int px_ivf_load(struct px_fs *fs, const char *path,
                              const struct px_ivf_identity *expected, struct px_ivf **ret_ivf,
                              struct proximadb_error *reterr);

/* The same with the content of a file, which is kept; `expected` NULL: whatever it is of. */
PX_MUST_CHECK int px_ivf_parse(struct px_slice content, const struct px_ivf_identity *expected,
                               struct px_ivf **ret_ivf, struct proximadb_error *reterr);

/* Reads everything and compares checksums. PROXIMADB_CORRUPT: the message has the section. */
PX_MUST_CHECK int px_ivf_verify(const struct px_ivf *ivf, struct proximadb_error *reterr);

void px_ivf_close(struct px_ivf *ivf); /* accepts NULL */

/* ---- looking -------------------------------------------------------------------------------- */

struct px_ivf_info {
    uint32_t row_count;
    uint32_t list_count;
    uint32_t block_count;
    uint64_t size_bytes; /* of the file, and of what is mapped */
    struct px_ivf_identity identity;
    struct px_ivf_calibration calibration;
};

struct px_ivf_info px_ivf_info(const struct px_ivf *ivf);

/* The content of a file that px_ivf_save() would write: a view, valid until the index is closed. */
struct px_slice px_ivf_content(const struct px_ivf *ivf);

/* ---- searching ------------------------------------------------------------------------------ */

/* The indexes that are searched, of one dimension and metric; kept while the request runs. */
struct px_ivf_set {
    const struct px_ivf *const *parts;
    size_t part_count; /* at least 1 */
};

struct px_ivf_request {
    struct px_rows queries; /* float32 at any address, of the indexes' dimension */
    uint32_t k;             /* candidates wanted for each, more than 0 */
    uint32_t probe_count;   /* blocks looked at for each; more than there are: all */

    /* Whether a row counts: asked only of rows that are near enough to be among the k nearest, once
     * per query and row. The query's number, the part's in the set, the row's in the part. NULL:
     * every row does. */
    bool (*accept)(void *context, uint32_t query_index, uint32_t part_index, uint32_t row_index);
    bool (*should_stop)(void *context); /* asked about once a millisecond; NULL: never */
    void *context;                      /* of both */
};

struct px_ivf_hit {
    uint32_t part_index;
    uint32_t row_index;
    float distance; /* as simd/distance.h has it, but approximate; never NaN */
};

/* The memory of one thread's searches, which grows with the largest of them. */
struct px_ivf_searcher;

PX_MUST_CHECK int px_ivf_searcher_new(struct px_ivf_searcher **ret_searcher,
                                      struct proximadb_error *reterr);
void px_ivf_searcher_free(struct px_ivf_searcher *searcher); /* accepts NULL */

/*
 * Writes the candidates of query q, nearest first, to ret_hits from q * k on, and their number to
 * ret_counts[q].
 *
 * PROXIMADB_CANCELLED  should_stop said so.
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_ivf_search(struct px_ivf_searcher *searcher, const struct px_ivf_set *set,
                                const struct px_ivf_request *request, struct px_ivf_hit *ret_hits,
                                uint32_t *ret_counts, struct proximadb_error *reterr);

/* Zero in a member means its default. */
struct px_ivf_calibrating {
    uint32_t k;           /* default 10 */
    uint32_t query_count; /* rows taken for queries, at random; default 200 */
    uint64_t seed;
    bool (*should_stop)(void *context); /* NULL: never */
    void *context;
};

/*
 * Finds what recall takes how many blocks, with rows of the indexes as queries, each without
 * itself: those that a look at all blocks gives are held against what a look at fewer does.
 *
 * PROXIMADB_CANCELLED, PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_ivf_calibrate(const struct px_ivf_set *set,
                                   const struct px_ivf_calibrating *calibrating,
                                   struct px_ivf_calibration *ret_calibration,
                                   struct proximadb_error *reterr);

#endif /* PX_AXIS_IVF_H */

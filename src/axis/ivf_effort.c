#include "axis/ivf_effort.h"

#include "axis/ivf_internal.h"
#include "base/crc32c.h"

#include <math.h>

enum {
    FEW = 10,
    MANY = 100,
    FEW_QUERIES = 200,
    MANY_QUERIES = 50,
    LEAST_ROWS_A_HIT = 50, /* fewer say nothing of a larger collection */
    LEAST_BLOCKS = 32,     /* some 10 us: fewer save nothing, and not all queries are like rows */
    VERSION = 1,
};

#define UNKNOWN_POWER 0.5 /* of the number of hits; MiniLM and SIFT have some 0.3 to 0.5 */
#define SEED          UINT64_C(0x70726f78696d6102)

static const uint8_t magic[8] = {'P', 'X', 'I', 'V', 'F', 'E', '\n', 0};

struct disk_effort {
    uint8_t magic[8];
    uint32_t version;
    uint32_t checksum; /* CRC-32C of all, with this member 0 */
    uint8_t collection_id[PX_UUID_BYTES];
    struct px_ivf_calibration few;
    struct px_ivf_calibration many;
};

static_assert(sizeof(struct disk_effort) == PX_IVF_EFFORT_BYTES, "on disk");

/* ---- learning and asking -------------------------------------------------------------------- */

int px_ivf_effort_learn(const struct px_ivf_set *set, bool (*should_stop)(void *context),
                        void *context, struct px_ivf_effort *ret_effort,
                        struct proximadb_error *reterr)
{
    struct px_ivf_calibrating calibrating = {.k = FEW,
                                             .query_count = FEW_QUERIES,
                                             .seed = SEED,
                                             .should_stop = should_stop,
                                             .context = context};
    struct px_ivf_effort effort = {0};
    int rc = px_ivf_calibrate(set, &calibrating, &effort.few, reterr);
    calibrating.k = MANY;
    calibrating.query_count = MANY_QUERIES;
    if (rc == PROXIMADB_OK && effort.few.row_count >= LEAST_ROWS_A_HIT * MANY)
        rc = px_ivf_calibrate(set, &calibrating, &effort.many, reterr);
    if (rc == PROXIMADB_OK)
        *ret_effort = effort;
    return rc;
}

/* Which power of the number of hits the number of blocks grows with. */
static double power_of(const struct px_ivf_effort *effort, double recall, double few_blocks)
{
    if (effort->many.point_count == 0)
        return UNKNOWN_POWER;
    double many_blocks = px_ivf_probe_count(&effort->many, recall, effort->few.row_count);
    double power = log(many_blocks / few_blocks) / log((double)MANY / FEW);
    return power < 0 ? 0 : power > 1 ? 1 : power;
}

/* Of so many hits; maybe more than there are, or fewer than are worth it. */
static double wanted_blocks(const struct px_ivf_effort *effort, double recall, uint32_t k,
                            uint64_t row_count)
{
    double blocks = px_ivf_probe_count(&effort->few, recall, row_count);
    if (k <= FEW)
        return blocks;
    double few_blocks = px_ivf_probe_count(&effort->few, recall, effort->few.row_count);
    return ceil(blocks * pow((double)k / FEW, power_of(effort, recall, few_blocks)));
}

uint32_t px_ivf_effort_probe_count(const struct px_ivf_effort *effort, double recall, uint32_t k,
                                   uint64_t row_count)
{
    double all = ceil((double)row_count / PX_IVF_BLOCK_ROWS);
    /* Nobody may count on a recall while nothing is known but of all; that is for seconds. */
    double wanted =
        effort->few.point_count == 0 ? all : wanted_blocks(effort, recall, k, row_count);
    wanted = wanted > LEAST_BLOCKS ? wanted : LEAST_BLOCKS;
    wanted = wanted < all ? wanted : all;
    return wanted < 1 ? 1 : wanted < UINT32_MAX ? (uint32_t)wanted : UINT32_MAX;
}

/* ---- its file ------------------------------------------------------------------------------- */

static uint32_t checksum_of(const struct disk_effort *disk)
{
    struct disk_effort copy = *disk;
    copy.checksum = 0;
    return px_crc32c(0, &copy, sizeof copy);
}

void px_ivf_effort_encode(const struct px_ivf_effort *effort, struct px_uuid collection_id,
                          struct px_buffer *buffer)
{
    struct disk_effort disk = {.version = VERSION, .few = effort->few, .many = effort->many};
    memcpy(disk.magic, magic, sizeof magic);
    memcpy(disk.collection_id, collection_id.bytes, PX_UUID_BYTES);
    disk.checksum = checksum_of(&disk);
    px_buffer_append(buffer, &disk, sizeof disk);
}

int px_ivf_effort_decode(struct px_slice content, struct px_uuid collection_id,
                         struct px_ivf_effort *ret_effort, struct proximadb_error *reterr)
{
    struct disk_effort disk;
    if (content.size_bytes < sizeof disk || memcmp(content.data, magic, sizeof magic) != 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it is no calibration of an index");
    memcpy(&disk, content.data, sizeof disk);
    if (disk.version != VERSION)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "it is of version %u, and this is version %d; upgrade to read it",
                       disk.version, VERSION);
    if (content.size_bytes != sizeof disk || disk.checksum != checksum_of(&disk))
        return px_fail(reterr, PROXIMADB_CORRUPT, "its checksum is wrong");
    if (memcmp(disk.collection_id, collection_id.bytes, PX_UUID_BYTES) != 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it is of another collection");
    if (!px_ivf__is_calibration(&disk.few) || !px_ivf__is_calibration(&disk.many))
        return px_fail(reterr, PROXIMADB_CORRUPT, "it makes no sense");
    *ret_effort = (struct px_ivf_effort){.few = disk.few, .many = disk.many};
    return PROXIMADB_OK;
}

#include "axis/ivf.h"

#include "axis/ivf_internal.h"
#include "base/bits.h"
#include "base/crc32c.h"
#include "os/file.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static const uint8_t magic[8] = {'P', 'X', 'I', 'V', 'F', '\r', '\n', 0};

static const char *const section_names[PX_IVF_SECTION_COUNT] = {
    "lists", "centres of lists", "centres of blocks", "row numbers", "codes", "vectors",
};

/* ---- layout --------------------------------------------------------------------------------- */

uint64_t px_ivf__lay_out(struct px_ivf_header *header)
{
    uint64_t lists = header->list_count, blocks = header->block_count;
    uint64_t padded = header->padded_count;
    const uint64_t sizes[PX_IVF_SECTION_COUNT] = {
        [PX_IVF_LISTS] = lists * sizeof(struct px_ivf_disk_list),
        [PX_IVF_LIST_CENTRES] = lists * padded,
        [PX_IVF_GROUPS] = header->group_count * px_ivf_group_stride(padded),
        [PX_IVF_ROWS] = blocks * PX_IVF_BLOCK_ROWS * sizeof(uint32_t),
        [PX_IVF_CODES] = blocks * px_ivf_code_stride(header->code_count),
        [PX_IVF_VECTORS] = blocks * PX_IVF_BLOCK_ROWS * px_ivf_vector_stride(padded),
    };
    uint64_t offset = sizeof *header;
    for (size_t i = 0; i < PX_IVF_SECTION_COUNT; i++) {
        header->sections[i].offset = offset;
        header->sections[i].size_bytes = sizes[i];
        offset = px_round_up(offset + sizes[i], PX_IVF_ALIGN);
    }
    header->size_bytes = offset;
    return offset;
}

static const void *section_at(const struct px_ivf *ivf, enum px_ivf_section section)
{
    return ivf->content.data + ivf->header->sections[section].offset;
}

void px_ivf__attach(struct px_ivf *ivf, struct px_slice content)
{
    ivf->content = content;
    ivf->header = (const struct px_ivf_header *)(const void *)content.data;
    ivf->lists = section_at(ivf, PX_IVF_LISTS);
    ivf->list_centres = section_at(ivf, PX_IVF_LIST_CENTRES);
    ivf->groups = section_at(ivf, PX_IVF_GROUPS);
    ivf->rows = section_at(ivf, PX_IVF_ROWS);
    ivf->codes = section_at(ivf, PX_IVF_CODES);
    ivf->vectors = section_at(ivf, PX_IVF_VECTORS);
}

uint32_t px_ivf__header_checksum(const struct px_ivf_header *header)
{
    struct px_ivf_header copy = *header;
    copy.checksum = 0;
    return px_crc32c(0, &copy, sizeof copy);
}

/* Fills in what stands in every header, and its checksum. */
void px_ivf__seal(struct px_ivf_header *header)
{
    memcpy(header->magic, magic, sizeof magic);
    header->version = PX_IVF_VERSION;
    header->checksum = px_ivf__header_checksum(header);
}

/* ---- checks --------------------------------------------------------------------------------- */

bool px_ivf__is_calibration(const struct px_ivf_calibration *calibration)
{
    if (calibration->point_count > PX_IVF_MOST_POINTS || calibration->reserved != 0)
        return false;
    for (size_t i = 0; i < calibration->point_count; i++) {
        const struct px_ivf_point *point = &calibration->points[i];
        if (!(point->recall >= 0 && point->recall <= 1) || point->probe_count == 0)
            return false;
    }
    return calibration->point_count == 0 || calibration->row_count > 0;
}

/* Whether the counts are possible, and the rest of the header follows from them. */
static bool is_consistent(const struct px_ivf_header *header)
{
    struct px_ivf_header expected = *header;
    uint64_t padded = px_round_up(header->dim_count, PX_ROTATION_UNIT);
    uint64_t blocks = header->block_count;
    if (header->dim_count == 0 || header->dim_count > 65536 || header->padded_count != padded ||
        header->code_count != px_ivf_code_count(header->padded_count) ||
        header->metric > PROXIMADB_DOT || header->row_count > PX_IVF_MOST_ROWS ||
        header->list_count > header->group_count || header->group_count > blocks ||
        blocks > header->row_count || blocks * PX_IVF_BLOCK_ROWS < header->row_count)
        return false;
    (void)px_ivf__lay_out(&expected);
    for (size_t i = 0; i < PX_IVF_SECTION_COUNT; i++)
        if (expected.sections[i].offset != header->sections[i].offset ||
            expected.sections[i].size_bytes != header->sections[i].size_bytes)
            return false;
    return expected.size_bytes == header->size_bytes &&
           px_ivf__is_calibration(&header->calibration);
}

static int check_header(struct px_slice content, struct proximadb_error *reterr)
{
    struct px_ivf_header header;
    if (content.size_bytes < sizeof header)
        return px_fail(reterr, PROXIMADB_CORRUPT, "an index of %zu bytes is no index",
                       content.size_bytes);
    memcpy(&header, content.data, sizeof header);
    if (memcmp(header.magic, magic, sizeof magic) != 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it does not begin as an index does");
    if (header.version != PX_IVF_VERSION)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "it is an index of version %u, and this is version %d; upgrade to read it",
                       header.version, PX_IVF_VERSION);
    if (header.checksum != px_ivf__header_checksum(&header))
        return px_fail(reterr, PROXIMADB_CORRUPT, "its header's checksum is wrong");
    if (!is_consistent(&header))
        return px_fail(reterr, PROXIMADB_CORRUPT, "its header makes no sense");
    if (header.size_bytes != content.size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has %zu bytes, and should have %llu",
                       content.size_bytes, (unsigned long long)header.size_bytes);
    return PROXIMADB_OK;
}

static int check_section(const struct px_ivf *ivf, enum px_ivf_section section,
                         struct proximadb_error *reterr)
{
    const struct px_ivf_disk_section *at = &ivf->header->sections[section];
    if (px_crc32c(0, ivf->content.data + at->offset, at->size_bytes) == at->checksum)
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_CORRUPT, "the checksum of its %s is wrong",
                   section_names[section]);
}

/* Whether lists have all blocks, and blocks all rows: searches rely on it. */
static bool are_lists_whole(const struct px_ivf *ivf)
{
    uint64_t group = 0, block = 0, row = 0;
    for (uint32_t i = 0; i < ivf->header->list_count; i++) {
        const struct px_ivf_disk_list *list = &ivf->lists[i];
        if (list->row_count == 0 || list->first_row != row || list->first_block != block ||
            list->block_count != px_ivf_blocks_of(list->row_count) || list->first_group != group ||
            list->group_count != px_ivf_blocks_of(list->block_count))
            return false;
        group += list->group_count;
        block += list->block_count;
        row += list->row_count;
    }
    return group == ivf->header->group_count && block == ivf->header->block_count &&
           row == ivf->header->row_count;
}

/* Whether each number is of a row, or of none. */
static bool are_rows_known(const struct px_ivf *ivf)
{
    uint64_t count = (uint64_t)ivf->header->block_count * PX_IVF_BLOCK_ROWS, seen = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (ivf->rows[i] >= ivf->header->row_count && ivf->rows[i] != PX_IVF_NO_ROW)
            return false;
        seen += ivf->rows[i] != PX_IVF_NO_ROW;
    }
    return seen == ivf->header->row_count;
}

static int check_content(const struct px_ivf *ivf, struct proximadb_error *reterr)
{
    int rc = check_section(ivf, PX_IVF_LISTS, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_section(ivf, PX_IVF_ROWS, reterr);
    if (rc == PROXIMADB_OK && (!are_lists_whole(ivf) || !are_rows_known(ivf)))
        rc = px_fail(reterr, PROXIMADB_CORRUPT, "its lists do not make up its rows");
    return rc;
}

static int check_identity(const struct px_ivf *ivf, const struct px_ivf_identity *expected,
                          struct proximadb_error *reterr)
{
    struct px_ivf_identity found = px_ivf_info(ivf).identity;
    if (expected == NULL ||
        (px_uuid_equal(found.collection_id, expected->collection_id) &&
         found.part_bytes == expected->part_bytes &&
         found.part_checksum == expected->part_checksum && found.dim_count == expected->dim_count &&
         found.metric == expected->metric))
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_CORRUPT,
                   "it is an index of another part, or of the part before it was written anew");
}

/* ---- opening -------------------------------------------------------------------------------- */

static int parse(struct px_ivf *ivf, struct px_slice content,
                 const struct px_ivf_identity *expected, struct proximadb_error *reterr)
{
    int rc = check_header(content, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_ivf__attach(ivf, content);
    rc = check_identity(ivf, expected, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_content(ivf, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rotation_init(&ivf->rotation, ivf->header->dim_count, PX_IVF_SEED, reterr);
    return rc;
}

int px_ivf_parse(struct px_slice content, const struct px_ivf_identity *expected,
                 struct px_ivf **ret_ivf, struct proximadb_error *reterr)
{
    assert((uintptr_t)content.data % sizeof(uint64_t) == 0);
    struct px_ivf *ivf = calloc(1, sizeof *ivf);
    if (ivf == NULL)
        return px_fail_no_memory(reterr);
    int rc = parse(ivf, content, expected, reterr);
    if (rc != PROXIMADB_OK) {
        free(ivf);
        return rc;
    }
    *ret_ivf = ivf;
    return PROXIMADB_OK;
}

int px_ivf_open(struct px_fs *fs, const char *path, const struct px_ivf_identity *expected,
                struct px_ivf **ret_ivf, struct proximadb_error *reterr)
{
    struct px_slice content;
    int rc = px_file_map(fs, path, &content, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_ivf_parse(content, expected, ret_ivf, reterr);
    if (rc != PROXIMADB_OK) {
        px_error_context(reterr, "%s", path);
        px_file_unmap(fs, content);
        return rc;
    }
    (*ret_ivf)->fs = fs;
    return PROXIMADB_OK;
}

/* Copies a mapped file. */
static int copy_content(struct px_slice content, struct px_pages *ret_pages,
                        struct proximadb_error *reterr)
{
    *ret_pages = (struct px_pages){0};
    int rc = px_pages_grow(ret_pages, content.size_bytes > 0 ? content.size_bytes : 1, reterr);
    if (rc == PROXIMADB_OK)
        memcpy(ret_pages->data, content.data, content.size_bytes);
    return rc;
}

int px_ivf_load(struct px_fs *fs, const char *path, const struct px_ivf_identity *expected,
                struct px_ivf **ret_ivf, struct proximadb_error *reterr)
{
    struct px_slice content;
    struct px_pages pages;
    int rc = px_file_map(fs, path, &content, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    size_t size_bytes = content.size_bytes;
    rc = copy_content(content, &pages, reterr);
    px_file_unmap(fs, content);
    if (rc == PROXIMADB_OK)
        rc = px_ivf_parse(px_slice_of(pages.data, size_bytes), expected, ret_ivf, reterr);
    if (rc != PROXIMADB_OK) {
        px_error_context(reterr, "%s", path);
        px_pages_release(&pages);
        return rc;
    }
    (*ret_ivf)->pages = pages;
    return PROXIMADB_OK;
}

int px_ivf_verify(const struct px_ivf *ivf, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (int section = 0; section < PX_IVF_SECTION_COUNT && rc == PROXIMADB_OK; section++)
        rc = check_section(ivf, (enum px_ivf_section)section, reterr);
    return rc;
}

void px_ivf_close(struct px_ivf *ivf)
{
    if (ivf == NULL)
        return;
    if (ivf->fs != NULL)
        px_file_unmap(ivf->fs, ivf->content);
    px_pages_release(&ivf->pages);
    px_rotation_release(&ivf->rotation);
    free(ivf);
}

/* ---- saving and looking --------------------------------------------------------------------- */

int px_ivf_save(const struct px_ivf *ivf, struct px_fs *fs, const char *path,
                struct proximadb_error *reterr)
{
    int fd = fs->open(fs, path, PX_FS_TRUNCATE);
    if (fd < 0)
        return px_fail_file(reterr, "cannot make %s", path);
    int rc = PROXIMADB_OK;
    if (fs->write_at(fs, fd, &ivf->content, 1, 0) < 0 || fs->sync_data(fs, fd) < 0)
        rc = px_fail_file(reterr, "cannot write %s", path);
    if (fs->close(fs, fd) < 0 && rc == PROXIMADB_OK)
        rc = px_fail_file(reterr, "cannot close %s", path);
    return rc;
}

struct px_ivf_info px_ivf_info(const struct px_ivf *ivf)
{
    const struct px_ivf_header *header = ivf->header;
    struct px_ivf_info info = {
        .row_count = header->row_count,
        .list_count = header->list_count,
        .block_count = header->block_count,
        .size_bytes = header->size_bytes,
        .identity = {.part_bytes = header->part_bytes,
                     .part_checksum = header->part_checksum,
                     .dim_count = header->dim_count,
                     .metric = (enum proximadb_metric)header->metric},
        .calibration = header->calibration,
    };
    memcpy(info.identity.collection_id.bytes, header->collection_id, PX_UUID_BYTES);
    return info;
}

struct px_slice px_ivf_content(const struct px_ivf *ivf)
{
    return ivf->content;
}

#include "viper/compaction.h"

#include "base/arena.h"
#include "os/file.h"
#include "parquet/parquet_writer.h"
#include "viper/kmeans.h"
#include "viper/part_columns.h"
#include "viper/part_writer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ROWS_PER_CLUSTER = 4096,
    MOST_ROWS_PER_CLUSTER = 65536,
    MOST_CLUSTERS = 100000,
    ROWS_BETWEEN_STOPS = 4096,
};

#define GROUP_TEXT_BYTES ((uint64_t)256 << 20)

/* A live row, by its part and its place there. */
struct live_row {
    uint32_t part;
    uint32_t row;
};

struct compaction {
    const struct px_compaction_input *input;
    struct px_compaction_output output;
    struct live_row *rows; /* in the order of parts and places */
    uint32_t *clusters;    /* of each of them, from 0 */
    uint64_t row_count;
    struct px_part_scratch scratch; /* of the vectors read last */
    struct px_kmeans kmeans;
    uint32_t cluster_count;
    uint64_t
        *begins; /* cluster_count + 1: where each cluster begins among the rows, sorted by it */
};

static bool stops(const struct compaction *compaction)
{
    const struct px_compaction_input *input = compaction->input;
    return input->should_stop != NULL && input->should_stop(input->context);
}

static int fail_stopped(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CANCELLED, "the compaction was stopped; nothing has changed");
}

/* ---- which rows ---------------------------------------------------------------------------- */

static int list_rows(struct compaction *compaction, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    uint64_t total = 0;
    for (size_t i = 0; i < input->part_count; i++)
        total += px_part_row_count(input->parts[i]);
    compaction->rows = malloc((total + 1) * sizeof *compaction->rows);
    compaction->clusters = malloc((total + 1) * sizeof *compaction->clusters);
    if (compaction->rows == NULL || compaction->clusters == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < input->part_count; i++) {
        const struct px_dead_rows *dead = px_part_dead_rows(input->parts[i]);
        uint32_t row_count = px_part_row_count(input->parts[i]);
        for (uint32_t row = 0; row < row_count; row++)
            if (px_dead_rows_is_live(dead, row, input->lsn))
                compaction->rows[compaction->row_count++] =
                    (struct live_row){.part = (uint32_t)i, .row = row};
        compaction->output.bytes_read += px_part_file(input->parts[i])->size_bytes;
    }
    return PROXIMADB_OK;
}

static int make_moved(struct compaction *compaction, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    struct px_compaction_output *output = &compaction->output;
    output->moved = calloc(input->part_count + 1, sizeof(struct px_moved *));
    if (output->moved == NULL)
        return px_fail_no_memory(reterr);
    output->part_count = input->part_count;
    for (size_t i = 0; i < input->part_count; i++) {
        size_t bytes = px_part_row_count(input->parts[i]) * sizeof(struct px_moved);
        output->moved[i] = malloc(bytes);
        if (output->moved[i] == NULL)
            return px_fail_no_memory(reterr);
        memset(output->moved[i], 0xff, bytes); /* PX_NOT_MOVED */
    }
    return PROXIMADB_OK;
}

/* ---- clustering ---------------------------------------------------------------------------- */

static int read_vectors(void *context, const uint64_t *row_indexes, size_t count,
                        float *ret_vectors, struct proximadb_error *reterr)
{
    struct compaction *compaction = context;
    uint32_t dim_count = compaction->input->collection->dim_count;
    for (size_t i = 0; i < count; i++) {
        struct live_row row = compaction->rows[row_indexes[i]];
        const float *vector;
        int rc = px_part_get_vector(compaction->input->parts[row.part], &compaction->scratch,
                                    row.row, &vector, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        memcpy(ret_vectors + i * dim_count, vector, dim_count * sizeof(float));
    }
    return PROXIMADB_OK;
}

static bool should_stop(void *context)
{
    return stops(context);
}

static int train(struct compaction *compaction, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    /* A cluster's texts are in memory at once: there are never too few, whatever is asked for. */
    uint64_t least = compaction->row_count / MOST_ROWS_PER_CLUSTER + 1;
    uint64_t wanted = input->cluster_count != 0 ? input->cluster_count
                                                : compaction->row_count / ROWS_PER_CLUSTER + 1;
    if (wanted < least)
        wanted = least;
    struct px_kmeans_options options = {
        .metric = input->collection->metric,
        .dim_count = input->collection->dim_count,
        .list_count = (uint32_t)(wanted < MOST_CLUSTERS ? wanted : MOST_CLUSTERS),
        .seed = (uint64_t)input->lsn,
    };
    struct px_kmeans_input rows = {.row_count = compaction->row_count,
                                   .read = read_vectors,
                                   .should_stop = should_stop,
                                   .context = compaction};
    int rc = px_kmeans_train(&options, &rows, &compaction->kmeans, reterr);
    if (rc == PROXIMADB_OK)
        compaction->cluster_count = (uint32_t)compaction->kmeans.centroids.row_count;
    return rc;
}

/* The clusters of all rows of one block, dead ones included, and of those the live ones, which
 * begin at *next in the list of rows. */
static int assign_block(struct compaction *compaction, uint32_t part,
                        const struct px_part_block *block, uint64_t *next,
                        struct proximadb_error *reterr)
{
    struct px_rows rows = {.data = block->vectors,
                           .stride_bytes = block->stride_bytes,
                           .row_count = block->row_count,
                           .dim_count = compaction->input->collection->dim_count};
    uint32_t *lists = malloc(block->row_count * sizeof *lists);
    if (lists == NULL)
        return px_fail_no_memory(reterr);
    px_kmeans_assign(&compaction->kmeans, &rows, lists, NULL);
    for (; *next < compaction->row_count; (*next)++) {
        struct live_row row = compaction->rows[*next];
        if (row.part != part || row.row >= block->first_row + block->row_count)
            break;
        compaction->clusters[*next] = lists[row.row - block->first_row];
    }
    free(lists);
    return PROXIMADB_OK;
}

static int assign(struct compaction *compaction, struct proximadb_error *reterr)
{
    uint64_t next = 0;
    while (next < compaction->row_count) {
        struct live_row row = compaction->rows[next];
        struct px_part_block block;
        if (stops(compaction))
            return fail_stopped(reterr);
        int rc = px_part_get_block(compaction->input->parts[row.part], &compaction->scratch,
                                   row.row, &block, reterr);
        if (rc == PROXIMADB_OK)
            rc = assign_block(compaction, row.part, &block, &next, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return PROXIMADB_OK;
}

static int count_clusters(struct compaction *compaction, struct proximadb_error *reterr)
{
    uint64_t *begins = calloc((size_t)compaction->cluster_count + 1, sizeof *begins);
    if (begins == NULL)
        return px_fail_no_memory(reterr);
    for (uint64_t i = 0; i < compaction->row_count; i++)
        begins[compaction->clusters[i] + 1]++;
    for (uint32_t cluster = 0; cluster < compaction->cluster_count; cluster++)
        begins[cluster + 1] += begins[cluster];
    compaction->begins = begins;
    return PROXIMADB_OK;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* The records of clusters [first, end), each in its place; views into `arena` and the parts. */
struct group {
    uint32_t first;
    uint32_t end;
    struct px_record *records;
    struct live_row *origins;
    uint64_t *next; /* by cluster - first: where its next record goes */
    struct px_arena arena;
};

static void group_release(struct group *group)
{
    free(group->records);
    free(group->origins);
    free(group->next);
    px_arena_release(&group->arena);
}

/* As many clusters from `first` on as their texts leave room for; at least one. */
static int group_init(const struct compaction *compaction, uint32_t first, struct group *group,
                      struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    uint64_t text_bytes = 0, all_rows = 0;
    for (size_t i = 0; i < input->part_count; i++) {
        text_bytes += px_part_memory_bytes(input->parts[i]);
        all_rows += px_part_row_count(input->parts[i]);
    }
    uint64_t most_rows =
        GROUP_TEXT_BYTES / (text_bytes / (all_rows + 1) + sizeof(struct px_record));
    *group = (struct group){.first = first, .end = first + 1};
    while (group->end < compaction->cluster_count &&
           compaction->begins[group->end + 1] - compaction->begins[first] <= most_rows)
        group->end++;
    size_t count = (size_t)(compaction->begins[group->end] - compaction->begins[first]);
    group->records = malloc((count + 1) * sizeof *group->records);
    group->origins = malloc((count + 1) * sizeof *group->origins);
    group->next = malloc((group->end - first) * sizeof *group->next);
    if (group->records == NULL || group->origins == NULL || group->next == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t cluster = first; cluster < group->end; cluster++)
        group->next[cluster - first] = compaction->begins[cluster] - compaction->begins[first];
    return PROXIMADB_OK;
}

/* Copies what the next read would overwrite: the vector of a plain part stays where it lies. */
static bool keep_record(struct group *group, const struct px_part *part, struct px_record *record)
{
    const char *metadata =
        px_arena_copy(&group->arena, record->metadata.data, record->metadata.size_bytes);
    const char *document =
        px_arena_copy(&group->arena, record->document.data, record->document.size_bytes);
    const void *vector = record->vector;
    if (!px_part_is_plain(part))
        vector = px_arena_copy(&group->arena, record->vector, record->dim_count * sizeof(float));
    if (metadata == NULL || document == NULL || vector == NULL)
        return false;
    record->vector = vector;
    record->metadata = px_slice_of(metadata, record->metadata.size_bytes);
    record->document = px_slice_of(document, record->document.size_bytes);
    return true;
}

/* Reads all parts front to back for the rows of the group. */
static int group_read(const struct compaction *compaction, struct group *group,
                      struct proximadb_error *reterr)
{
    struct px_part_reader *reader = NULL;
    uint32_t open_part = UINT32_MAX;
    int rc = PROXIMADB_OK;
    for (uint64_t i = 0; i < compaction->row_count && rc == PROXIMADB_OK; i++) {
        uint32_t cluster = compaction->clusters[i];
        struct live_row row = compaction->rows[i];
        if (i % ROWS_BETWEEN_STOPS == 0 && stops(compaction))
            rc = fail_stopped(reterr);
        if (cluster < group->first || cluster >= group->end || rc != PROXIMADB_OK)
            continue;
        if (row.part != open_part) {
            px_part_reader_free(reader);
            reader = NULL;
            open_part = row.part;
            rc = px_part_reader_new(compaction->input->parts[row.part], &reader, reterr);
            if (rc != PROXIMADB_OK)
                break;
        }
        uint64_t place = group->next[cluster - group->first]++;
        rc = px_part_read_record(reader, row.row, true, &group->records[place], reterr);
        group->origins[place] = row;
        if (rc == PROXIMADB_OK &&
            !keep_record(group, compaction->input->parts[row.part], &group->records[place]))
            rc = px_fail_no_memory(reterr);
    }
    px_part_reader_free(reader);
    return rc;
}

/* One part of records [begin, end) of the group. Folders are numbered from 1: 0 is for what is not
 * clustered. */
static int write_cluster(struct compaction *compaction, const struct group *group, uint32_t cluster,
                         uint64_t begin, uint64_t end, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    struct px_compaction_output *output = &compaction->output;
    struct px_manifest_file *file = &output->files[output->file_count];
    char path[PX_MANIFEST_PATH_BYTES];
    struct px_part_writer *writer;
    int rc = px_viper_part_path(input->viper, cluster + 1, path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_part_target target = {.fs = input->viper->fs,
                                    .store_folder = input->viper->folder.text,
                                    .path = path,
                                    .cluster = cluster + 1};
    rc = px_part_writer_open(&target, input->collection, &writer, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (uint64_t i = begin; i < end; i++) {
        struct live_row origin = group->origins[i];
        output->moved[origin.part][origin.row] = (struct px_moved){
            .target = (uint32_t)output->file_count, .row = px_part_writer_row_count(writer)};
        px_part_writer_add(writer, &group->records[i]);
    }
    rc = px_part_writer_finish(writer, file, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    output->file_count++;
    output->bytes_written += file->size_bytes;
    return px_viper_sync_name(input->viper, path, reterr);
}

static int group_write(struct compaction *compaction, const struct group *group,
                       struct proximadb_error *reterr)
{
    uint64_t base = compaction->begins[group->first];
    int rc = PROXIMADB_OK;
    for (uint32_t cluster = group->first; cluster < group->end && rc == PROXIMADB_OK; cluster++) {
        uint64_t begin = compaction->begins[cluster] - base;
        uint64_t end = compaction->begins[cluster + 1] - base;
        if (stops(compaction))
            rc = fail_stopped(reterr);
        else if (end > begin)
            rc = write_cluster(compaction, group, cluster, begin, end, reterr);
    }
    return rc;
}

static int write_parts(struct compaction *compaction, struct proximadb_error *reterr)
{
    struct px_compaction_output *output = &compaction->output;
    output->files = calloc((size_t)compaction->cluster_count + 1, sizeof *output->files);
    if (output->files == NULL)
        return px_fail_no_memory(reterr);
    int rc = PROXIMADB_OK;
    for (uint32_t first = 0; first < compaction->cluster_count && rc == PROXIMADB_OK;) {
        struct group group;
        rc = group_init(compaction, first, &group, reterr);
        if (rc == PROXIMADB_OK)
            rc = group_read(compaction, &group, reterr);
        if (rc == PROXIMADB_OK)
            rc = group_write(compaction, &group, reterr);
        first = group.end;
        group_release(&group);
    }
    output->row_count = compaction->row_count;
    return rc;
}

/* ---- centroids ----------------------------------------------------------------------------- */

static int append_centroids(const struct compaction *compaction, int fd,
                            struct px_parquet_written *ret_written, struct proximadb_error *reterr)
{
    struct px_viper *viper = compaction->input->viper;
    const struct px_rows *centroids = &compaction->kmeans.centroids;
    char version[16], id[PX_UUID_TEXT_BYTES];
    const struct px_parquet_column columns[] = {
        {.name = "cluster",
         .shape = PX_PARQUET_REQUIRED,
         .type = PX_PARQUET_INT32,
         .field_id = 1,
         .has_statistics = true},
        {.name = "centroid",
         .shape = PX_PARQUET_VECTOR,
         .type = PX_PARQUET_FLOAT,
         .field_id = 2,
         .element_field_id = 3,
         .dim_count = compaction->input->collection->dim_count},
    };
    struct px_parquet_writer *writer;
    int rc = px_parquet_writer_open(viper->fs, fd, columns, 2, &writer, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (uint32_t i = 0; i < compaction->cluster_count; i++) {
        const uint8_t *vector = (const uint8_t *)centroids->data + i * centroids->stride_bytes;
        px_parquet_append_i32(writer, 0, (int32_t)i + 1);
        px_parquet_append_vectors(writer, 1, vector, 1);
    }
    snprintf(version, sizeof version, "%d", PX_PART_FORMAT_VERSION);
    px_uuid_format(viper->collection_id, id);
    const struct px_parquet_key_value key_values[] = {
        {px_slice_of_string(px_part_key_format_version), px_slice_of_string(version)},
        {px_slice_of_string(px_part_key_collection_id), px_slice_of_string(id)},
    };
    rc = px_parquet_writer_finish(writer, key_values, 2, ret_written, reterr);
    px_parquet_writer_free(writer);
    return rc;
}

static int write_centroids(struct compaction *compaction, struct proximadb_error *reterr)
{
    struct px_viper *viper = compaction->input->viper;
    struct px_fs *fs = viper->fs;
    struct px_manifest_file *file = &compaction->output.centroids;
    struct px_parquet_written written;
    struct px_path path;
    char name[PX_MANIFEST_PATH_BYTES];
    snprintf(name, sizeof name, "vectors/centroids_%03u.parquet", px_viper_take_file_number(viper));
    int rc = px_path_format(&path, reterr, "%s/%s", viper->folder.text, name);
    if (rc != PROXIMADB_OK)
        return rc;
    int fd = fs->open(fs, path.text, PX_FS_CREATE);
    if (fd < 0)
        return px_fail_file(reterr, "cannot create '%s'", path.text);
    memcpy(file->path, name, sizeof name);
    rc = append_centroids(compaction, fd, &written, reterr);
    if (rc == PROXIMADB_OK && fs->sync_data(fs, fd) < 0)
        rc = px_fail_file(reterr, "cannot sync '%s'", path.text);
    (void)fs->close(fs, fd);
    if (rc != PROXIMADB_OK)
        return rc;
    file->size_bytes = written.size_bytes;
    file->row_count = written.row_count;
    file->crc32c = written.crc32c;
    compaction->output.bytes_written += written.size_bytes;
    return px_viper_sync_name(viper, name, reterr);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int run(struct compaction *compaction, struct proximadb_error *reterr)
{
    int rc = list_rows(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = make_moved(compaction, reterr);
    if (rc != PROXIMADB_OK || compaction->row_count == 0)
        return rc;
    rc = train(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = assign(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = count_clusters(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = write_parts(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = write_centroids(compaction, reterr);
    return rc;
}

int px_compaction_run(const struct px_compaction_input *input,
                      struct px_compaction_output *ret_output, struct proximadb_error *reterr)
{
    struct compaction compaction = {.input = input};
    int rc = run(&compaction, reterr);
    free(compaction.rows);
    free(compaction.clusters);
    free(compaction.begins);
    px_part_scratch_release(&compaction.scratch);
    px_kmeans_release(&compaction.kmeans);
    if (rc != PROXIMADB_OK) {
        px_compaction_discard(input->viper, &compaction.output);
        px_compaction_release(&compaction.output);
        return rc;
    }
    *ret_output = compaction.output;
    return PROXIMADB_OK;
}

void px_compaction_release(struct px_compaction_output *output)
{
    for (size_t i = 0; output->moved != NULL && i < output->part_count; i++)
        free(output->moved[i]);
    free(output->moved);
    free(output->files);
    *output = (struct px_compaction_output){0};
}

void px_compaction_discard(struct px_viper *viper, const struct px_compaction_output *output)
{
    for (size_t i = 0; i < output->file_count; i++)
        px_viper_remove_file(viper, output->files[i].path);
    px_viper_remove_file(viper, output->centroids.path);
}

#include "viper/compaction.h"

#include "os/file.h"
#include "viper/compaction_internal.h"

#include <stdio.h>
#include <stdlib.h>

int px_compaction__check(const struct px_compaction *compaction, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    if (input->should_stop != NULL && input->should_stop(input->context))
        return px_fail(reterr, PROXIMADB_CANCELLED,
                       "the compaction was stopped; nothing has changed");
    return PROXIMADB_OK;
}

bool px_compaction__should_stop(void *context)
{
    return px_compaction__check(context, NULL) != PROXIMADB_OK;
}

int px_compaction__read_vectors(void *context, const uint64_t *row_indexes, size_t count,
                                float *ret_vectors, struct proximadb_error *reterr)
{
    struct px_compaction *compaction = context;
    uint32_t dim_count = compaction->input->collection->dim_count;
    for (size_t i = 0; i < count; i++) {
        struct px_live_row row = compaction->rows[row_indexes[i]];
        const float *vector;
        int rc = px_part_get_vector(compaction->input->parts[row.part], &compaction->scratch,
                                    row.row, &vector, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        memcpy(ret_vectors + i * dim_count, vector, dim_count * sizeof(float));
    }
    return PROXIMADB_OK;
}

/* ---- which rows ---------------------------------------------------------------------------- */

static int list_rows(struct px_compaction *compaction, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = compaction->input;
    uint64_t total = 0;
    for (size_t i = 0; i < input->part_count; i++)
        total += px_part_row_count(input->parts[i]);
    compaction->rows = malloc((total + 1) * sizeof *compaction->rows);
    compaction->lists = calloc(total + 1, sizeof *compaction->lists); /* PX_NO_LIST */
    if (compaction->rows == NULL || compaction->lists == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < input->part_count; i++) {
        const struct px_dead_rows *dead = px_part_dead_rows(input->parts[i]);
        uint32_t row_count = px_part_row_count(input->parts[i]);
        for (uint32_t row = 0; row < row_count; row++)
            if (px_dead_rows_is_live(dead, row, input->lsn))
                compaction->rows[compaction->row_count++] =
                    (struct px_live_row){.part = (uint32_t)i, .row = row};
        compaction->output.bytes_read += px_part_file(input->parts[i])->size_bytes;
    }
    compaction->row_bytes = (double)compaction->output.bytes_read / (double)(total + 1) + 1.0;
    return PROXIMADB_OK;
}

static int make_moved(struct px_compaction *compaction, struct proximadb_error *reterr)
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

/* ---- centroids ----------------------------------------------------------------------------- */

static int write_centroids(struct px_compaction *compaction, struct proximadb_error *reterr)
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
    rc = px_clustering_write(compaction->input->clustering, fs, fd, viper->collection_id, &written,
                             reterr);
    if (rc == PROXIMADB_OK && fs->sync_data(fs, fd) < 0)
        rc = px_fail_file(reterr, "cannot sync '%s'", path.text);
    (void)fs->close(fs, fd);
    if (rc != PROXIMADB_OK) {
        px_error_context(reterr, "while '%s' was written", name);
        return rc;
    }
    file->size_bytes = written.size_bytes;
    file->row_count = written.row_count;
    file->crc32c = written.crc32c;
    compaction->output.bytes_written += written.size_bytes;
    return px_viper_sync_name(viper, name, reterr);
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* The recall of new clusters is what later ones are compared with. */
static int measure(struct px_compaction *compaction, struct proximadb_error *reterr)
{
    int rc = px_compaction__measure(compaction, &compaction->output.recall, reterr);
    if (rc == PROXIMADB_OK && compaction->input->kind == PX_COMPACTION_ALL)
        compaction->input->clustering->built_recall = compaction->output.recall;
    return rc;
}

static int run(struct px_compaction *compaction, struct proximadb_error *reterr)
{
    bool has_lists = compaction->input->kind != PX_COMPACTION_FOLD;
    int rc = list_rows(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = make_moved(compaction, reterr);
    if (rc != PROXIMADB_OK || compaction->row_count == 0)
        return rc;
    if (has_lists)
        rc = px_compaction__find_lists(compaction, reterr);
    if (rc == PROXIMADB_OK && has_lists)
        rc = measure(compaction, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_compaction__write_parts(compaction, reterr);
    if (rc == PROXIMADB_OK && has_lists)
        rc = write_centroids(compaction, reterr);
    return rc;
}

int px_compaction_run(const struct px_compaction_input *input,
                      struct px_compaction_output *ret_output, struct proximadb_error *reterr)
{
    struct px_compaction compaction = {.input = input};
    int rc = run(&compaction, reterr);
    free(compaction.rows);
    free(compaction.lists);
    px_part_scratch_release(&compaction.scratch);
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

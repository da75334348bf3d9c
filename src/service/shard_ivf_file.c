#include "service/shard_ivf_internal.h"

#include "os/file.h"
#include "os/file_replace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Files of a collection's codes:
 *
 *      store/NAME/indexes/ivf/part_007.axis         of vectors/cluster_001/part_007.parquet
 *                             part_008.axis.tmp     being written, or left over by a crash
 *                             effort.axis           what recall takes how much; of all parts
 *
 * The numbers of parts are given out once, so a name says which part it is of, and the file itself
 * says it again. Each is written and synced under its temporary name, renamed, and its folder
 * synced; it is removed when its part is in the view no more. They are derived: whatever is wrong
 * with them, the collection is served, and they are made anew.
 */
static const char effort_name[] = "effort.axis";
static const char suffix[] = ".axis";
static const char temporary_suffix[] = ".axis.tmp";

/* ---- names --------------------------------------------------------------------------------- */

static int format_path(const struct px_shard *shard, const char *name, const char *ending,
                       struct px_path *ret_path, struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/indexes/ivf/%s%s", shard->viper.folder.text, name,
                          ending);
}

struct stem {
    char text[PX_MANIFEST_PATH_BYTES];
};

/* part_007 of vectors/cluster_001/part_007.parquet */
static struct stem stem_of(const struct px_part *part)
{
    struct stem stem;
    const char *path = px_part_file(part)->path, *slash = strrchr(path, '/');
    snprintf(stem.text, sizeof stem.text, "%s", slash != NULL ? slash + 1 : path);
    char *dot = strrchr(stem.text, '.');
    if (dot != NULL)
        *dot = '\0';
    return stem;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), end_size = strlen(ending);
    return size >= end_size && strcmp(text + size - end_size, ending) == 0;
}

/* ---- saving -------------------------------------------------------------------------------- */

static int write_file(struct px_shard *shard, const struct px_ivf *ivf, const struct stem *stem,
                      struct px_path *ret_final, struct proximadb_error *reterr)
{
    struct px_fs *fs = shard->viper.fs;
    struct px_path temporary, folder;
    int rc = format_path(shard, stem->text, temporary_suffix, &temporary, reterr);
    if (rc == PROXIMADB_OK)
        rc = format_path(shard, stem->text, suffix, ret_final, reterr);
    if (rc == PROXIMADB_OK)
        rc = format_path(shard, "", "", &folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_ivf_save(ivf, fs, temporary.text, reterr);
    if (rc == PROXIMADB_OK && fs->rename(fs, temporary.text, ret_final->text) != 0)
        rc = px_fail_file(reterr, "cannot rename '%s'", temporary.text);
    else if (rc == PROXIMADB_OK && fs->sync_folder(fs, folder.text) != 0)
        return px_fail_file(reterr, "cannot sync the folder '%s'", folder.text);
    if (rc != PROXIMADB_OK)
        (void)fs->unlink(fs, temporary.text); /* a full disk wants its space back */
    return rc;
}

/* What was just made is searched where it lies, or, where the file is mapped, in the file. */
int px_shard__save_codes(struct px_ivf_step *step, struct px_ivf *ivf, struct px_ivf **ret_ivf,
                         struct proximadb_error *reterr)
{
    const struct px_collection *collection = &step->description->collection;
    struct stem stem = stem_of(step->source->part);
    struct px_path path;
    int rc = write_file(step->shard, ivf, &stem, &path, reterr);
    if (rc == PROXIMADB_OK && collection->index_memory == PROXIMADB_INDEX_FAST) {
        *ret_ivf = ivf;
        return PROXIMADB_OK;
    }
    px_ivf_close(ivf);
    if (rc == PROXIMADB_OK)
        rc = px_part_codes_open(step->shard->viper.fs, path.text, step->source->part, collection,
                                ret_ivf, reterr);
    return rc;
}

int px_shard__save_effort(struct px_shard *shard, const struct px_ivf_effort *effort,
                          struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    struct px_path path;
    px_ivf_effort_encode(effort, shard->id, &buffer);
    int rc = px_buffer_status(&buffer, reterr);
    if (rc == PROXIMADB_OK)
        rc = format_path(shard, effort_name, "", &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_file_replace(shard->viper.fs, path.text, px_buffer_slice(&buffer), NULL, reterr);
    px_buffer_release(&buffer);
    return rc;
}

/* ---- opening ------------------------------------------------------------------------------- */

/* PROXIMADB_NO_MEMORY, or what is wrong with the file. */
static int open_file(struct px_ivf_step *step, struct px_source *source,
                     struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    struct stem stem = stem_of(source->part);
    struct px_part_codes *codes;
    struct px_path path;
    struct px_ivf *ivf;
    int rc = format_path(shard, stem.text, suffix, &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_part_codes_open(shard->viper.fs, path.text, source->part,
                                &step->description->collection, &ivf, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_part_codes_new(ivf, 0, &codes, reterr); /* of no rebuild, if one is asked already */
    if (rc == PROXIMADB_OK)
        px_shard__attach_codes(shard, source, codes);
    else
        px_ivf_close(ivf);
    return rc;
}

/* Without the file, or if it is of no use, all is learnt from the codes. */
static void open_effort(struct px_shard *shard)
{
    struct px_buffer buffer = {0};
    struct px_ivf_effort effort;
    struct proximadb_error error;
    struct px_path path;
    int rc = format_path(shard, effort_name, "", &path, &error);
    if (rc == PROXIMADB_OK)
        rc = px_file_read(shard->viper.fs, path.text, PX_IVF_EFFORT_BYTES, &buffer, &error);
    bool is_there = rc == PROXIMADB_OK || error.os_errno != ENOENT;
    if (rc == PROXIMADB_OK)
        rc = px_ivf_effort_decode(px_buffer_slice(&buffer), shard->id, &effort, &error);
    px_buffer_release(&buffer);
    if (rc == PROXIMADB_OK) {
        pthread_mutex_lock(&shard->lock);
        shard->indexing.ivf.effort = effort;
        shard->indexing.ivf.fresh_row_count = 0; /* it was learnt from codes like these */
        pthread_mutex_unlock(&shard->lock);
    } else if (is_there) {
        px_log_write(&shard->context->log, PROXIMADB_LOG_WARNING,
                     "what was learnt of the index of collection '%s' is learnt anew: %s: %s",
                     shard->name, path.text, error.message);
    }
}

/* Whether a part that has no file should have one: it was there when the shard was opened. */
static bool is_missed(struct px_shard *shard, const struct px_source *source)
{
    return shard->indexing.had_rows && source->number < shard->indexing.ivf.first_fresh;
}

int px_shard__open_codes(struct px_ivf_step *step, uint32_t *ret_lost, char *reason,
                         size_t reason_bytes, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    *ret_lost = 0;
    for (uint32_t i = 0; i < step->view->source_count; i++) {
        struct px_source *source = step->view->sources[i];
        struct proximadb_error error = {0};
        if (!px_shard__is_listed(source))
            continue;
        if (px_shard__index_may_not_go_on(shard))
            return px_fail(reterr, PROXIMADB_CANCELLED, "indexing was stopped");
        int rc = open_file(step, source, &error);
        if (rc == PROXIMADB_NO_MEMORY)
            return px_fail_no_memory(reterr);
        if (rc == PROXIMADB_OK || !is_missed(shard, source))
            continue;
        if ((*ret_lost)++ == 0)
            snprintf(reason, reason_bytes, "%s", error.message);
    }
    open_effort(shard);
    return PROXIMADB_OK;
}

/* ---- sweeping ------------------------------------------------------------------------------ */

static bool is_of_part(const char *name, const struct px_view *view)
{
    for (uint32_t i = 0; i < view->source_count; i++) {
        if (view->sources[i]->part == NULL)
            continue;
        struct stem stem = stem_of(view->sources[i]->part);
        size_t size = strlen(stem.text);
        if (strncmp(name, stem.text, size) == 0 && strcmp(name + size, suffix) == 0)
            return true;
    }
    return false;
}

/* Files that are not ours are left alone. */
static bool is_left_over(const char *name, const struct px_view *view)
{
    if (ends_with(name, temporary_suffix))
        return true;
    return strncmp(name, "part_", 5) == 0 && ends_with(name, suffix) && !is_of_part(name, view);
}

int px_shard__sweep_codes(struct px_ivf_step *step, struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    struct px_path folder, path;
    struct px_names names;
    int rc = format_path(shard, "", "", &folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_folder_list(shard->viper.fs, folder.text, &names, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < names.count; i++)
        if (is_left_over(names.items[i].text, step->view) &&
            format_path(shard, names.items[i].text, "", &path, NULL) == PROXIMADB_OK)
            px_removal_gate_remove(shard->viper.gate, shard->viper.fs, path.text);
    px_names_release(&names);
    return PROXIMADB_OK;
}

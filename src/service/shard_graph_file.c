#include "service/shard_graph_internal.h"

#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Files of a collection's graphs:
 *
 *      store/NAME/indexes/hnsw/graph-000007.axis        the one that counts: the highest number
 *                              graph-000008.axis.tmp    being written, or left over by a crash
 *
 * A new file is written and synced under its temporary name, renamed, and its folder synced; only
 * then are older ones removed. So a crash finds the old one or the new one, whole. They are
 * derived: whatever is wrong with them, the collection is served, and the graph built anew.
 */
/* ---- names --------------------------------------------------------------------------------- */

static int format_folder(const struct px_shard *shard, struct px_path *ret_path,
                         struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/indexes/hnsw", shard->viper.folder.text);
}

static int format_file(const struct px_path *folder, uint64_t number, const char *suffix,
                       struct px_path *ret_path, struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/graph-%06llu.axis%s", folder->text,
                          (unsigned long long)number, suffix);
}

/* The number of a file by its name; 0: it is none of ours. */
static uint64_t parse_name(const char *name, bool *ret_temporary)
{
    unsigned long long number = 0;
    char again[64];
    if (sscanf(name, "graph-%llu.axis", &number) != 1 || number == 0)
        return 0;
    snprintf(again, sizeof again, "graph-%06llu.axis", number);
    *ret_temporary = strcmp(name, again) != 0;
    strncat(again, ".tmp", sizeof again - strlen(again) - 1);
    return !*ret_temporary || strcmp(name, again) == 0 ? number : 0;
}

/* ---- saving -------------------------------------------------------------------------------- */

/* Removes files but that of `kept`. What cannot be removed goes another time. */
static void remove_others(struct px_shard *shard, const struct px_path *folder, uint64_t kept)
{
    struct px_fs *fs = shard->viper.fs;
    struct px_names names;
    if (px_folder_list(fs, folder->text, &names, NULL) != PROXIMADB_OK)
        return;
    for (size_t i = 0; i < names.count; i++) {
        bool is_temporary;
        struct px_path path;
        uint64_t number = parse_name(names.items[i].text, &is_temporary);
        if (number != 0 && (is_temporary || number != kept) &&
            px_path_format(&path, NULL, "%s/%s", folder->text, names.items[i].text) == PROXIMADB_OK)
            px_removal_gate_remove(shard->viper.gate, fs, path.text);
    }
    px_names_release(&names);
}

static int write_file(struct px_shard *shard, struct px_graph_index *index,
                      const struct px_path *folder, uint64_t number, struct proximadb_error *reterr)
{
    struct px_fs *fs = shard->viper.fs;
    struct px_path temporary, final;
    int rc = format_file(folder, number, ".tmp", &temporary, reterr);
    if (rc == PROXIMADB_OK)
        rc = format_file(folder, number, "", &final, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph_save(index->graph, fs, temporary.text, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (fs->rename(fs, temporary.text, final.text) != 0) {
        rc = px_fail_file(reterr, "cannot rename '%s'", temporary.text);
        (void)fs->unlink(fs, temporary.text);
        return rc;
    }
    if (fs->sync_folder(fs, folder->text) != 0)
        return px_fail_file(reterr, "cannot sync the folder '%s'", folder->text);
    return PROXIMADB_OK;
}

static uint64_t file_size(struct px_shard *shard, const struct px_path *folder, uint64_t number)
{
    struct px_fs_info info;
    struct px_path path;
    if (format_file(folder, number, "", &path, NULL) != PROXIMADB_OK ||
        shard->viper.fs->info(shard->viper.fs, path.text, &info) != 0)
        return 0;
    return info.size_bytes;
}

/* The counts are of the moment before: what changes while the file is written counts as changed. */
int px_shard__save_graph(struct px_shard *shard, struct px_graph_index *index,
                         struct proximadb_error *reterr)
{
    struct px_indexing *state = &shard->indexing;
    struct px_path folder;
    pthread_mutex_lock(&shard->lock);
    uint64_t number = ++state->file_number, changed = state->changed_count;
    uint64_t row_count = index->row_count;
    pthread_mutex_unlock(&shard->lock);
    int rc = format_folder(shard, &folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = write_file(shard, index, &folder, number, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    uint64_t bytes = file_size(shard, &folder, number);
    pthread_mutex_lock(&shard->lock);
    state->saved_row_count = row_count;
    state->changed_count -= changed;
    state->file_bytes = bytes;
    state->must_save = false;
    pthread_mutex_unlock(&shard->lock);
    remove_others(shard, &folder, number);
    return PROXIMADB_OK;
}

/* ---- opening ------------------------------------------------------------------------------- */

/* The highest number in the folder; 0: there is no file. */
static int find_file(struct px_shard *shard, const struct px_path *folder, uint64_t *ret_number,
                     struct proximadb_error *reterr)
{
    struct px_names names;
    *ret_number = 0;
    int rc = px_folder_list(shard->viper.fs, folder->text, &names, reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < names.count; i++) {
        bool is_temporary;
        uint64_t number = parse_name(names.items[i].text, &is_temporary);
        if (!is_temporary && number > *ret_number)
            *ret_number = number;
    }
    px_names_release(&names);
    return rc;
}

static int open_file(struct px_index_step *step, const struct px_path *folder, uint64_t number,
                     struct px_graph **ret_graph, struct proximadb_error *reterr)
{
    const struct px_collection *collection = &step->description->collection;
    const struct px_graph_config config = {.dim_count = collection->dim_count,
                                           .metric = collection->metric,
                                           .memory = collection->index_memory};
    struct px_path path;
    int rc = format_file(folder, number, "", &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph_open(step->shard->viper.fs, path.text, &config, ret_graph, reterr);
    return rc;
}

static void note_file(struct px_shard *shard, const struct px_path *folder, uint64_t number,
                      const struct px_graph *graph)
{
    uint64_t bytes = graph != NULL ? file_size(shard, folder, number) : 0;
    pthread_mutex_lock(&shard->lock);
    shard->indexing.file_number = number;
    shard->indexing.file_bytes = bytes;
    shard->indexing.saved_row_count = graph != NULL ? px_graph_live_count(graph) : 0;
    pthread_mutex_unlock(&shard->lock);
}

int px_shard__open_graph(struct px_index_step *step, char *reason, size_t reason_bytes,
                         struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    struct px_graph *graph = NULL;
    struct proximadb_error error;
    struct px_path folder;
    uint64_t number;
    int rc = format_folder(shard, &folder, reterr);
    if (rc == PROXIMADB_OK)
        rc = find_file(shard, &folder, &number, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (number == 0) {
        snprintf(reason, reason_bytes, "%s", shard->indexing.had_rows ? "its file is missing" : "");
        return PROXIMADB_OK;
    }
    rc = open_file(step, &folder, number, &graph, &error);
    note_file(shard, &folder, number, graph);
    if (rc == PROXIMADB_OK)
        return px_shard__match_graph(step, graph, 0, reterr);
    if (rc == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    snprintf(reason, reason_bytes, "%s", error.message);
    return PROXIMADB_OK;
}

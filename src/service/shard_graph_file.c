#include "service/shard_graph_internal.h"

#include "base/hash.h"
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
enum { STEP_ROWS = 512 };

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

/* ---- slots by label ------------------------------------------------------------------------ */

/* An open-addressing table of the graph's live slots by their labels. */
struct label_table {
    const struct px_graph *graph;
    uint32_t *slots; /* owned; PX_NO_SLOT: free */
    uint64_t mask;
};

static uint64_t hash_label(int64_t label)
{
    return px_hash_memory(px_slice_of(&label, sizeof label));
}

static int make_table(const struct px_graph *graph, struct label_table *ret_table,
                      struct proximadb_error *reterr)
{
    uint32_t slot_count = px_graph_slot_count(graph);
    uint64_t capacity = 16;
    while (capacity < 2 * (uint64_t)slot_count)
        capacity *= 2;
    struct label_table table = {.graph = graph, .mask = capacity - 1};
    table.slots = malloc(capacity * sizeof *table.slots);
    if (table.slots == NULL)
        return px_fail_no_memory(reterr);
    memset(table.slots, 0xff, capacity * sizeof *table.slots);
    for (uint32_t slot = 0; slot < slot_count; slot++) {
        if (!px_graph_has_slot(graph, slot) || px_graph_is_dead(graph, slot))
            continue;
        uint64_t at = hash_label(px_graph_label(graph, slot)) & table.mask;
        while (table.slots[at] != PX_NO_SLOT)
            at = (at + 1) & table.mask;
        table.slots[at] = slot;
    }
    *ret_table = table;
    return PROXIMADB_OK;
}

static uint32_t find_label(const struct label_table *table, int64_t label)
{
    uint64_t at = hash_label(label) & table->mask;
    while (table->slots[at] != PX_NO_SLOT &&
           px_graph_label(table->graph, table->slots[at]) != label)
        at = (at + 1) & table->mask;
    return table->slots[at];
}

/* ---- finding rows again -------------------------------------------------------------------- */

struct matching {
    struct px_index_step *step;
    struct px_graph_index *index;
    struct label_table table;
    struct px_row_reader rows;
};

/* Connects rows of a source with the slots of their versions. */
static int match_rows(struct matching *matching, struct px_row_range range,
                      struct proximadb_error *reterr)
{
    struct px_shard *shard = matching->step->shard;
    struct px_source *source = matching->step->snapshot.view->sources[range.source_index];
    uint32_t slots[STEP_ROWS];
    for (uint32_t row = range.begin; row < range.end; row++) {
        int64_t version = px_row_reader_version(&matching->rows, range.source_index, row);
        slots[row - range.begin] = find_label(&matching->table, version);
    }
    int rc = px_row_reader_status(&matching->rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    pthread_mutex_lock(&shard->lock);
    for (uint32_t row = range.begin; row < range.end; row++)
        if (slots[row - range.begin] != PX_NO_SLOT)
            px_graph_index_attach(matching->index, slots[row - range.begin], source, row);
    pthread_mutex_unlock(&shard->lock);
    return PROXIMADB_OK;
}

static int match_source(struct matching *matching, uint32_t source_index,
                        struct proximadb_error *reterr)
{
    uint32_t row_count = px_snapshot_row_count(&matching->step->snapshot, source_index);
    int rc = PROXIMADB_OK;
    for (uint32_t row = 0; row < row_count && rc == PROXIMADB_OK; row += STEP_ROWS) {
        uint32_t end = row_count - row < STEP_ROWS ? row_count : row + STEP_ROWS;
        rc = px_shard__index_should_stop(matching->step)
                 ? px_fail(reterr, PROXIMADB_CANCELLED, "indexing was stopped")
                 : match_rows(matching, (struct px_row_range){source_index, row, end}, reterr);
    }
    return rc;
}

static int match_all(struct matching *matching, struct proximadb_error *reterr)
{
    const struct px_snapshot *snapshot = &matching->step->snapshot;
    int rc = make_table(matching->index->graph, &matching->table, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_row_reader_init(&matching->rows, snapshot, reterr);
    for (uint32_t i = 0; i < snapshot->view->source_count && rc == PROXIMADB_OK; i++)
        rc = match_source(matching, i, reterr);
    px_row_reader_release(&matching->rows);
    free(matching->table.slots);
    return rc;
}

static void kill_strays(struct px_shard *shard, struct px_graph_index *index)
{
    uint32_t slot_count = px_graph_slot_count(index->graph);
    for (uint32_t slot = 0; slot < slot_count; slot += STEP_ROWS) {
        uint32_t end = slot_count - slot < STEP_ROWS ? slot_count : slot + STEP_ROWS;
        pthread_mutex_lock(&shard->lock);
        px_graph_index_kill_strays(index, slot, end);
        pthread_mutex_unlock(&shard->lock);
    }
}

/* The index is taken. */
static int match(struct px_index_step *step, struct px_graph_index *index,
                 struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    struct matching matching = {.step = step, .index = index};
    px_shard__set_building(shard, index);
    int rc = match_all(&matching, reterr);
    if (rc != PROXIMADB_OK) {
        px_shard__set_building(shard, NULL);
        px_shard__clear_slots(&step->snapshot, index->side);
        px_graph_index_unref(index);
        return rc;
    }
    kill_strays(shard, index);
    px_shard__replace_index(shard, index);
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
                     struct px_graph_index **ret_index, struct proximadb_error *reterr)
{
    const struct px_collection *collection = &step->description->collection;
    const struct px_graph_config config = {.dim_count = collection->dim_count,
                                           .metric = collection->metric,
                                           .memory = collection->index_memory};
    struct px_graph *graph;
    struct px_path path;
    int rc = format_file(folder, number, "", &path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_graph_open(step->shard->viper.fs, path.text, &config, &graph, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_graph_index_new(graph, 0, ret_index, reterr);
    if (rc != PROXIMADB_OK)
        px_graph_free(graph);
    return rc;
}

static void note_file(struct px_shard *shard, const struct px_path *folder, uint64_t number,
                      const struct px_graph_index *index)
{
    uint64_t bytes = index != NULL ? file_size(shard, folder, number) : 0;
    pthread_mutex_lock(&shard->lock);
    shard->indexing.file_number = number;
    shard->indexing.file_bytes = bytes;
    shard->indexing.saved_row_count = index != NULL ? px_graph_live_count(index->graph) : 0;
    pthread_mutex_unlock(&shard->lock);
}

int px_shard__open_graph(struct px_index_step *step, char *reason, size_t reason_bytes,
                         struct proximadb_error *reterr)
{
    struct px_shard *shard = step->shard;
    struct px_graph_index *index = NULL;
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
    rc = open_file(step, &folder, number, &index, &error);
    note_file(shard, &folder, number, index);
    if (rc == PROXIMADB_OK)
        return match(step, index, reterr);
    if (rc == PROXIMADB_NO_MEMORY)
        return px_fail_no_memory(reterr);
    snprintf(reason, reason_bytes, "%s", error.message);
    return PROXIMADB_OK;
}

#include "viper/compaction_internal.h"

#include "base/arena.h"
#include "viper/part_writer.h"

#include <assert.h>
#include <stdlib.h>

enum { ROWS_BETWEEN_STOPS = 256 };

#define GROUP_BYTES ((uint64_t)256 << 20)

/* A list that has rows, in the order in which they are written. */
struct slot {
    uint32_t cluster;
    uint32_t id;
    uint64_t begin; /* where its rows begin among all of them, sorted by slot */
};

struct writing {
    struct px_compaction *compaction;
    struct slot *slots; /* owned; one more, which begins where all rows end */
    uint32_t slot_count;
    uint64_t most_rows;            /* of a group */
    struct px_part_writer *writer; /* of the present cluster; NULL: none is open */
    uint32_t cluster;
    char path[PX_MANIFEST_PATH_BYTES];
    uint64_t rows_done;
};

/* ---- the order ----------------------------------------------------------------------------- */

static int compare_slots(const void *a, const void *b)
{
    const struct slot *left = a, *right = b;
    if (left->cluster != right->cluster)
        return left->cluster < right->cluster ? -1 : 1;
    return (left->id > right->id) - (left->id < right->id);
}

/* One slot for each list; without lists one of cluster_000. */
static int make_slots(struct writing *writing, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = writing->compaction->input;
    bool has_lists = input->kind != PX_COMPACTION_FOLD;
    size_t count = has_lists ? input->clustering->list_count : 1;
    writing->slots = calloc(count + 1, sizeof *writing->slots);
    if (writing->slots == NULL)
        return px_fail_no_memory(reterr);
    writing->slot_count = (uint32_t)count;
    for (size_t i = 0; i < count && has_lists; i++)
        writing->slots[i] = (struct slot){.cluster = input->clustering->lists[i].cluster,
                                          .id = input->clustering->lists[i].id};
    qsort(writing->slots, count, sizeof *writing->slots, compare_slots);
    return PROXIMADB_OK;
}

/* What each row's list id becomes is its slot: by list index, then by row. */
static int sort_rows(struct writing *writing, struct proximadb_error *reterr)
{
    struct px_compaction *compaction = writing->compaction;
    const struct px_clustering *clustering = compaction->input->clustering;
    bool has_lists = compaction->input->kind != PX_COMPACTION_FOLD;
    uint32_t *slots = calloc(writing->slot_count, sizeof *slots);
    if (slots == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t slot = 0; slot < writing->slot_count && has_lists; slot++) {
        size_t index = 0;
        (void)px_clustering_find(clustering, writing->slots[slot].id, &index);
        slots[index] = slot;
    }
    for (uint64_t row = 0; row < compaction->row_count; row++) {
        size_t index = 0;
        bool found = !has_lists || px_clustering_find(clustering, compaction->lists[row], &index);
        assert(found);
        (void)found;
        compaction->lists[row] = slots[index];
        writing->slots[slots[index] + 1].begin++;
    }
    for (uint32_t slot = 0; slot < writing->slot_count; slot++)
        writing->slots[slot + 1].begin += writing->slots[slot].begin;
    free(slots);
    return PROXIMADB_OK;
}

/* ---- groups -------------------------------------------------------------------------------- */

/* The records of rows [begin, end) of all, sorted by slot; views into `arena` and the parts. It may
 * begin and end within a slot: a list can be as large as all that was flushed. */
struct group {
    uint64_t begin;
    uint64_t end;
    uint32_t first_slot; /* that has a row of it */
    uint32_t end_slot;
    struct px_record *records;
    struct px_live_row *origins;
    uint64_t *next; /* by slot - first_slot: the place of its next row */
    struct px_arena arena;
};

static void group_release(struct group *group)
{
    free(group->records);
    free(group->origins);
    free(group->next);
    px_arena_release(&group->arena);
}

/* Rows that a group may have: as many as their texts leave room for, and at least one. */
static uint64_t most_rows(const struct px_compaction_input *input)
{
    uint64_t text_bytes = 0, row_count = 0;
    for (size_t i = 0; i < input->part_count; i++) {
        text_bytes += px_part_memory_bytes(input->parts[i]);
        row_count += px_part_row_count(input->parts[i]);
    }
    uint64_t most_bytes = input->group_bytes > 0 ? input->group_bytes : GROUP_BYTES;
    return most_bytes / (text_bytes / (row_count + 1) + sizeof(struct px_record)) + 1;
}

/* The group that begins at `begin`, which is a row. */
static int group_init(const struct writing *writing, uint64_t begin, struct group *group,
                      struct proximadb_error *reterr)
{
    const struct slot *slots = writing->slots;
    uint64_t left = writing->compaction->row_count - begin, most = writing->most_rows;
    size_t count = (size_t)(left < most ? left : most);
    *group = (struct group){.begin = begin, .end = begin + count};
    while (slots[group->first_slot + 1].begin <= begin)
        group->first_slot++;
    for (group->end_slot = group->first_slot; slots[group->end_slot].begin < group->end;)
        group->end_slot++;
    group->records = malloc(count * sizeof *group->records);
    group->origins = malloc(count * sizeof *group->origins);
    group->next = malloc((group->end_slot - group->first_slot) * sizeof *group->next);
    if (group->records == NULL || group->origins == NULL || group->next == NULL)
        return px_fail_no_memory(reterr);
    for (uint32_t slot = group->first_slot; slot < group->end_slot; slot++)
        group->next[slot - group->first_slot] = slots[slot].begin;
    return PROXIMADB_OK;
}

/* Whether the next row of that slot is one of the group, and its place in there. */
static bool group_place(struct group *group, uint32_t slot, size_t *ret_place)
{
    if (slot < group->first_slot || slot >= group->end_slot)
        return false;
    uint64_t place = group->next[slot - group->first_slot]++;
    *ret_place = (size_t)(place - group->begin);
    return place >= group->begin && place < group->end;
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
static int group_read(const struct px_compaction *compaction, struct group *group,
                      struct proximadb_error *reterr)
{
    struct px_part_reader *reader = NULL;
    uint32_t open_part = UINT32_MAX;
    uint64_t read_count = 0;
    int rc = px_compaction__check(compaction, reterr);
    for (uint64_t i = 0; i < compaction->row_count && rc == PROXIMADB_OK; i++) {
        struct px_live_row row = compaction->rows[i];
        size_t place;
        if (!group_place(group, compaction->lists[i], &place))
            continue;
        if (++read_count % ROWS_BETWEEN_STOPS == 0)
            rc = px_compaction__check(compaction, reterr);
        if (rc == PROXIMADB_OK && row.part != open_part) {
            px_part_reader_free(reader);
            reader = NULL;
            open_part = row.part;
            rc = px_part_reader_new(compaction->input->parts[row.part], &reader, reterr);
        }
        if (rc != PROXIMADB_OK)
            break;
        rc = px_part_read_record(reader, row.row, true, &group->records[place], reterr);
        group->origins[place] = row;
        if (rc == PROXIMADB_OK &&
            !keep_record(group, compaction->input->parts[row.part], &group->records[place]))
            rc = px_fail_no_memory(reterr);
    }
    px_part_reader_free(reader);
    return rc;
}

/* ---- parts --------------------------------------------------------------------------------- */

static int begin_part(struct writing *writing, uint32_t cluster, struct proximadb_error *reterr)
{
    const struct px_compaction_input *input = writing->compaction->input;
    int rc = px_viper_part_path(input->viper, cluster, writing->path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_part_target target = {.fs = input->viper->fs,
                                    .store_folder = input->viper->folder.text,
                                    .path = writing->path,
                                    .cluster = cluster};
    writing->cluster = cluster;
    return px_part_writer_open(&target, input->collection, &writing->writer, reterr);
}

static int end_part(struct writing *writing, struct proximadb_error *reterr)
{
    struct px_compaction_output *output = &writing->compaction->output;
    struct px_manifest_file *file = &output->files[output->file_count];
    if (writing->writer == NULL)
        return PROXIMADB_OK;
    int rc = px_part_writer_finish(writing->writer, file, reterr);
    writing->writer = NULL;
    if (rc != PROXIMADB_OK)
        return rc;
    output->file_count++;
    output->bytes_written += file->size_bytes;
    return px_viper_sync_name(writing->compaction->input->viper, writing->path, reterr);
}

static int write_row(struct writing *writing, const struct group *group, size_t place,
                     struct proximadb_error *reterr)
{
    struct px_compaction *compaction = writing->compaction;
    struct px_live_row origin = group->origins[place];
    const struct px_compaction_input *input = compaction->input;
    compaction->output.moved[origin.part][origin.row] =
        (struct px_moved){.target = (uint32_t)compaction->output.file_count,
                          .row = px_part_writer_row_count(writing->writer)};
    px_part_writer_add(writing->writer, &group->records[place]);
    if (++writing->rows_done % ROWS_BETWEEN_STOPS != 0)
        return PROXIMADB_OK;
    if (input->progress != NULL)
        input->progress(input->context, writing->rows_done, compaction->row_count);
    return px_compaction__check(compaction, reterr);
}

/* The rows of a slot that the group has. */
static int write_slot(struct writing *writing, const struct group *group, const struct slot *slot,
                      struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    uint64_t begin = slot[0].begin > group->begin ? slot[0].begin : group->begin;
    uint64_t end = slot[1].begin < group->end ? slot[1].begin : group->end;
    if (writing->writer != NULL && writing->cluster != slot->cluster)
        rc = end_part(writing, reterr);
    if (rc == PROXIMADB_OK && writing->writer == NULL)
        rc = begin_part(writing, slot->cluster, reterr);
    if (rc == PROXIMADB_OK && slot->id != PX_NO_LIST && begin == slot->begin)
        px_part_writer_begin_list(writing->writer, slot->id);
    for (uint64_t i = begin; i < end && rc == PROXIMADB_OK; i++)
        rc = write_row(writing, group, (size_t)(i - group->begin), reterr);
    return rc;
}

static int group_write(struct writing *writing, const struct group *group,
                       struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (uint32_t slot = group->first_slot; slot < group->end_slot && rc == PROXIMADB_OK; slot++)
        if (writing->slots[slot].begin < writing->slots[slot + 1].begin)
            rc = write_slot(writing, group, &writing->slots[slot], reterr);
    return rc;
}

static int write_groups(struct writing *writing, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (uint64_t row = 0; row < writing->compaction->row_count && rc == PROXIMADB_OK;) {
        struct group group;
        rc = group_init(writing, row, &group, reterr);
        if (rc == PROXIMADB_OK)
            rc = group_read(writing->compaction, &group, reterr);
        if (rc == PROXIMADB_OK)
            rc = group_write(writing, &group, reterr);
        row = group.end;
        group_release(&group);
    }
    return rc == PROXIMADB_OK ? end_part(writing, reterr) : rc;
}

int px_compaction__write_parts(struct px_compaction *compaction, struct proximadb_error *reterr)
{
    struct writing writing = {.compaction = compaction, .most_rows = most_rows(compaction->input)};
    struct px_compaction_output *output = &compaction->output;
    int rc = make_slots(&writing, reterr);
    if (rc == PROXIMADB_OK)
        rc = sort_rows(&writing, reterr);
    if (rc == PROXIMADB_OK) {
        output->files = calloc((size_t)writing.slot_count + 1, sizeof *output->files);
        rc = output->files != NULL ? write_groups(&writing, reterr) : px_fail_no_memory(reterr);
    }
    px_part_writer_abort(writing.writer);
    free(writing.slots);
    output->row_count = compaction->row_count;
    return rc;
}

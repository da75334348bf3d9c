/*
 * view: which memtables and parts a collection consists of, and how a reader holds on to them.
 *
 *   source    a memtable or a part, with a number of its own in this process
 *   view      the sources of one moment: parts, frozen memtables, and last the active memtable
 *   snapshot  a view with an LSN: the rows of its sources that were visible at that LSN
 *
 * Views are never changed but replaced, when a memtable is frozen, flushed, or parts are compacted.
 * Sources and views are counted references: what a reader holds stays, whatever replaces it; a
 * part's file is removed when its last reader is done.
 *
 * A source that was replaced knows where each of its rows went (`moved`), so that a location that
 * was looked up before stays good: follow it with px_source_resolve(). It holds its targets, and
 * they theirs, so files of all that came later would stay as long as the first of them. Therefore
 * who wants to follow rows says so, and takes care to end soon; when nobody does any more the
 * source forgets where its rows went. Who only reads has a reference, which keeps what it reads.
 *
 *      reference   its rows can be read        views and whoever works with one; for hours, maybe
 *      follower    its rows can be followed    the shard's table while an index points here;
 *                                              sources whose rows came here; steps of an index, and
 *                                              writes
 *
 * Threads: references are counted atomically; `moved`, followers, `id_reader` and `scratch` are
 * guarded by the shard's lock, and so are writing `slots`, `arriving_count` and `view_index`;
 * `codes` and `has_no_lists` are, too.
 */
#ifndef PX_SERVICE_VIEW_H
#define PX_SERVICE_VIEW_H

#include "service/id_index.h"
#include "service/part_codes.h"
#include "service/slot_map.h"
#include "viper/viper.h"

/* A collection's rows may be in two graphs at once: the one that is searched, and the one that is
 * built to take its place. */
enum { PX_GRAPH_SIDES = 2 };

struct px_source {
    atomic_uint reference_count;
    uint32_t number;              /* given by the shard; 0 before */
    uint32_t view_index;          /* in the shard's present view, while it is in it */
    uint32_t scratch;             /* of who walks over sources under the shard's lock; else 0 */
    struct px_memtable *memtable; /* owned; NULL for a part */
    struct px_part *part;         /* owned; NULL for a memtable */

    struct px_slot_map slots[PX_GRAPH_SIDES]; /* of its rows in graphs (service/graph_index.h) */
    uint64_t slots_of[PX_GRAPH_SIDES];        /* before it has a number: of which graphs; 0: none */
    struct px_part_codes *codes; /* a reference; of an IVF collection's part; NULL: none (yet) */
    bool has_no_lists;           /* there is nothing to make codes of */
    uint32_t arriving_count; /* sources whose rows came here, with slots that are still to follow */

    struct px_part_reader *id_reader; /* made when first needed; for looking ids up */
    struct px_moved *moved;           /* owned; one for each row, once the source is replaced */
    struct px_source **targets;       /* owned, with a reference each, and followed */
    uint32_t target_count;
    uint32_t follower_count;
    bool has_forgotten;            /* where its rows went: `moved` is of no use any more */
    struct px_source *next_forgot; /* in a list of such */
};

/* One reference. Either the memtable or the part is taken on success. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_source_new(struct px_memtable *memtable, struct px_part *part,
                                struct px_source **ret_source, struct proximadb_error *reterr);
struct px_source *px_source_ref(struct px_source *source);
void px_source_unref(struct px_source *source); /* accepts NULL */

/* Records where the rows went. moved and the array of targets are taken; of each target a reference
 * is taken for the source, which follows it. */
void px_source_set_moved(struct px_source *source, struct px_moved *moved,
                         struct px_source **targets, uint32_t target_count);

/* Follows a row to where it is now: true, and *source and *row changed. False if it is gone. The
 * new source is held by the old one, which must have a follower. */
bool px_source_resolve(struct px_source **source, uint32_t *row);

/* Sources that have just forgotten, with a reference each, in a list. A zeroed struct is empty. */
struct px_forgot {
    struct px_source *first, *last;
};

/* One more follower, and one fewer: sources that have none left, if they were replaced, are
 * appended to the list. Give it to px_forgot_release() when the lock is free again: it may remove
 * files. */
void px_source_follow(struct px_source *source);
void px_source_unfollow(struct px_source *source, struct px_forgot *forgot);
void px_forgot_release(struct px_forgot *forgot);

/* Whether its rows are elsewhere by now. */
static inline bool px_source_is_replaced(const struct px_source *source)
{
    return source->has_forgotten || source->moved != NULL; /* one that forgot has lost both */
}

/* Its rows; of the active memtable those that are published. */
uint32_t px_source_row_count(const struct px_source *source);

/* The LSN that killed the row; 0: none. */
int64_t px_source_killed_at(const struct px_source *source, uint32_t row);

/* The first of rows `row` to end - 1 that is alive and has no slot on that side; `end`: there is
 * none. */
uint32_t px_source_next_without_slot(const struct px_source *source, unsigned side, uint32_t row,
                                     uint32_t end);

/* Whether any of its rows has an expiry. */
bool px_source_has_expiry(const struct px_source *source);

struct px_view {
    atomic_uint reference_count;
    uint32_t source_count; /* at least 1: the last is the active memtable */
    struct px_source *sources[];
};

/* One reference; takes one of each source. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_view_new(struct px_source *const *sources, uint32_t source_count,
                              struct px_view **ret_view, struct proximadb_error *reterr);
struct px_view *px_view_ref(struct px_view *view);
void px_view_unref(struct px_view *view); /* accepts NULL */

/* Whether any of its rows has an expiry. */
bool px_view_may_expire(const struct px_view *view);

/* The index of a source in the view, or source_count. */
uint32_t px_view_find(const struct px_view *view, const struct px_source *source);

struct px_snapshot {
    struct px_view *view;      /* a reference */
    int64_t lsn;               /* rows of later versions are not seen */
    int64_t now_ms;            /* rows that expire at or before it are not seen */
    uint64_t live_count;       /* rows that are seen, expired ones included */
    uint32_t active_row_count; /* of the last source */
};

/* A row of a snapshot, and rows side by side: [begin, end). */
struct px_row_place {
    uint32_t source_index;
    uint32_t row;
};

struct px_row_range {
    uint32_t source_index;
    uint32_t begin;
    uint32_t end;
};

void px_snapshot_release(struct px_snapshot *snapshot); /* accepts a zeroed one */

/* Rows of a source of the snapshot's view. */
uint32_t px_snapshot_row_count(const struct px_snapshot *snapshot, uint32_t source_index);

/* Of all its sources. */
uint64_t px_snapshot_total_rows(const struct px_snapshot *snapshot);

/* Whether a row that is seen may have expired. */
bool px_snapshot_may_expire(const struct px_snapshot *snapshot);

#endif /* PX_SERVICE_VIEW_H */

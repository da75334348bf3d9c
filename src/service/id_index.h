/*
 * id_index: where the newest row of an id is: hash of the id -> source and row.
 *
 * It holds no ids: 16 bytes a row. Two ids may have the same hash, so a hit is a place to look at,
 * and whoever asks compares the id there; a miss is certain, and costs one probe however many parts
 * the collection has.
 *
 * 256 segments by the upper bits of the hash, each an open-addressing table with linear probing
 * that doubles by itself, so that growing never stops the world: a segment of a million-row
 * collection has 64 KiB. Removal shifts entries back instead of leaving marks, so tables do not
 * wear out.
 *
 * It is derived from the rows and never written to a file.
 *
 * Threads: externally serialised (the collection's lock).
 */
#ifndef PX_SERVICE_ID_INDEX_H
#define PX_SERVICE_ID_INDEX_H

#include "base/error.h"

enum { PX_ID_SEGMENTS = 256 };

/* A row, by the number of its part or memtable (service/view.h) and its place there. */
struct px_location {
    uint32_t source;
    uint32_t row;
};

struct px_id_entry {
    uint64_t hash;
    struct px_location location; /* source 0: the slot is free */
};

struct px_id_segment {
    struct px_id_entry *slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
    uint32_t reserved; /* entries that may be put without growing, beyond count */
};

/* A zeroed struct is an empty index. */
struct px_id_index {
    struct px_id_segment segments[PX_ID_SEGMENTS];
    uint64_t count;
};

void px_id_index_release(struct px_id_index *index);

/* Walks the entries of a hash. Begin with a zeroed walk; false behind the last. The index must not
 * change meanwhile. */
struct px_id_walk {
    uint32_t step;
};
bool px_id_index_next(const struct px_id_index *index, uint64_t hash, struct px_id_walk *walk,
                      struct px_location *ret_location);

/* Makes room for one more entry of this hash, so that its px_id_index_put() cannot fail.
 * Reservations add up until they are used or given back. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_id_index_reserve(struct px_id_index *index, uint64_t hash,
                                      struct proximadb_error *reterr);
void px_id_index_unreserve(struct px_id_index *index, uint64_t hash);

/* Adds an entry, for which room was reserved. Entries of one hash may be any number. */
void px_id_index_put(struct px_id_index *index, uint64_t hash, struct px_location location);

/* Changes where an entry points to. False if there is none with that hash and location. */
bool px_id_index_move(struct px_id_index *index, uint64_t hash, struct px_location from,
                      struct px_location to);

/* Removes an entry. False if there is none with that hash and location. */
bool px_id_index_remove(struct px_id_index *index, uint64_t hash, struct px_location location);

/* Memory it holds. */
uint64_t px_id_index_size_bytes(const struct px_id_index *index);

#endif /* PX_SERVICE_ID_INDEX_H */

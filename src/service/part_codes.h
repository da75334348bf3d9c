/*
 * part_codes: the codes of a part (axis/ivf.h), by which collections of index type IVF are
 * searched.
 *
 * A part of a cluster holds its rows in the order of its lists (viper/part_lists.h), and its codes
 * are made of these. They hang on the part's source (service/view.h), are replaced as a whole, and
 * live until the last search that holds them is done, whatever becomes of their file meanwhile.
 *
 * Threads: references are counted atomically; what is in them never changes. Making is for one
 * thread with its crew.
 */
#ifndef PX_SERVICE_PART_CODES_H
#define PX_SERVICE_PART_CODES_H

#include "axis/ivf.h"
#include "viper/part.h"

#include <stdatomic.h>

struct px_crew;

struct px_part_codes {
    atomic_uint reference_count;
    struct px_ivf *ivf; /* owned */
    uint64_t round;     /* of the collection's builds; a later one makes others */
};

/* One reference; the index is taken on success. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_part_codes_new(struct px_ivf *ivf, uint64_t round,
                                    struct px_part_codes **ret_codes,
                                    struct proximadb_error *reterr);
struct px_part_codes *px_part_codes_ref(struct px_part_codes *codes);
void px_part_codes_unref(struct px_part_codes *codes); /* accepts NULL */

/* What they are made of. Everything is borrowed. */
struct px_part_codes_input {
    struct px_part *part;
    const struct px_collection *collection;
    struct px_crew *crew; /* NULL: nobody helps */

    bool (*should_stop)(void *context); /* NULL: never */
    void (*note_rows)(void *context,
                      uint32_t more_done); /* on any thread of the crew; may be NULL */
    void *context;
};

/* Makes the index of a part, in memory; *ret_ivf is NULL where the part has no lists. Otherwise
 * close it with px_ivf_close(). PROXIMADB_CANCELLED, PROXIMADB_CORRUPT (the part),
 * PROXIMADB_TOO_LARGE, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_part_codes_make(const struct px_part_codes_input *input,
                                     struct px_ivf **ret_ivf, struct proximadb_error *reterr);

/* Opens the file that is at `path`, if it is of this part and undamaged to the last byte: mapped,
 * or under PROXIMADB_INDEX_FAST copied to memory. Errors as px_ivf_open(). */
PX_MUST_CHECK int px_part_codes_open(struct px_fs *fs, const char *path, const struct px_part *part,
                                     const struct px_collection *collection,
                                     struct px_ivf **ret_ivf, struct proximadb_error *reterr);

#endif /* PX_SERVICE_PART_CODES_H */

/*
 * part_lists: which rows of a part belong to which list, as its footer says.
 *
 * A part of a cluster holds its rows in the order of its lists, so a list is a range of rows: the
 * posting list of an inverted index. The key proximadb.lists has, in the order of the rows, the id
 * and the number of rows of each, "ID:ROWS" with a comma between two:
 *
 *      7:2048,9:1990,12:305        rows 0 to 2,047 are of list 7, and so on
 *
 * What a list is: viper/clustering.h. Parts of cluster_000, and those of versions without lists,
 * have no such key.
 *
 * Threads: any.
 */
#ifndef PX_VIPER_PART_LISTS_H
#define PX_VIPER_PART_LISTS_H

#include "base/buffer.h"
#include "viper/part.h"

extern const char px_part_lists_key[]; /* "proximadb.lists" */

/* Appends a list, which has rows; lists are appended in the order of their rows. */
void px_part_lists_append(struct px_buffer *text, uint32_t id, uint32_t row_count);

struct px_part_list {
    uint32_t id;
    uint32_t first_row;
    uint32_t row_count; /* more than 0 */
};

struct px_part_lists {
    struct px_part_list *items; /* owned */
    size_t count;               /* 0: the part has no lists */
};

/* Reads the value of the key for a part of so many rows. Release with px_part_lists_release().
 * PROXIMADB_CORRUPT, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_part_lists_parse(struct px_slice text, uint32_t row_count,
                                      struct px_part_lists *ret_lists,
                                      struct proximadb_error *reterr);

/* The lists of a part, none where it says nothing of any. PROXIMADB_CORRUPT, naming the file;
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_part_lists_read(struct px_part *part, struct px_part_lists *ret_lists,
                                     struct proximadb_error *reterr);

void px_part_lists_release(struct px_part_lists *lists); /* accepts a zeroed struct */

#endif /* PX_VIPER_PART_LISTS_H */

/*
 * map_reader: takes one metadata map after the other out of a payload, each checked, in canonical
 * form (model/metadata.h), and fitted to the collection's filterable fields.
 *
 * The bytes stay where they are if they are canonical and fit already, as those of every common
 * client are; otherwise the new form is copied to an arena. Either way it lives as long as payload
 * and arena both do.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PAYLOAD_MAP_READER_H
#define PX_PAYLOAD_MAP_READER_H

#include "avro/cursor.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "model/collection.h"

struct px_map_reader {
    const struct px_collection *collection; /* kept; NULL: nothing is fitted */
    struct px_arena *arena;                 /* kept */
    struct px_buffer canonical;             /* owned scratch */
    struct px_buffer fitted;                /* owned scratch */
};

void px_map_reader_init(struct px_map_reader *reader, const struct px_collection *collection,
                        struct px_arena *arena);
void px_map_reader_release(struct px_map_reader *reader);

/* Reads the map at the cursor, which moves behind it; after a failure it is where it was.
 * PROXIMADB_INVALID: no Avro map, or an entry breaks a rule; PROXIMADB_NO_MEMORY. */
PX_MUST_CHECK int px_map_reader_read(struct px_map_reader *reader, struct px_cursor *cursor,
                                     struct px_slice *ret_metadata, struct proximadb_error *reterr);

#endif /* PX_PAYLOAD_MAP_READER_H */

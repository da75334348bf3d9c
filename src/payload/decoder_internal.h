/*
 * decoder: what the decoders of all request schemas share: parts that are read and checked in one
 * step, and the walk over the rows of a batch.
 *
 * A function that reads a part leaves the error in decoder->reterr. Whatever is wrong with a
 * request is PROXIMADB_INVALID, malformed bytes included: they are the client's mistake, and
 * nothing of ours is damaged.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PAYLOAD_DECODER_INTERNAL_H
#define PX_PAYLOAD_DECODER_INTERNAL_H

#include "payload/batch.h"
#include "payload/map_reader.h"

struct px_decoder {
    struct px_cursor cursor;
    struct px_map_reader maps;
    const struct px_collection *collection; /* kept; NULL where the schema needs none */
    struct px_arena *arena;                 /* kept */
    const char *what;                       /* the schema's name, for messages */
    struct proximadb_error *reterr;
};

/* `datum` and `arena` are kept. Metadata is fitted to `collection`, unless it is NULL. */
struct px_decoder px_decoder__of(struct px_slice datum, const char *what,
                                 const struct px_collection *collection, struct px_arena *arena,
                                 struct proximadb_error *reterr);
void px_decoder__release(struct px_decoder *decoder);

/* What the cursor has to say, so far and at the end of the datum. */
PX_MUST_CHECK int px_decoder__check(struct px_decoder *decoder);
PX_MUST_CHECK int px_decoder__finish(struct px_decoder *decoder);

/* Each reads one value and checks it by its rule in payload/validate.h. */
PX_MUST_CHECK int px_decoder__id(struct px_decoder *decoder, struct px_slice *ret_id);
PX_MUST_CHECK int px_decoder__vector(struct px_decoder *decoder, const void **ret_vector);
PX_MUST_CHECK int px_decoder__document(struct px_decoder *decoder, struct px_slice *ret_document);
PX_MUST_CHECK int px_decoder__map(struct px_decoder *decoder, struct px_slice *ret_metadata);

/* How the rows of a batch look. A row's struct begins with its id, a struct px_slice. */
struct px_decoder_rows {
    size_t row_bytes;            /* of its struct */
    size_t smallest_item_bytes;  /* of any row's datum; a count that needs more is refused */
    size_t smallest_valid_bytes; /* of a valid row's datum: what memory is measured by */

    /* Reads and checks one row; *ret_hash is px_hash_memory() of its id. */
    int (*read)(struct px_decoder *decoder, void *row, uint64_t *ret_hash);
};

struct px_decoder_batch {
    const uint8_t *request_id; /* view into the datum */
    uint32_t row_count;
    void *rows; /* of the arena */
};

/* Reads a whole batch: request id, rows with distinct ids, at least one, and then the end. */
PX_MUST_CHECK int px_decoder__batch(struct px_decoder *decoder,
                                    const struct px_decoder_rows *format,
                                    struct px_decoder_batch *ret_batch);

#endif /* PX_PAYLOAD_DECODER_INTERNAL_H */

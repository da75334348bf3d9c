/*
 * schemas: the schemas of schemas/, which the build embeds, and how a payload names its own.
 *
 * A payload is one datum in Avro's single-object encoding:
 *
 *      OFFSET  SIZE    MEANING
 *      0       2       C3 01, the marker
 *      2       8       CRC-64-AVRO fingerprint of the writer's schema, little-endian
 *      10      ...     the datum, to the end
 *
 * A schema is never edited once it is released: a new version is a new file with a name of its own.
 * So a fingerprint says exactly how the datum is to be read, and an unknown one says that the other
 * side is newer, or speaks of something else.
 *
 * The fingerprints are computed from the embedded texts when the first is asked for. That takes a
 * little memory, so everything that needs one may fail with PROXIMADB_NO_MEMORY.
 *
 * Threads: any thread.
 */
#ifndef PX_AVRO_SCHEMAS_H
#define PX_AVRO_SCHEMAS_H

#include "base/buffer.h"

/* In the order in which an error message lists them: what clients send, then what they get. */
enum px_schema {
    PX_SCHEMA_VECTOR_BATCH,
    PX_SCHEMA_UPDATE_BATCH,
    PX_SCHEMA_DELETE_BATCH,
    PX_SCHEMA_SEARCH_REQUEST,
    PX_SCHEMA_GET_REQUEST,
    PX_SCHEMA_SCAN_REQUEST,
    PX_SCHEMA_COUNT_REQUEST,
    PX_SCHEMA_COMPACT_REQUEST,
    PX_SCHEMA_REBUILD_INDEX_REQUEST,
    PX_SCHEMA_COLLECTION_SPEC,
    PX_SCHEMA_COLLECTION_CHANGE,
    PX_SCHEMA_WRITE_RESULT,
    PX_SCHEMA_SEARCH_RESULT,
    PX_SCHEMA_RECORD_BATCH,
    PX_SCHEMA_COUNT_RESULT,
    PX_SCHEMA_COMPACT_RESULT,
    PX_SCHEMA_COLLECTION_INFO,
    PX_SCHEMA_COLLECTION_LIST,
    PX_SCHEMA_WAL_ENTRY, /* only ever the schema of a log file */
    PX_SCHEMA_TOTAL,
};

enum { PX_PAYLOAD_HEADER_BYTES = 10 };

/* "VectorBatch"; all are in the namespace proximadb.v1. */
const char *px_schema_name(enum px_schema schema);

/* The text of the schema's file. */
struct px_slice px_schema_text(enum px_schema schema);

/* PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_schema_fingerprint(enum px_schema schema, uint64_t *ret_fingerprint,
                                        struct proximadb_error *reterr);

/* The schema of a fingerprint. PROXIMADB_UNIMPLEMENTED, with a list of the known ones;
 * PROXIMADB_NO_MEMORY. */
PX_MUST_CHECK int px_schema_find(uint64_t fingerprint, enum px_schema *ret_schema,
                                 struct proximadb_error *reterr);

/* Takes a payload apart; *ret_datum is a view into it. PROXIMADB_INVALID: not in single-object
 * encoding; otherwise as px_schema_find(). */
PX_MUST_CHECK int px_payload_open(struct px_slice payload, enum px_schema *ret_schema,
                                  struct px_slice *ret_datum, struct proximadb_error *reterr);

/* The same where only one schema will do. PROXIMADB_INVALID also for another one. */
PX_MUST_CHECK int px_payload_expect(struct px_slice payload, enum px_schema expected,
                                    struct px_slice *ret_datum, struct proximadb_error *reterr);

/* Appends the marker and the fingerprint, behind which the datum goes. Failures mark the buffer. */
void px_payload_begin(struct px_buffer *buffer, enum px_schema schema);

#endif /* PX_AVRO_SCHEMAS_H */

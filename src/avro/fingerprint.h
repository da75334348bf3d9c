/*
 * fingerprint: which schema wrote these bytes, as a number of 64 bits.
 *
 * Two texts of one schema may differ in blanks, documentation and the order of keys, none of which
 * changes a datum. Avro's parsing canonical form takes all that away; CRC-64-AVRO of its bytes is
 * the fingerprint that single-object encoding carries (Avro 1.11 specification, "Parsing Canonical
 * Form for Schemas" and "Schema Fingerprints").
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_AVRO_FINGERPRINT_H
#define PX_AVRO_FINGERPRINT_H

#include "base/buffer.h"

/* Appends the parsing canonical form of a schema in JSON. PROXIMADB_INVALID: not JSON, or no Avro
 * schema; PROXIMADB_NO_MEMORY. On failure the buffer may have gained a part of it. */
PX_MUST_CHECK int px_fingerprint_canonical(struct px_slice schema, struct px_buffer *buffer,
                                           struct proximadb_error *reterr);

/* CRC-64-AVRO. */
uint64_t px_fingerprint_crc64(struct px_slice bytes);

/* The fingerprint of a schema in JSON. Fails like px_fingerprint_canonical(). */
PX_MUST_CHECK int px_fingerprint_schema(struct px_slice schema, uint64_t *ret_fingerprint,
                                        struct proximadb_error *reterr);

#endif /* PX_AVRO_FINGERPRINT_H */

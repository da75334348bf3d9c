/*
 * rest_floats: vectors in JSON: arrays of numbers, or base64 of little-endian float32.
 *
 *      "vector": [0.1, -2, 3e-5]           each number is rounded to the nearest float32
 *      "vector_base64": "zczMPQAAAMA..."   the bytes of the floats, RFC 4648 with padding
 *
 * Base64 is less text, and no number has to be parsed; in Python it is
 * base64.b64encode(array.astype("<f4")). Floats are collected in a buffer, so that one row's memory
 * serves the next, and a number costs no allocation. A number beyond float32 becomes an infinity,
 * which the engine refuses with a sentence about vectors.
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_FLOATS_H
#define PX_REST_REST_FLOATS_H

#include "rest/rest_members.h"

/* How an answer writes vectors. */
enum px_rest_vector_format { PX_REST_VECTOR_NONE, PX_REST_VECTOR_ARRAY, PX_REST_VECTOR_BASE64 };

/* Appends the floats of a JSON array; `name` ("vector", "vectors[3]") begins messages.
 * PROXIMADB_INVALID, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_rest_floats_read(yyjson_val *array, const char *name, struct px_buffer *floats,
                                      struct proximadb_error *reterr);

/* Likewise of a base64 string. */
PX_MUST_CHECK int px_rest_floats_read_base64(yyjson_val *string, const char *name,
                                             struct px_buffer *floats,
                                             struct proximadb_error *reterr);

/* Appends `"vector":[...]` or `"vector_base64":"..."`; nothing for PX_REST_VECTOR_NONE. */
void px_rest_floats_write(struct px_buffer *buffer, enum px_rest_vector_format format,
                          const void *floats, size_t count);

#endif /* PX_REST_REST_FLOATS_H */

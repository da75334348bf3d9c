/*
 * rest_values: metadata and filter parameters as JSON objects, and back.
 *
 *      JSON                                    VALUE
 *      null                                    null
 *      true, false                             boolean
 *      a number without '.' and exponent       long: a signed integer of 64 bits, exactly
 *      a number with one of them               double
 *      "text"                                  string
 *      ["a", "b"]                              array of strings
 *      {...}, [1], 1e400, 2^63 and more        refused
 *
 * What is written reads back as the same values of the same types: doubles always have a '.' or an
 * exponent, and the fewest digits that make the same double.
 *
 * Threads: any thread.
 */
#ifndef PX_REST_REST_VALUES_H
#define PX_REST_REST_VALUES_H

#include "base/arena.h"
#include "rest/rest_members.h"

#include <proximadb.h>

/* Reads an object; `what` ("metadata", "params") begins the path in messages. Fields are in the
 * arena, their texts are views into the document. PROXIMADB_INVALID, PROXIMADB_RESOURCE_EXHAUSTED
 * (the arena's ceiling) */
PX_MUST_CHECK int px_rest_fields_read(yyjson_val *object, const char *what, struct px_arena *arena,
                                      const struct proximadb_field **ret_fields,
                                      size_t *ret_field_count, struct proximadb_error *reterr);

/* Appends an object. */
void px_rest_fields_write(struct px_buffer *buffer, const struct proximadb_field *fields,
                          size_t field_count);

#endif /* PX_REST_REST_VALUES_H */

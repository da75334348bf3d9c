/*
 * json: yyjson with our limits and our errors.
 *
 * yyjson (MIT, ibireme) reads and writes 64-bit integers exactly and doubles in their shortest form
 * that reads back the same, keeps the order of keys, and does not recurse. What it lacks is a bound
 * on depth, which px_json_parse() adds, so that code which walks a document may recurse. The yyjson
 * types are used directly; this header is where they come from.
 *
 * Threads: a document belongs to one thread at a time.
 */
#ifndef PX_CODEC_JSON_H
#define PX_CODEC_JSON_H

#include "base/buffer.h"

#include <yyjson.h>

enum { PX_JSON_DEEPEST = 64 };

/* Parses one JSON text of UTF-8, RFC 8259 to the letter. ret_doc is returned, free with
 * yyjson_doc_free(). PROXIMADB_INVALID (with line, column and what was expected),
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_json_parse(struct px_slice text, yyjson_doc **ret_doc,
                                struct proximadb_error *reterr);

/* Likewise, for values that must come and go without loss: a number that neither a 64-bit integer
 * nor a finite double holds is a raw text (yyjson_is_raw) rather than rounded or an error. The
 * document is made in `memory` (kept; no allocation) if that suffices, about 12 bytes for each of
 * text. */
PX_MUST_CHECK int px_json_parse_exact(struct px_slice text, void *memory, size_t memory_bytes,
                                      yyjson_doc **ret_doc, struct proximadb_error *reterr);

/* Likewise, in at most memory_limit_bytes: a hostile text can take 8 times its own size.
 * PROXIMADB_RESOURCE_EXHAUSTED, too. */
PX_MUST_CHECK int px_json_parse_limited(struct px_slice text, size_t memory_limit_bytes,
                                        yyjson_doc **ret_doc, struct proximadb_error *reterr);

/* For code that looks for the end of a value without parsing it; the text need not be valid. The
 * place of the first of " [ ] { } from `from` on, or the text's size. */
size_t px_json_find_structural(struct px_slice text, size_t from);

/* The place behind the string that begins with the quote at `from`, or the text's size. */
size_t px_json_skip_string(struct px_slice text, size_t from);

/* Appends a document as text; pretty: indented by two blanks, with a newline at the end. Marks the
 * buffer where memory or its ceiling does not suffice. */
void px_json_write(const yyjson_mut_doc *doc, bool pretty, struct px_buffer *buffer);

/* Appends `text` as a JSON string with its quotes. It must be valid UTF-8. */
void px_json_append_string(struct px_buffer *buffer, struct px_slice text);

/* Appends a double in its shortest form with '.' or exponent; null where it is not finite. */
void px_json_append_double(struct px_buffer *buffer, double value);

/* Appends `count` floats (of any alignment, all finite) as a JSON array, each in the shortest form
 * that reads back as the same float. Nothing is allocated but by the buffer. */
void px_json_append_floats(struct px_buffer *buffer, const void *floats, size_t count);

/* Members of an object by kind. Each returns false, and leaves *ret alone, where the member is
 * missing or of another kind. Slices are views into the document. */
bool px_json_get_string(yyjson_val *object, const char *key, struct px_slice *ret_value);
bool px_json_get_u64(yyjson_val *object, const char *key, uint64_t *ret_value);
bool px_json_get_i64(yyjson_val *object, const char *key, int64_t *ret_value);
bool px_json_get_bool(yyjson_val *object, const char *key, bool *ret_value);

#endif /* PX_CODEC_JSON_H */

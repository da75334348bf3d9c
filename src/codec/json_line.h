/*
 * json_line: one JSON object a line, member by member, for what programs read: inspections,
 * findings.
 *
 *      px_json_line_begin(&buffer, "part");
 *      px_json_line_u64(&buffer, "row_count", 7);
 *      px_json_line_end(&buffer);               {"kind":"part","row_count":7}
 *
 * The first member is always "kind". Keys are the caller's own and are not escaped. Failures mark
 * the buffer.
 *
 * Threads: externally serialised.
 */
#ifndef PX_CODEC_JSON_LINE_H
#define PX_CODEC_JSON_LINE_H

#include "base/buffer.h"

void px_json_line_begin(struct px_buffer *buffer, const char *kind);
void px_json_line_end(struct px_buffer *buffer);

void px_json_line_u64(struct px_buffer *buffer, const char *key, uint64_t value);
void px_json_line_i64(struct px_buffer *buffer, const char *key, int64_t value);
void px_json_line_bool(struct px_buffer *buffer, const char *key, bool value);
/* Not finite: null. */
void px_json_line_double(struct px_buffer *buffer, const char *key, double value);
/* Every byte that is not part of valid UTF-8 becomes U+FFFD: paths and damaged files may have any.
 */
void px_json_line_text(struct px_buffer *buffer, const char *key, struct px_slice value);
void px_json_line_string(struct px_buffer *buffer, const char *key, const char *value);

#endif /* PX_CODEC_JSON_LINE_H */

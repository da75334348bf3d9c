/*
 * avro_tool: payloads to JSON and back, for tests that are not written in C.
 *
 * It reads one JSON object a line from stdin and answers each with one line:
 *
 *      {"decode": HEX, "dimension": N}         {"schema": NAME, "datum": {...}}
 *      {"encode": NAME, "datum": {...}}        {"payload": HEX}
 *      {"schemas": true}                       {NAME: FINGERPRINT, ...}
 *
 * or with {"status": WORD, "error": MESSAGE, "row_index": N}. Requests go through the decoders of
 * src/payload and the public builders, answers through the writers of src/payload and the public
 * readers. N is the dimension that vectors must have.
 *
 * In JSON a datum has the names of its schema. Bytes are hex digits; an absent vector, document or
 * time is null; in an update a part that is to be cleared is {"Clear": "CLEAR"}.
 */
#ifndef PX_AVRO_TOOL_H
#define PX_AVRO_TOOL_H

#include "avro/schemas.h"
#include "base/arena.h"
#include "codec/json.h"
#include "model/collection.h"

struct avro_tool {
    struct px_arena arena; /* of the line */
    yyjson_mut_doc *out;
    struct px_collection collection;
    struct proximadb_error error;
};

/* The JSON of a datum; NULL with tool->error. */
yyjson_mut_val *avro_tool_decode(struct avro_tool *tool, struct px_slice payload);

/* Appends the payload of a datum. */
int avro_tool_encode(struct avro_tool *tool, enum px_schema schema, yyjson_val *datum,
                     struct px_buffer *payload);

/* Bytes as hex digits. */
yyjson_mut_val *avro_tool_hex(struct avro_tool *tool, const void *bytes, size_t size_bytes);

/* The bytes of hex digits, in the arena. The program ends where they are none. */
struct px_slice avro_tool_bytes(struct avro_tool *tool, yyjson_val *digits);

#endif /* PX_AVRO_TOOL_H */

#include "tools/avro_tool.h"

#include <stdio.h>
#include <stdlib.h>

static void die(const char *message)
{
    fprintf(stderr, "avro_tool: %s\n", message);
    exit(EXIT_FAILURE);
}

yyjson_mut_val *avro_tool_hex(struct avro_tool *tool, const void *bytes, size_t size_bytes)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    char *text = px_arena_alloc(&tool->arena, 2 * size_bytes + 1);
    if (text == NULL)
        die("out of memory");
    for (size_t i = 0; i < size_bytes; i++) {
        text[2 * i] = digits[from[i] >> 4];
        text[2 * i + 1] = digits[from[i] & 0x0f];
    }
    return yyjson_mut_strncpy(tool->out, text, 2 * size_bytes);
}

struct px_slice avro_tool_bytes(struct avro_tool *tool, yyjson_val *digits)
{
    const char *text = yyjson_get_str(digits);
    size_t size_bytes = yyjson_get_len(digits) / 2;
    /* Of exactly that size, so that a sanitizer sees the first byte read behind it. */
    uint8_t *bytes = px_arena_alloc_aligned(&tool->arena, size_bytes + 1, 1);
    if (text == NULL || bytes == NULL)
        die("no hex digits");
    for (size_t i = 0; i < size_bytes; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        char *end;
        bytes[i] = (uint8_t)strtoul(pair, &end, 16);
        if (*end != '\0')
            die("no hex digits");
    }
    return px_slice_of(bytes, size_bytes);
}

static enum px_schema schema_of(yyjson_val *name)
{
    for (int i = 0; i < PX_SCHEMA_TOTAL; i++)
        if (yyjson_equals_str(name, px_schema_name((enum px_schema)i)))
            return (enum px_schema)i;
    die("no such schema");
    return PX_SCHEMA_TOTAL;
}

static void set_collection(struct avro_tool *tool, yyjson_val *dimension)
{
    const struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec,
        .name = "docs",
        .dim_count = (uint32_t)yyjson_get_uint(dimension),
        .metric = PROXIMADB_DOT,
        .storage = PROXIMADB_EXACT,
    };
    if (px_collection_init(&tool->collection, &spec, 0, &tool->error) != PROXIMADB_OK)
        die(tool->error.message);
}

static yyjson_mut_val *answer_error(struct avro_tool *tool)
{
    yyjson_mut_val *root = yyjson_mut_obj(tool->out);
    yyjson_mut_obj_add_str(tool->out, root, "status", proximadb_status_name(tool->error.status));
    yyjson_mut_obj_add_strcpy(tool->out, root, "error", tool->error.message);
    yyjson_mut_obj_add_sint(tool->out, root, "row_index", tool->error.row_index);
    return root;
}

static yyjson_mut_val *answer_decode(struct avro_tool *tool, yyjson_val *line)
{
    struct px_slice payload = avro_tool_bytes(tool, yyjson_obj_get(line, "decode"));
    enum px_schema schema;
    struct px_slice datum;
    set_collection(tool, yyjson_obj_get(line, "dimension"));
    if (px_payload_open(payload, &schema, &datum, &tool->error) != PROXIMADB_OK)
        return answer_error(tool);
    yyjson_mut_val *value = avro_tool_decode(tool, payload);
    if (value == NULL)
        return answer_error(tool);
    yyjson_mut_val *root = yyjson_mut_obj(tool->out);
    yyjson_mut_obj_add_str(tool->out, root, "schema", px_schema_name(schema));
    yyjson_mut_obj_add_val(tool->out, root, "datum", value);
    return root;
}

static yyjson_mut_val *answer_encode(struct avro_tool *tool, yyjson_val *line)
{
    enum px_schema schema = schema_of(yyjson_obj_get(line, "encode"));
    struct px_buffer payload = {0};
    int rc = avro_tool_encode(tool, schema, yyjson_obj_get(line, "datum"), &payload);
    if (rc == PROXIMADB_OK)
        rc = px_buffer_status(&payload, &tool->error);
    yyjson_mut_val *root = rc == PROXIMADB_OK ? yyjson_mut_obj(tool->out) : answer_error(tool);
    if (rc == PROXIMADB_OK)
        yyjson_mut_obj_add_val(tool->out, root, "payload",
                               avro_tool_hex(tool, payload.data, payload.size_bytes));
    px_buffer_release(&payload);
    return root;
}

static yyjson_mut_val *answer_schemas(struct avro_tool *tool)
{
    yyjson_mut_val *root = yyjson_mut_obj(tool->out);
    for (int i = 0; i < PX_SCHEMA_TOTAL; i++) {
        uint64_t fingerprint;
        if (px_schema_fingerprint((enum px_schema)i, &fingerprint, &tool->error) != PROXIMADB_OK)
            die(tool->error.message);
        yyjson_mut_obj_add_val(tool->out, root, px_schema_name((enum px_schema)i),
                               avro_tool_hex(tool, &fingerprint, sizeof fingerprint));
    }
    return root;
}

static void answer_line(struct px_slice text)
{
    struct avro_tool tool = {.out = yyjson_mut_doc_new(NULL)};
    struct px_buffer line = {0};
    yyjson_doc *doc;
    yyjson_mut_val *root;
    if (px_json_parse(text, &doc, &tool.error) != PROXIMADB_OK)
        die(tool.error.message);
    yyjson_val *request = yyjson_doc_get_root(doc);
    if (yyjson_obj_get(request, "decode") != NULL)
        root = answer_decode(&tool, request);
    else if (yyjson_obj_get(request, "encode") != NULL)
        root = answer_encode(&tool, request);
    else
        root = answer_schemas(&tool);
    yyjson_mut_doc_set_root(tool.out, root);
    px_json_write(tool.out, false, &line);
    px_buffer_append_byte(&line, '\n');
    if (line.status != PROXIMADB_OK || fwrite(line.data, line.size_bytes, 1, stdout) != 1)
        die("cannot write");
    fflush(stdout);
    px_buffer_release(&line);
    px_arena_release(&tool.arena);
    yyjson_doc_free(doc);
    yyjson_mut_doc_free(tool.out);
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, stdin)) > 0)
        answer_line(px_slice_of(line, (size_t)size));
    free(line);
    return EXIT_SUCCESS;
}

#include "cli/export_file.h"
#include "cli/export_writer.h"
#include "codec/json.h"

#include <stdlib.h>

struct writer {
    struct px_export_writer base;
    struct px_export_file file;
};

/* ---- metadata ------------------------------------------------------------------------------ */

static struct px_slice slice_of(struct proximadb_text text)
{
    return px_slice_of(text.data, text.size_bytes);
}

static void put_value(const struct proximadb_value *value, struct px_buffer *text)
{
    switch (value->kind) {
    case PROXIMADB_VALUE_BOOLEAN:
        px_buffer_append_format(text, "%s", value->as.boolean ? "true" : "false");
        break;
    case PROXIMADB_VALUE_LONG:
        px_buffer_append_format(text, "%lld", (long long)value->as.integer);
        break;
    case PROXIMADB_VALUE_DOUBLE:
        px_json_append_double(text, value->as.number);
        break;
    case PROXIMADB_VALUE_STRING:
        px_json_append_string(text, slice_of(value->as.string));
        break;
    case PROXIMADB_VALUE_STRING_ARRAY:
        px_buffer_append_byte(text, '[');
        for (size_t i = 0; i < value->as.strings.count; i++) {
            px_buffer_append_format(text, "%s", i > 0 ? "," : "");
            px_json_append_string(text, slice_of(value->as.strings.items[i]));
        }
        px_buffer_append_byte(text, ']');
        break;
    default:
        px_buffer_append_format(text, "null");
    }
}

void px_export_metadata(const struct proximadb_field *fields, size_t field_count,
                        const bool *is_left_out, struct px_buffer *text)
{
    bool is_first = true;
    px_buffer_append_byte(text, '{');
    for (size_t i = 0; i < field_count; i++) {
        if (is_left_out != NULL && is_left_out[i])
            continue;
        px_buffer_append_format(text, "%s", is_first ? "" : ",");
        px_json_append_string(text, slice_of(fields[i].name));
        px_buffer_append_byte(text, ':');
        put_value(&fields[i].value, text);
        is_first = false;
    }
    px_buffer_append_byte(text, '}');
}

/* ---- lines --------------------------------------------------------------------------------- */

static int write_row(struct px_export_writer *base, const struct proximadb_hit *row,
                     struct proximadb_error *reterr)
{
    struct writer *writer = (struct writer *)base;
    struct px_buffer *text = &writer->file.content;
    px_buffer_append_format(text, "{\"id\":");
    px_json_append_string(text, slice_of(row->id));
    px_buffer_append_format(text, ",\"vector\":");
    px_json_append_floats(text, row->vector, row->dim_count);
    if (row->field_count > 0) {
        px_buffer_append_format(text, ",\"metadata\":");
        px_export_metadata(row->fields, row->field_count, NULL, text);
    }
    if (row->document != NULL) {
        px_buffer_append_format(text, ",\"document\":");
        px_json_append_string(text, px_slice_of(row->document, row->document_size_bytes));
    }
    px_buffer_append_format(text, ",\"timestamp\":%lld", (long long)row->timestamp_ms);
    if (row->expires_at_ms != NULL)
        px_buffer_append_format(text, ",\"expires_at\":%lld", (long long)*row->expires_at_ms);
    px_buffer_append_format(text, "}\n");
    return px_export_file_flush_some(&writer->file, reterr);
}

static int finish(struct px_export_writer *base, struct proximadb_error *reterr)
{
    struct writer *writer = (struct writer *)base;
    return px_export_file_finish(&writer->file, (struct px_slice){0}, reterr);
}

static void writer_free(struct px_export_writer *base)
{
    struct writer *writer = (struct writer *)base;
    px_export_file_release(&writer->file);
    free(writer);
}

int px_export_jsonl(const char *path, struct px_export_writer **ret_writer,
                    struct proximadb_error *reterr)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return px_fail_no_memory(reterr);
    writer->base =
        (struct px_export_writer){.write = write_row, .finish = finish, .free = writer_free};
    int rc = px_export_file_open(&writer->file, path, reterr);
    if (rc != PROXIMADB_OK) {
        writer_free(&writer->base);
        return rc;
    }
    *ret_writer = &writer->base;
    return PROXIMADB_OK;
}

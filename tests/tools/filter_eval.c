/*
 * filter_eval: evaluates filters for tests that are not written in C. Each line of the standard
 * input is a request, and is answered by one line:
 *
 *      {"filter": "price < $max", "params": {"max": 3}, "rows": [{"price": 1}, {}],
 *       "fields": {"price": "double"}}                                 params and fields may be
 *      absent {"values": "TU"}         T true, F false, U unknown, a letter for each row
 *      {"error": "..."}         the filter, a parameter or a row was refused
 */
#include "codec/json.h"
#include "model/collection.h"
#include "model/filter.h"
#include "model/metadata.h"

#include <stdio.h>
#include <stdlib.h>

/* One request. */
struct request {
    struct px_arena arena;
    struct px_collection collection;
    const struct px_filter *filter;
    struct px_buffer params;
    struct px_buffer row;
    struct px_buffer values;
};

/* Metadata from a member of a document; an absent one is empty. */
static int read_metadata(yyjson_val *json, struct px_buffer *metadata,
                         struct proximadb_error *reterr)
{
    size_t size;
    char *text = json != NULL ? yyjson_val_write(json, YYJSON_WRITE_NOFLAG, &size) : NULL;
    px_buffer_clear(metadata);
    if (text == NULL) {
        px_buffer_append_slice(metadata, px_metadata_empty);
        return px_buffer_status(metadata, reterr);
    }
    int rc = px_metadata_from_json(px_slice_of(text, size), metadata, reterr);
    free(text);
    return rc;
}

static int make_collection(yyjson_val *fields, struct px_collection *collection,
                           struct proximadb_error *reterr)
{
    struct proximadb_filterable filterable[PX_MOST_FIELDS];
    size_t count = 0;
    yyjson_obj_iter items = yyjson_obj_iter_with(fields);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&items)) != NULL && count < PX_MOST_FIELDS;) {
        yyjson_val *type = yyjson_obj_iter_get_val(key);
        filterable[count].name = yyjson_get_str(key);
        if (!yyjson_is_str(type) ||
            !px_field_type_parse(px_slice_of(yyjson_get_str(type), yyjson_get_len(type)),
                                 &filterable[count++].type))
            return px_fail(reterr, PROXIMADB_INVALID, "a field has no known type");
    }
    const struct proximadb_collection_spec spec = {.struct_size = sizeof spec,
                                                   .name = "c",
                                                   .dim_count = 1,
                                                   .storage = PROXIMADB_EXACT,
                                                   .filterable = filterable,
                                                   .filterable_count = count};
    return px_collection_init(collection, &spec, 0, reterr);
}

static int evaluate_rows(struct request *request, yyjson_val *rows, struct proximadb_error *reterr)
{
    yyjson_arr_iter items = yyjson_arr_iter_with(rows);
    for (yyjson_val *row; (row = yyjson_arr_iter_next(&items)) != NULL;) {
        int rc = read_metadata(row, &request->row, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        static const char letters[] = {[PX_FALSE] = 'F', [PX_TRUE] = 'T', [PX_UNKNOWN] = 'U'};
        enum px_truth truth = px_filter_evaluate(request->filter, px_buffer_slice(&request->row));
        px_buffer_append_byte(&request->values, (uint8_t)letters[truth]);
    }
    return px_buffer_status(&request->values, reterr);
}

static int answer(struct request *request, yyjson_val *root, struct proximadb_error *reterr)
{
    struct px_slice text;
    yyjson_val *fields = yyjson_obj_get(root, "fields");
    if (!px_json_get_string(root, "filter", &text))
        return px_fail(reterr, PROXIMADB_INVALID, "the request has no filter");
    int rc = read_metadata(yyjson_obj_get(root, "params"), &request->params, reterr);
    if (rc == PROXIMADB_OK && fields != NULL)
        rc = make_collection(fields, &request->collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_filter_parse(text, px_buffer_slice(&request->params),
                             fields != NULL ? &request->collection : NULL, &request->arena,
                             &request->filter, reterr);
    if (rc == PROXIMADB_OK)
        rc = evaluate_rows(request, yyjson_obj_get(root, "rows"), reterr);
    return rc;
}

static void answer_line(struct px_slice line, struct px_buffer *output)
{
    struct request request = {0};
    struct proximadb_error error;
    yyjson_doc *doc = NULL;
    int rc = px_json_parse(line, &doc, &error);
    if (rc == PROXIMADB_OK)
        rc = answer(&request, yyjson_doc_get_root(doc), &error);
    px_buffer_clear(output);
    px_buffer_append_format(output, "{\"%s\":", rc == PROXIMADB_OK ? "values" : "error");
    px_json_append_string(output, rc == PROXIMADB_OK ? px_buffer_slice(&request.values)
                                                     : px_slice_of_string(error.message));
    px_buffer_append_format(output, "}\n");
    yyjson_doc_free(doc);
    px_buffer_release(&request.params);
    px_buffer_release(&request.row);
    px_buffer_release(&request.values);
    px_arena_release(&request.arena);
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    struct px_buffer output = {0};
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        answer_line(px_slice_of(line, (size_t)size), &output);
        fwrite(output.data, 1, output.size_bytes, stdout);
        fflush(stdout);
    }
    free(line);
    px_buffer_release(&output);
    return EXIT_SUCCESS;
}

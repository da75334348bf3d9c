#include "cli/import_source.h"
#include "codec/json.h"
#include "os/file.h"
#include "table/npy_file.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_BYTES = 4096 };

struct source {
    struct px_import_source base;
    struct px_slice file;
    struct px_slice ids; /* empty: ids are numbers */
    size_t ids_at;
    yyjson_doc *id; /* of the present row */
    struct px_npy npy;
    float *vector;
    char number[24];
};

static void source_close(struct px_import_source *base)
{
    struct source *source = (struct source *)base;
    yyjson_doc_free(source->id);
    px_file_unmap(&px_fs_posix, source->ids);
    px_file_unmap(&px_fs_posix, source->file);
    free(source->vector);
    free(source);
}

/* The next line of the file of ids. */
static bool take_id(struct source *source, struct proximadb_text *ret_id,
                    struct proximadb_error *reterr)
{
    struct px_slice rest =
        px_slice_of(source->ids.data + source->ids_at, source->ids.size_bytes - source->ids_at);
    const uint8_t *end = rest.size_bytes > 0 ? memchr(rest.data, '\n', rest.size_bytes) : NULL;
    size_t size = end != NULL ? (size_t)(end - rest.data) : rest.size_bytes;
    yyjson_doc_free(source->id);
    source->id = NULL;
    source->ids_at += size + (end != NULL);
    if (rest.size_bytes == 0) {
        (void)px_fail(reterr, PROXIMADB_INVALID,
                      "the file of ids has fewer lines than the array rows");
        return false;
    }
    if (px_json_parse(px_slice_of(rest.data, size), &source->id, reterr) != PROXIMADB_OK) {
        px_error_context(reterr, "line %llu of the file of ids",
                         (unsigned long long)source->base.next_row + 1);
        return false;
    }
    yyjson_val *value = yyjson_doc_get_root(source->id);
    if (!yyjson_is_str(value)) {
        (void)px_fail(reterr, PROXIMADB_INVALID, "line %llu of the file of ids is no JSON string",
                      (unsigned long long)source->base.next_row + 1);
        return false;
    }
    *ret_id = (struct proximadb_text){yyjson_get_str(value), yyjson_get_len(value)};
    return true;
}

static bool next(struct px_import_source *base, struct proximadb_row *ret_row,
                 struct proximadb_error *reterr)
{
    struct source *source = (struct source *)base;
    if (base->next_row == base->row_count) {
        if (source->ids_at < source->ids.size_bytes)
            (void)px_fail(reterr, PROXIMADB_INVALID,
                          "the file of ids has more lines than the array rows");
        return false;
    }
    struct proximadb_row row = {.struct_size = sizeof row,
                                .vector = source->vector,
                                .dim_count = (size_t)source->npy.dim_count};
    if (source->ids.data == NULL)
        row.id = px_import_number(base->next_row, source->number);
    else if (!take_id(source, &row.id, reterr))
        return false;
    px_npy_row(&source->npy, base->next_row++, source->vector);
    *ret_row = row;
    return true;
}

/* The file of ids beside the array, or the one that was named. */
static int open_ids(struct source *source, const char *path, const struct px_import_names *names,
                    struct proximadb_error *reterr)
{
    char beside[PATH_BYTES];
    int size = snprintf(beside, sizeof beside, "%s.ids.jsonl", path);
    const char *chosen = names->ids_file;
    if (chosen == NULL && !names->number_ids && size < (int)sizeof beside &&
        px_file_exists(&px_fs_posix, beside))
        chosen = beside;
    return chosen == NULL ? PROXIMADB_OK : px_file_map(&px_fs_posix, chosen, &source->ids, reterr);
}

int px_import_npy(const char *path, struct px_slice file, const struct px_import_names *names,
                  struct px_import_source **ret_source, struct proximadb_error *reterr)
{
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return px_fail_no_memory(reterr);
    source->base = (struct px_import_source){.next = next, .close = source_close};
    int rc = px_npy_open(file, &source->npy, reterr);
    if (rc == PROXIMADB_OK && source->npy.dim_count > 65536)
        rc = px_fail(reterr, PROXIMADB_INVALID, "its vectors have over 65,536 dimensions");
    if (rc == PROXIMADB_OK)
        rc = open_ids(source, path, names, reterr);
    if (rc == PROXIMADB_OK) {
        source->vector = malloc((size_t)source->npy.dim_count * sizeof *source->vector);
        if (source->vector == NULL)
            rc = px_fail_no_memory(reterr);
    }
    if (rc != PROXIMADB_OK) {
        source_close(&source->base);
        return rc;
    }
    source->file = file;
    source->base.row_count = source->npy.row_count;
    source->base.dim_count = (size_t)source->npy.dim_count;
    *ret_source = &source->base;
    return PROXIMADB_OK;
}

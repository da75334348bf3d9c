#include "cli/export_file.h"
#include "cli/export_writer.h"
#include "codec/json.h"
#include "table/npy_file.h"

#include <stdio.h>
#include <stdlib.h>

struct writer {
    struct px_export_writer base;
    struct px_export_file array;
    struct px_export_file ids;
    uint64_t row_count;
    uint32_t dim_count;
};

static int write_row(struct px_export_writer *base, const struct proximadb_hit *row,
                     struct proximadb_error *reterr)
{
    struct writer *writer = (struct writer *)base;
    px_buffer_append(&writer->array.content, row->vector, row->dim_count * sizeof(float));
    px_json_append_string(&writer->ids.content, px_slice_of(row->id.data, row->id.size_bytes));
    px_buffer_append_byte(&writer->ids.content, '\n');
    writer->row_count++;
    int rc = px_export_file_flush_some(&writer->array, reterr);
    return rc == PROXIMADB_OK ? px_export_file_flush_some(&writer->ids, reterr) : rc;
}

/* The ids appear first: an array without them would be imported under row numbers. */
static int finish(struct px_export_writer *base, struct proximadb_error *reterr)
{
    struct writer *writer = (struct writer *)base;
    uint8_t head[PX_NPY_HEAD_BYTES];
    px_npy_head(writer->row_count, writer->dim_count, head);
    int rc = px_export_file_finish(&writer->ids, (struct px_slice){0}, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_export_file_finish(&writer->array, px_slice_of(head, sizeof head), reterr);
    return rc;
}

static void writer_free(struct px_export_writer *base)
{
    struct writer *writer = (struct writer *)base;
    px_export_file_release(&writer->array);
    px_export_file_release(&writer->ids);
    free(writer);
}

int px_export_npy(const char *path, const struct proximadb_collection_info *info,
                  struct px_export_writer **ret_writer, struct proximadb_error *reterr)
{
    struct px_path ids;
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return px_fail_no_memory(reterr);
    writer->base =
        (struct px_export_writer){.write = write_row, .finish = finish, .free = writer_free};
    writer->array.fd = writer->ids.fd = -1;
    writer->dim_count = info->spec.dim_count;
    int rc = px_path_format(&ids, reterr, "%s.ids.jsonl", path);
    if (rc == PROXIMADB_OK)
        rc = px_export_file_open(&writer->array, path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_export_file_open(&writer->ids, ids.text, reterr);
    if (rc != PROXIMADB_OK) {
        writer_free(&writer->base);
        return rc;
    }
    px_buffer_append_zeros(&writer->array.content, PX_NPY_HEAD_BYTES);
    *ret_writer = &writer->base;
    return PROXIMADB_OK;
}

#include "payload/answer.h"

#include <stdlib.h>

struct proximadb_reader {
    struct proximadb_buffer response; /* owned */
    struct px_answer answer;          /* views into it */
};

static struct px_slice slice_of(const struct proximadb_buffer *response)
{
    return px_slice_of(response->data, response->size_bytes);
}

int proximadb_decode_write_result(const struct proximadb_buffer *response,
                                  struct proximadb_write_result *ret_result,
                                  struct proximadb_error *reterr)
{
    return px_answer_write_result(slice_of(response), ret_result, reterr);
}

int proximadb_decode_count(const struct proximadb_buffer *response, uint64_t *ret_count,
                           struct proximadb_error *reterr)
{
    return px_answer_count(slice_of(response), ret_count, reterr);
}

int proximadb_decode_compact_result(const struct proximadb_buffer *response,
                                    struct proximadb_compact_result *ret_result,
                                    struct proximadb_error *reterr)
{
    return px_answer_compact_result(slice_of(response), ret_result, reterr);
}

int proximadb_reader_new(struct proximadb_buffer *response, proximadb_reader **ret_reader,
                         struct proximadb_error *reterr)
{
    struct proximadb_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        proximadb_buffer_release(response);
        return px_fail_no_memory(reterr);
    }
    reader->response = *response;
    *response = (struct proximadb_buffer){0};
    int rc = px_answer_open(slice_of(&reader->response), &reader->answer, reterr);
    if (rc != PROXIMADB_OK) {
        proximadb_reader_free(reader);
        return rc;
    }
    *ret_reader = reader;
    return PROXIMADB_OK;
}

void proximadb_reader_free(proximadb_reader *reader)
{
    if (reader == NULL)
        return;
    px_answer_release(&reader->answer);
    proximadb_buffer_release(&reader->response);
    free(reader);
}

uint32_t proximadb_reader_query_count(const proximadb_reader *reader)
{
    return reader->answer.query_count;
}

bool proximadb_reader_next(proximadb_reader *reader, struct proximadb_hit *ret_hit,
                           struct proximadb_error *reterr)
{
    return px_answer_next_row(&reader->answer, ret_hit, reterr);
}

bool proximadb_reader_next_collection(proximadb_reader *reader,
                                      struct proximadb_collection_info *ret_info,
                                      struct proximadb_error *reterr)
{
    return px_answer_next_collection(&reader->answer, ret_info, reterr);
}

struct proximadb_text proximadb_reader_cursor(const proximadb_reader *reader)
{
    struct px_slice cursor = reader->answer.scan_cursor;
    return (struct proximadb_text){.data = (const char *)cursor.data,
                                   .size_bytes = cursor.size_bytes};
}

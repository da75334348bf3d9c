/* px-test: layers=parquet label=fuzz */
/*
 * fuzz_parquet: any bytes as a Parquet file. What opens is described, verified, and read row by row
 * through every column; a file that passes verification must then give all of its rows.
 */
#include "parquet/parquet_cursor.h"
#include "parquet/parquet_describe.h"
#include "parquet/parquet_vectors.h"
#include "parquet/parquet_verify.h"

#include <stdlib.h>

/* A few bytes may claim a million nulls, or codes of no bits. */
enum { MOST_ROWS = 3000, MOST_VALUES = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void demand_error(int rc, const struct proximadb_error *error)
{
    demand(rc == PROXIMADB_CORRUPT || rc == PROXIMADB_UNIMPLEMENTED || rc == PROXIMADB_NO_MEMORY);
    demand(error->status == rc && error->message[0] != '\0');
}

static uint64_t touch(struct px_slice bytes)
{
    uint64_t sum = bytes.size_bytes;
    for (size_t i = 0; i < bytes.size_bytes; i++)
        sum += bytes.data[i];
    return sum;
}

/* In place, where it can be; what is not plain, or not aligned, need not be. */
static uint64_t read_in_place(const struct px_parquet_reader *reader, size_t column, uint64_t row)
{
    const uint32_t dim_count = px_parquet_reader_layout(reader)->columns[column].dim_count;
    struct proximadb_error error;
    const float *vector;
    int rc = px_parquet_reader_vector(reader, column, row, &vector, &error);
    if (rc == PROXIMADB_OK)
        return touch(px_slice_of(vector, dim_count * sizeof *vector));
    demand_error(rc, &error);
    return 0;
}

/* Through a cursor: what is in memory that an allocator guards. */
static uint64_t read_vector(struct px_parquet_vector_cursor *cursor, uint64_t row, bool is_sound)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(cursor->reader);
    uint64_t left = layout->row_count - row;
    uint32_t row_count = left > 1 && row % 3 == 0 ? 2 : 1;
    size_t count = (size_t)layout->columns[cursor->column].dim_count * row_count;
    float *vectors = malloc(count * sizeof *vectors);
    struct proximadb_error error;
    uint64_t sum = 0;
    demand(vectors != NULL);
    int rc = px_parquet_vector_cursor_read(cursor, row, row_count, vectors, &error);
    if (rc == PROXIMADB_OK) {
        sum = touch(px_slice_of(vectors, count * sizeof *vectors));
    } else {
        demand(!is_sound);
        demand_error(rc, &error);
    }
    free(vectors);
    return sum + read_in_place(cursor->reader, cursor->column, row);
}

static uint64_t read_row(struct px_parquet_cursor *cursor, const struct px_parquet_column *column,
                         uint64_t row, bool is_sound)
{
    struct proximadb_error error;
    int rc = px_parquet_cursor_seek(cursor, row, &error);
    if (rc != PROXIMADB_OK) {
        demand(!is_sound);
        demand_error(rc, &error);
        return 0;
    }
    const struct px_parquet_rows *rows = &cursor->rows;
    size_t index = (size_t)(row - rows->first_row);
    demand(index < rows->row_count && rows->is_present[index] <= 1);
    size_t size_bytes = px_parquet_type_bytes(column->type);
    if (size_bytes > 0)
        return touch(px_slice_of(rows->as.booleans + index * size_bytes, size_bytes));
    if (rows->first_item == NULL)
        return touch(rows->as.bytes[index]);
    uint64_t sum = 0;
    demand(rows->first_item[index] <= rows->first_item[index + 1]);
    for (uint32_t i = rows->first_item[index]; i < rows->first_item[index + 1]; i++)
        sum += touch(rows->as.bytes[i]);
    return sum;
}

static void read_column(const struct px_parquet_reader *reader, size_t column, bool is_sound)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    const struct px_parquet_column *type = &layout->columns[column];
    struct px_parquet_cursor cursor = {0};
    struct px_parquet_vector_cursor vectors = {0};
    uint64_t sum = 0;
    if (type->shape != PX_PARQUET_VECTOR)
        px_parquet_cursor_init(&cursor, reader, column);
    else
        px_parquet_vector_cursor_init(&vectors, reader, column);
    uint64_t most_rows = MOST_ROWS;
    if (type->shape == PX_PARQUET_VECTOR && type->dim_count > MOST_VALUES / MOST_ROWS)
        most_rows = MOST_VALUES / type->dim_count;
    for (uint64_t row = 0; row < layout->row_count && row < most_rows; row++)
        sum += type->shape == PX_PARQUET_VECTOR ? read_vector(&vectors, row, is_sound)
                                                : read_row(&cursor, type, row, is_sound);
    px_parquet_cursor_release(&cursor);
    px_parquet_vector_cursor_release(&vectors);
    static volatile uint64_t sink; /* so that the reads are made */
    sink = sum;
    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_parquet_reader *reader = NULL;
    struct px_parquet_verified verified;
    struct proximadb_error error;
    int rc = px_parquet_reader_open(px_slice_of(data, size), &reader, &error);
    if (rc != PROXIMADB_OK) {
        demand_error(rc, &error);
        return 0;
    }
    struct px_buffer text = {0};
    px_parquet_describe(reader, true, &text);
    px_buffer_release(&text);
    rc = px_parquet_verify(reader, &verified, &error);
    if (rc != PROXIMADB_OK)
        demand_error(rc, &error);
    for (size_t i = 0; i < px_parquet_reader_layout(reader)->column_count; i++)
        read_column(reader, i, rc == PROXIMADB_OK);
    px_parquet_reader_close(reader);
    return 0;
}

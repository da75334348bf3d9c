/* px-test: layers=table label=fuzz */
/*
 * fuzz_table: any bytes as a Parquet file that somebody else wrote, or as an npy file. What opens is read
 * row by row through every column, and every byte that is given is looked at.
 */
#include "table/npy_file.h"
#include "table/table_reader.h"

#include <stdlib.h>

enum { MOST_ROWS = 3000, MOST_COLUMNS = 32 }; /* a few bytes may claim a million rows */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t seen;

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void demand_error(int rc, const struct proximadb_error *error)
{
    demand(rc == PROXIMADB_CORRUPT || rc == PROXIMADB_UNIMPLEMENTED || rc == PROXIMADB_NO_MEMORY ||
           rc == PROXIMADB_RESOURCE_EXHAUSTED);
    demand(error->status == rc && error->message[0] != '\0');
}

static void touch(const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size_bytes; i++)
        seen += bytes[i];
}

static void touch_cell(const struct px_table_column *column, const struct px_table_cell *cell)
{
    static const uint8_t sizes[] = {
        [PX_TABLE_BOOLEAN] = 1, [PX_TABLE_LONG] = 8, [PX_TABLE_FLOAT] = 4, [PX_TABLE_DOUBLE] = 8};
    demand(!cell->is_null || cell->item_count + cell->null_count == 0);
    demand(column->is_list || cell->item_count + cell->is_null == 1);
    if (column->kind != PX_TABLE_TEXT && column->kind != PX_TABLE_BYTES) {
        touch(cell->as.items, cell->item_count * sizes[column->kind]);
        return;
    }
    for (size_t i = 0; i < cell->item_count; i++)
        touch(cell->as.bytes[i].data, cell->as.bytes[i].size_bytes);
}

static void read_column(const struct px_table *table, size_t index)
{
    size_t count;
    const struct px_table_column *column = &px_table_columns(table, &count)[index];
    struct px_table_cursor *cursor;
    struct proximadb_error error = {0};
    touch(column->name.data, column->name.size_bytes);
    demand(px_table_column_word(column) != NULL);
    int rc = px_table_cursor_open(table, index, &cursor, &error);
    if (rc != PROXIMADB_OK) {
        demand_error(rc, &error);
        return;
    }
    uint64_t rows = px_table_row_count(table);
    for (uint64_t row = 0; row < rows && row < MOST_ROWS; row++) {
        struct px_table_cell cell;
        rc = px_table_cursor_next(cursor, &cell, &error);
        if (rc != PROXIMADB_OK) {
            demand_error(rc, &error);
            break;
        }
        touch_cell(column, &cell);
    }
    px_table_cursor_close(cursor);
}

static void read_table(struct px_slice file)
{
    struct px_table *table;
    struct proximadb_error error = {0};
    int rc = px_table_open(file, &table, &error);
    if (rc != PROXIMADB_OK) {
        demand_error(rc, &error);
        return;
    }
    size_t count;
    (void)px_table_columns(table, &count);
    for (size_t i = 0; i < count && i < MOST_COLUMNS; i++)
        read_column(table, i);
    px_table_close(table);
}

static void read_npy(struct px_slice file)
{
    struct px_npy npy;
    struct proximadb_error error = {0};
    int rc = px_npy_open(file, &npy, &error);
    if (rc != PROXIMADB_OK) {
        demand_error(rc, &error);
        return;
    }
    demand(npy.dim_count <= file.size_bytes || npy.row_count == 0);
    float *row = npy.row_count > 0 ? malloc((size_t)npy.dim_count * sizeof *row) : NULL;
    for (uint64_t i = 0; row != NULL && i < npy.row_count; i++) {
        px_npy_row(&npy, i, row);
        touch(row, (size_t)npy.dim_count * sizeof *row);
    }
    free(row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_slice file = px_slice_of(data, size);
    if (size > 0 && data[0] == 0x93)
        read_npy(file);
    else
        read_table(file);
    return 0;
}

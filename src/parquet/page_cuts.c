#include "parquet/page_cuts_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
    MOST_UNITS = 64, /* of a page */
    /* Of a page beside its codes: 30 bytes of header, 8 of its definition levels, 4 in front of the
     * repetition levels, 3 in front of the codes, 13 in the offset index. */
    PAGE_COST_BITS = 58 * 8,
};

/* Rows that are taken together. */
struct unit {
    uint64_t cost_bits; /* of the cheapest way to write all up to this one */
    uint8_t width;
    uint8_t page_units; /* of the page that ends with this one, there */
};

struct cutting {
    struct unit *units; /* owned; the first one stands for nothing and costs nothing */
    size_t unit_count;  /* without it */
    uint32_t unit_rows;
    uint32_t most_units;
    uint64_t unit_values;
};

static int measure_units(struct cutting *cutting, const uint8_t *row_widths, size_t row_count,
                         struct proximadb_error *reterr)
{
    cutting->unit_count = (row_count + cutting->unit_rows - 1) / cutting->unit_rows;
    cutting->units = calloc(cutting->unit_count + 1, sizeof *cutting->units);
    if (cutting->units == NULL)
        return px_fail_no_memory(reterr);
    for (size_t row = 0; row < row_count; row++) {
        struct unit *unit = &cutting->units[1 + row / cutting->unit_rows];
        unit->width = row_widths[row] > unit->width ? row_widths[row] : unit->width;
    }
    return PROXIMADB_OK;
}

/* Finds the best page that ends with a unit; of two that cost the same, the shorter one: so the
 * first pages are full, and a row is found where px_parquet_reader_find_page() looks first. */
static void end_page(struct cutting *cutting, size_t last)
{
    struct unit *unit = &cutting->units[last];
    uint8_t width = 0;
    size_t most = last < cutting->most_units ? last : cutting->most_units;
    unit->cost_bits = UINT64_MAX;
    for (size_t length = 1; length <= most; length++) {
        uint8_t first_width = cutting->units[last + 1 - length].width;
        width = first_width > width ? first_width : width;
        uint64_t cost = cutting->units[last - length].cost_bits + PAGE_COST_BITS +
                        length * cutting->unit_values * width;
        if (cost < unit->cost_bits) {
            unit->cost_bits = cost;
            unit->page_units = (uint8_t)length;
        }
    }
}

/* Appends the pages' rows: found from the last one on, and turned around. */
static int put_cuts(const struct cutting *cutting, size_t row_count, struct px_buffer *cuts,
                    struct proximadb_error *reterr)
{
    size_t count = 0;
    for (size_t end = cutting->unit_count; end > 0; end -= cutting->units[end].page_units)
        count++;
    uint32_t *rows = px_buffer_reserve(cuts, count * sizeof *rows);
    if (rows == NULL)
        return px_buffer_status(cuts, reterr);
    size_t end_row = row_count;
    size_t end = cutting->unit_count;
    for (size_t i = count; i > 0; i--) {
        end -= cutting->units[end].page_units;
        size_t first_row = end * cutting->unit_rows;
        rows[i - 1] = (uint32_t)(end_row - first_row);
        end_row = first_row;
    }
    cuts->size_bytes += count * sizeof *rows;
    return PROXIMADB_OK;
}

int px_page_cuts__choose(const uint8_t *row_widths, size_t row_count, uint32_t dim_count,
                         uint32_t most_rows, struct px_buffer *cuts, struct proximadb_error *reterr)
{
    struct cutting cutting = {.unit_rows = most_rows / MOST_UNITS};
    assert(most_rows > 0 && cuts->size_bytes % sizeof(uint32_t) == 0);
    if (cutting.unit_rows == 0)
        cutting.unit_rows = 1;
    cutting.most_units = most_rows / cutting.unit_rows;
    if (cutting.most_units > MOST_UNITS)
        cutting.most_units = MOST_UNITS;
    cutting.unit_values = (uint64_t)cutting.unit_rows * dim_count;
    int rc = measure_units(&cutting, row_widths, row_count, reterr);
    for (size_t i = 1; rc == PROXIMADB_OK && i <= cutting.unit_count; i++)
        end_page(&cutting, i);
    if (rc == PROXIMADB_OK)
        rc = put_cuts(&cutting, row_count, cuts, reterr);
    free(cutting.units);
    return rc;
}

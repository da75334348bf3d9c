#include "table/table_reader.h"

#include "codec/zstd.h"
#include "table/table_internal.h"

#include <assert.h>
#include <stdlib.h>

struct px_table {
    struct px_slice file; /* kept */
    struct px_arena arena;
    struct px_table_footer footer;
};

struct px_table_cursor {
    const struct px_table *table; /* kept */
    const struct px_table_column *column;
    struct px_table_page_reader pages;

    uint32_t next_group; /* the one behind that which is read */
    uint64_t page_at;    /* in the file: the next page of the chunk */
    uint64_t chunk_end;
    uint64_t rows_left;   /* of the row group */
    uint64_t levels_left; /* of the chunk, in pages that were not read */
    struct px_arena dictionary_arena;
    struct px_buffer dictionary_content; /* that its values are views into */
    struct px_table_values dictionary;
    bool has_dictionary;

    struct px_arena arena; /* of the page */
    struct px_table_page page;
    const uint8_t *items;
    size_t level_index; /* what was given of the page */
    size_t item_index;

    struct px_buffer row;  /* items of a row that ends in a later page */
    struct px_buffer text; /* their bytes, and in `row` offsets instead of addresses */
};

/* ---- tables -------------------------------------------------------------------------------- */

int px_table_open(struct px_slice file, struct px_table **ret_table, struct proximadb_error *reterr)
{
    struct px_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return px_fail_no_memory(reterr);
    table->file = file;
    int rc = px_table__read_footer(file, &table->arena, &table->footer, reterr);
    if (rc != PROXIMADB_OK) {
        px_table_close(table);
        return rc;
    }
    *ret_table = table;
    return PROXIMADB_OK;
}

void px_table_close(struct px_table *table)
{
    if (table == NULL)
        return;
    px_arena_release(&table->arena);
    free(table);
}

uint64_t px_table_row_count(const struct px_table *table)
{
    return table->footer.row_count;
}

const struct px_table_column *px_table_columns(const struct px_table *table, size_t *ret_count)
{
    *ret_count = table->footer.schema.count;
    return table->footer.schema.columns;
}

struct px_slice px_table_key_value(const struct px_table *table, const char *key)
{
    const struct px_table_footer *footer = &table->footer;
    for (uint32_t i = 0; i < footer->key_value_count; i++)
        if (px_slice_equal(footer->key_values[i].key, px_slice_of_string(key)))
            return footer->key_values[i].value;
    return (struct px_slice){0};
}

/* ---- pages --------------------------------------------------------------------------------- */

static bool is_bytes(const struct px_table_column *column)
{
    return column->kind == PX_TABLE_TEXT || column->kind == PX_TABLE_BYTES;
}

static int begin_group(struct px_table_cursor *cursor, struct proximadb_error *reterr)
{
    const struct px_table_footer *footer = &cursor->table->footer;
    if (cursor->next_group == footer->group_count)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has fewer rows than the footer says");
    const struct px_table_group *group = &footer->groups[cursor->next_group++];
    const struct px_table_chunk *chunk = &group->chunks[cursor->column->leaf_index];
    if (chunk->type != (int32_t)cursor->column->type)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the footer is damaged: a chunk has another type than the schema says");
    cursor->pages.codec = chunk->codec;
    cursor->page_at = chunk->begin;
    cursor->chunk_end = chunk->begin + chunk->size_bytes;
    cursor->rows_left = group->row_count;
    cursor->levels_left = chunk->value_count;
    cursor->has_dictionary = false;
    cursor->page = (struct px_table_page){0};
    cursor->level_index = 0;
    return PROXIMADB_OK;
}

/* Keeps the content that the dictionary's values are views into. */
static int take_dictionary(struct px_table_cursor *cursor, struct proximadb_error *reterr)
{
    px_arena_release(&cursor->dictionary_arena);
    struct px_buffer content = cursor->dictionary_content;
    cursor->dictionary_content = cursor->pages.content;
    cursor->pages.content = content;
    cursor->page.encoding = PX_TABLE_PLAIN; /* older writers call it PLAIN_DICTIONARY */
    cursor->dictionary.count = cursor->page.value_count;
    int rc = px_table__decode(cursor->column, &cursor->page, NULL, &cursor->dictionary_arena,
                              &cursor->dictionary.items, reterr);
    cursor->has_dictionary = rc == PROXIMADB_OK;
    cursor->page.level_count = 0;
    return rc;
}

static int read_page(struct px_table_cursor *cursor, struct proximadb_error *reterr)
{
    if (cursor->page_at >= cursor->chunk_end || cursor->levels_left == 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "a row group has fewer values than rows");
    px_arena_release(&cursor->arena);
    cursor->page = (struct px_table_page){0};
    cursor->level_index = cursor->item_index = 0;
    int rc = px_table__read_page(&cursor->pages, cursor->column, &cursor->page_at,
                                 cursor->chunk_end, &cursor->arena, &cursor->page, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (cursor->page.is_dictionary)
        return take_dictionary(cursor, reterr);
    if (cursor->page.level_count > cursor->levels_left)
        return px_fail(reterr, PROXIMADB_CORRUPT, "a row group has more values than it says");
    cursor->levels_left -= cursor->page.level_count;
    const void *items = NULL;
    rc = px_table__decode(cursor->column, &cursor->page,
                          cursor->has_dictionary ? &cursor->dictionary : NULL, &cursor->arena,
                          &items, reterr);
    cursor->items = items;
    return rc;
}

/* Goes to a page with a level that was not given yet. */
static int need_level(struct px_table_cursor *cursor, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    while (rc == PROXIMADB_OK && cursor->level_index == cursor->page.level_count)
        rc = read_page(cursor, reterr);
    return rc;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static uint8_t definition(const struct px_table_cursor *cursor)
{
    return cursor->page.definitions != NULL ? cursor->page.definitions[cursor->level_index]
                                            : cursor->column->most_definition;
}

static const uint8_t *present_item(const struct px_table_cursor *cursor)
{
    return cursor->items + cursor->item_index * px_table__item_bytes(cursor->column->kind);
}

static int next_scalar(struct px_table_cursor *cursor, struct px_table_cell *ret_cell,
                       struct proximadb_error *reterr)
{
    int rc = need_level(cursor, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    bool is_null = definition(cursor) < cursor->column->most_definition;
    *ret_cell = (struct px_table_cell){
        .is_null = is_null, .item_count = !is_null, .as.items = present_item(cursor)};
    cursor->level_index++;
    cursor->item_index += !is_null;
    return PROXIMADB_OK;
}

/* The levels from level_index on that belong to the row, its first one included. */
static size_t row_levels(const struct px_table_cursor *cursor, bool is_first)
{
    size_t begin = cursor->level_index + (is_first ? 1 : 0);
    const uint8_t *end =
        memchr(cursor->page.repetitions + begin, 0, cursor->page.level_count - begin);
    size_t at = end != NULL ? (size_t)(end - cursor->page.repetitions) : cursor->page.level_count;
    return at - cursor->level_index;
}

/* Counts the items and nulls of `count` levels, which must be items. */
static int count_items(const struct px_table_cursor *cursor, size_t count,
                       struct px_table_cell *cell, struct proximadb_error *reterr)
{
    const uint8_t *definitions = cursor->page.definitions + cursor->level_index;
    size_t present = 0, items = 0;
    for (size_t i = 0; i < count; i++) {
        present += definitions[i] == cursor->column->most_definition;
        items += definitions[i] >= cursor->column->item_level;
    }
    if (items != count)
        return px_fail(reterr, PROXIMADB_CORRUPT, "a page is damaged: its levels make no sense");
    cell->item_count = present;
    cell->null_count = items - present;
    return PROXIMADB_OK;
}

/* Copies the items of the present page to the row that goes on in the next one. Bytes are copied
 * too, and their addresses are offsets until the row is complete. */
static void carry_items(struct px_table_cursor *cursor, size_t count)
{
    if (!is_bytes(cursor->column)) {
        px_buffer_append(&cursor->row, present_item(cursor),
                         count * px_table__item_bytes(cursor->column->kind));
        return;
    }
    const struct px_slice *slices = (const struct px_slice *)(const void *)present_item(cursor);
    for (size_t i = 0; i < count; i++) {
        size_t range[2] = {cursor->text.size_bytes, slices[i].size_bytes};
        px_buffer_append_slice(&cursor->text, slices[i]);
        px_buffer_append(&cursor->row, range, sizeof range);
    }
}

static int end_carried(struct px_table_cursor *cursor, struct px_table_cell *cell,
                       struct proximadb_error *reterr)
{
    int rc = px_buffer_status(&cursor->row, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_buffer_status(&cursor->text, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_slice *slices = (struct px_slice *)(void *)cursor->row.data;
    for (size_t i = 0; is_bytes(cursor->column) && i < cell->item_count; i++) {
        size_t range[2];
        memcpy(range, &slices[i], sizeof range);
        slices[i] =
            range[1] > 0 ? px_slice_of(cursor->text.data + range[0], range[1]) : px_slice_of("", 0);
    }
    cell->as.items = cursor->row.data;
    return PROXIMADB_OK;
}

static_assert(sizeof(struct px_slice) == 2 * sizeof(size_t), "a range takes the place of a slice");

/* A row whose first part has been counted into `cell`, and may go on in later pages. */
static int carry_row(struct px_table_cursor *cursor, struct px_table_cell *cell,
                     struct proximadb_error *reterr)
{
    px_buffer_clear(&cursor->row);
    px_buffer_clear(&cursor->text);
    carry_items(cursor, cell->item_count);
    cursor->level_index = cursor->page.level_count;
    while (cursor->levels_left > 0) {
        struct px_table_cell part = {0};
        int rc = need_level(cursor, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        size_t count = row_levels(cursor, false);
        rc = count_items(cursor, count, &part, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        carry_items(cursor, part.item_count);
        cell->item_count += part.item_count;
        cell->null_count += part.null_count;
        cursor->level_index += count;
        cursor->item_index += part.item_count;
        if (cursor->level_index < cursor->page.level_count)
            break;
    }
    return end_carried(cursor, cell, reterr);
}

static int next_list(struct px_table_cursor *cursor, struct px_table_cell *ret_cell,
                     struct proximadb_error *reterr)
{
    int rc = need_level(cursor, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (cursor->page.repetitions[cursor->level_index] != 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "a page is damaged: it begins within a row");
    struct px_table_cell cell = {.as.items = present_item(cursor)};
    size_t count = row_levels(cursor, true);
    uint8_t level = definition(cursor);
    if (count == 1 && level < cursor->column->item_level) {
        cell.is_null = level < cursor->column->list_level;
        cursor->level_index++;
        *ret_cell = cell;
        return PROXIMADB_OK;
    }
    rc = count_items(cursor, count, &cell, reterr);
    if (rc == PROXIMADB_OK && cursor->level_index + count == cursor->page.level_count &&
        cursor->levels_left > 0) {
        rc = carry_row(cursor, &cell, reterr);
    } else if (rc == PROXIMADB_OK) {
        cursor->level_index += count;
        cursor->item_index += cell.item_count;
    }
    if (rc == PROXIMADB_OK)
        *ret_cell = cell;
    return rc;
}

static int next_row(struct px_table_cursor *cursor, struct px_table_cell *ret_cell,
                    struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    while (rc == PROXIMADB_OK && cursor->rows_left == 0)
        rc = begin_group(cursor, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    cursor->rows_left--;
    return cursor->column->is_list ? next_list(cursor, ret_cell, reterr)
                                   : next_scalar(cursor, ret_cell, reterr);
}

/* ---- cursors ------------------------------------------------------------------------------- */

int px_table_cursor_open(const struct px_table *table, size_t column,
                         struct px_table_cursor **ret_cursor, struct proximadb_error *reterr)
{
    assert(column < table->footer.schema.count);
    const struct px_table_column *item = &table->footer.schema.columns[column];
    if (item->kind == PX_TABLE_OTHER)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED, "column '%.*s' is not read: it is %s",
                       (int)item->name.size_bytes, (const char *)item->name.data, item->reason);
    struct px_table_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return px_fail_no_memory(reterr);
    cursor->table = table;
    cursor->column = item;
    cursor->pages.file = table->file;
    px_arena_init(&cursor->arena, PX_TABLE_MOST_ARENA_BYTES);
    px_arena_init(&cursor->dictionary_arena, PX_TABLE_MOST_ARENA_BYTES);
    *ret_cursor = cursor;
    return PROXIMADB_OK;
}

void px_table_cursor_close(struct px_table_cursor *cursor)
{
    if (cursor == NULL)
        return;
    px_zstd_decompressor_free(cursor->pages.zstd);
    px_buffer_release(&cursor->pages.content);
    px_buffer_release(&cursor->dictionary_content);
    px_buffer_release(&cursor->row);
    px_buffer_release(&cursor->text);
    px_arena_release(&cursor->dictionary_arena);
    px_arena_release(&cursor->arena);
    free(cursor);
}

int px_table_cursor_next(struct px_table_cursor *cursor, struct px_table_cell *ret_cell,
                         struct proximadb_error *reterr)
{
    const struct px_slice *name = &cursor->column->name;
    int rc = next_row(cursor, ret_cell, reterr);
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "column '%.*s'",
                         name->size_bytes < 100 ? (int)name->size_bytes : 100,
                         (const char *)name->data);
    return rc;
}

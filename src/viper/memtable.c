#include "viper/memtable.h"

#include "base/bits.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FIRST_BLOCK_ROWS = 16,
    LARGEST_BLOCK_ROWS = 1024,
    LARGEST_BLOCK_BYTES = 4 << 20,
    VECTOR_ALIGN = 64,
};

struct memtable_row {
    _Atomic int64_t killed_at; /* 0: live */
    int64_t version;
    int64_t timestamp_ms;
    int64_t expires_at_ms;
    const uint8_t *id;
    const uint8_t *metadata;
    const uint8_t *document; /* NULL: none */
    uint32_t id_bytes;
    uint32_t metadata_bytes;
    uint32_t document_bytes;
};

struct memtable_block {
    struct memtable_row *rows;
    float *vectors;
};

struct px_memtable {
    uint32_t dim_count;
    size_t stride_bytes; /* of a vector */
    uint32_t full_block_rows;
    uint32_t growing_block_count; /* blocks before the first full one */
    uint32_t growing_row_count;   /* rows in those */

    struct memtable_block
        *_Atomic blocks;             /* the array is replaced when it grows; see grow_array() */
    struct memtable_block **retired; /* arrays that readers may still look into */
    uint32_t retired_count;
    uint32_t block_count;
    uint32_t block_capacity;
    size_t block_bytes;

    uint32_t staged_count;
    uint32_t staged_expiring_count;
    _Atomic uint32_t row_count;
    _Atomic uint32_t expiring_count;
    _Atomic int64_t last_lsn;
    struct px_arena text;
    _Atomic size_t size_bytes; /* of all of it, as last published */

    struct px_kill *kills;
    size_t kill_count;
    size_t kill_capacity;
};

int px_memtable_new(uint32_t dim_count, struct px_memtable **ret_memtable,
                    struct proximadb_error *reterr)
{
    assert(dim_count > 0);
    struct px_memtable *memtable = calloc(1, sizeof *memtable);
    if (memtable == NULL)
        return px_fail_no_memory(reterr);
    memtable->dim_count = dim_count;
    memtable->stride_bytes = px_round_up(dim_count * sizeof(float), VECTOR_ALIGN);

    uint32_t rows = LARGEST_BLOCK_ROWS;
    while (rows > 1 && rows * memtable->stride_bytes > LARGEST_BLOCK_BYTES)
        rows /= 2;
    memtable->full_block_rows = rows;
    for (uint32_t size = FIRST_BLOCK_ROWS; size < rows; size *= 2) {
        memtable->growing_block_count++;
        memtable->growing_row_count += size;
    }
    *ret_memtable = memtable;
    return PROXIMADB_OK;
}

void px_memtable_free(struct px_memtable *memtable)
{
    if (memtable == NULL)
        return;
    struct memtable_block *blocks = memtable->blocks;
    for (uint32_t i = 0; i < memtable->block_count; i++) {
        free(blocks[i].rows);
        free(blocks[i].vectors);
    }
    for (uint32_t i = 0; i < memtable->retired_count; i++)
        free(memtable->retired[i]);
    free(memtable->retired);
    free(blocks);
    free(memtable->kills);
    px_arena_release(&memtable->text);
    free(memtable);
}

/* Which block a row is in, and which place it has there. */
static uint32_t locate(const struct px_memtable *memtable, uint32_t row, uint32_t *ret_place)
{
    if (row >= memtable->growing_row_count) {
        uint32_t behind = row - memtable->growing_row_count;
        *ret_place = behind % memtable->full_block_rows;
        return memtable->growing_block_count + behind / memtable->full_block_rows;
    }
    /* Block b begins at row 16 * (2^b - 1). */
    uint32_t block = 31 - (uint32_t)__builtin_clz(row / FIRST_BLOCK_ROWS + 1);
    *ret_place = row - FIRST_BLOCK_ROWS * ((UINT32_C(1) << block) - 1);
    return block;
}

static uint32_t block_rows(const struct px_memtable *memtable, uint32_t block)
{
    return block < memtable->growing_block_count ? (uint32_t)FIRST_BLOCK_ROWS << block
                                                 : memtable->full_block_rows;
}

static struct memtable_row *get_row(const struct px_memtable *memtable, uint32_t row)
{
    uint32_t place;
    uint32_t block = locate(memtable, row, &place);
    struct memtable_block *blocks = atomic_load_explicit(&memtable->blocks, memory_order_acquire);
    return &blocks[block].rows[place];
}

/* Doubles the array of blocks. The old one is kept: a reader may just be looking into it, and all
 * that it looks for is in there. The old arrays together are no larger than the new one. */
static bool grow_array(struct px_memtable *memtable)
{
    uint32_t capacity = memtable->block_capacity == 0 ? 8 : 2 * memtable->block_capacity;
    struct memtable_block *old = memtable->blocks;
    struct memtable_block *grown = malloc(capacity * sizeof *grown);
    struct memtable_block **retired =
        realloc(memtable->retired, (memtable->retired_count + 1) * sizeof(struct memtable_block *));
    if (retired != NULL)
        memtable->retired = retired;
    if (grown == NULL || retired == NULL) {
        free(grown);
        return false;
    }
    if (old != NULL) {
        memcpy(grown, old, memtable->block_count * sizeof *grown);
        retired[memtable->retired_count++] = old;
    }
    memtable->block_capacity = capacity;
    atomic_store_explicit(&memtable->blocks, grown, memory_order_release);
    return true;
}

static bool add_block(struct px_memtable *memtable)
{
    if (memtable->block_count == memtable->block_capacity && !grow_array(memtable))
        return false;
    size_t rows = block_rows(memtable, memtable->block_count);
    struct memtable_block block = {
        .rows = calloc(rows, sizeof *block.rows),
        .vectors = aligned_alloc(VECTOR_ALIGN, rows * memtable->stride_bytes),
    };
    if (block.rows == NULL || block.vectors == NULL) {
        free(block.rows);
        free(block.vectors);
        return false;
    }
    struct memtable_block *blocks = memtable->blocks;
    blocks[memtable->block_count++] = block;
    memtable->block_bytes += rows * (memtable->stride_bytes + sizeof *block.rows);
    return true;
}

/* A copy of the record's variable parts; false without memory. */
static bool copy_text(struct px_memtable *memtable, const struct px_record *record,
                      struct memtable_row *row)
{
    size_t document_bytes = record->has_document ? record->document.size_bytes : 0;
    size_t total = record->id.size_bytes + record->metadata.size_bytes + document_bytes;
    uint8_t *text = px_arena_alloc_aligned(&memtable->text, total, 1);
    if (text == NULL)
        return false;
    row->id = text;
    row->id_bytes = (uint32_t)record->id.size_bytes;
    memcpy(text, record->id.data, record->id.size_bytes);
    text += record->id.size_bytes;
    row->metadata = text;
    row->metadata_bytes = (uint32_t)record->metadata.size_bytes;
    memcpy(text, record->metadata.data, record->metadata.size_bytes);
    text += record->metadata.size_bytes;
    row->document = record->has_document ? text : NULL;
    row->document_bytes = (uint32_t)document_bytes;
    if (document_bytes > 0)
        memcpy(text, record->document.data, document_bytes);
    return true;
}

int px_memtable_stage(struct px_memtable *memtable, const struct px_record *record,
                      uint32_t *ret_row, struct proximadb_error *reterr)
{
    assert(record->vector != NULL && record->dim_count == memtable->dim_count);
    assert(record->id.size_bytes > 0 && record->metadata.size_bytes > 0);
    uint32_t number = memtable->staged_count;
    if (number >= UINT32_MAX - 1)
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "too many rows wait to be flushed; try again later");
    uint32_t place;
    uint32_t index = locate(memtable, number, &place);
    if (index == memtable->block_count && !add_block(memtable))
        return px_fail_no_memory(reterr);
    struct memtable_block *block = &memtable->blocks[index];
    struct memtable_row *row = &block->rows[place];
    if (!copy_text(memtable, record, row))
        return px_fail_no_memory(reterr);

    float *vector = block->vectors + place * (memtable->stride_bytes / sizeof(float));
    size_t vector_bytes = memtable->dim_count * sizeof(float);
    memcpy(vector, record->vector, vector_bytes);
    memset((uint8_t *)vector + vector_bytes, 0, memtable->stride_bytes - vector_bytes);
    atomic_store_explicit(&row->killed_at, 0, memory_order_relaxed);
    row->version = 0;
    row->timestamp_ms = record->timestamp_ms;
    row->expires_at_ms = record->expires_at_ms;
    memtable->staged_count++;
    memtable->staged_expiring_count += record->expires_at_ms != PX_NEVER;
    *ret_row = number;
    return PROXIMADB_OK;
}

int px_memtable_reserve_kills(struct px_memtable *memtable, size_t count,
                              struct proximadb_error *reterr)
{
    size_t needed = memtable->kill_count + count;
    if (needed <= memtable->kill_capacity)
        return PROXIMADB_OK;
    size_t capacity = px_power_of_two(needed);
    struct px_kill *kills = realloc(memtable->kills, capacity * sizeof *kills);
    if (kills == NULL)
        return px_fail_no_memory(reterr);
    memtable->kills = kills;
    memtable->kill_capacity = capacity;
    return PROXIMADB_OK;
}

struct px_memtable_mark px_memtable_mark(const struct px_memtable *memtable)
{
    return (struct px_memtable_mark){
        .staged_count = memtable->staged_count,
        .staged_expiring_count = memtable->staged_expiring_count,
        .text = px_arena_mark(&memtable->text),
    };
}

void px_memtable_unstage(struct px_memtable *memtable, struct px_memtable_mark mark)
{
    assert(mark.staged_count >= memtable->row_count && mark.staged_count <= memtable->staged_count);
    memtable->staged_count = mark.staged_count;
    memtable->staged_expiring_count = mark.staged_expiring_count;
    px_arena_rewind(&memtable->text, mark.text);
}

void px_memtable_set_version(struct px_memtable *memtable, uint32_t row, int64_t version)
{
    assert(row >= memtable->row_count && row < memtable->staged_count);
    get_row(memtable, row)->version = version;
}

bool px_memtable_kill(struct px_memtable *memtable, uint32_t row, int64_t lsn)
{
    assert(row < memtable->staged_count && lsn > 0);
    struct memtable_row *killed = get_row(memtable, row);
    if (atomic_load_explicit(&killed->killed_at, memory_order_relaxed) != 0)
        return false;
    atomic_store_explicit(&killed->killed_at, lsn, memory_order_release);
    return true;
}

void px_memtable_add_kill(struct px_memtable *memtable, struct px_kill kill)
{
    assert(memtable->kill_count < memtable->kill_capacity);
    memtable->kills[memtable->kill_count++] = kill;
}

void px_memtable_publish(struct px_memtable *memtable, int64_t last_lsn)
{
    assert(last_lsn > memtable->last_lsn);
    atomic_store(&memtable->size_bytes, memtable->text.held_bytes + memtable->block_bytes +
                                            memtable->kill_count * sizeof *memtable->kills);
    atomic_store(&memtable->expiring_count, memtable->staged_expiring_count);
    atomic_store(&memtable->row_count, memtable->staged_count);
    atomic_store(&memtable->last_lsn, last_lsn);
}

uint32_t px_memtable_row_count(const struct px_memtable *memtable)
{
    return atomic_load(&memtable->row_count);
}

uint32_t px_memtable_staged_count(const struct px_memtable *memtable)
{
    return memtable->staged_count;
}

bool px_memtable_is_empty(const struct px_memtable *memtable)
{
    return px_memtable_last_lsn(memtable) == 0;
}

int64_t px_memtable_last_lsn(const struct px_memtable *memtable)
{
    return atomic_load(&memtable->last_lsn);
}

size_t px_memtable_size_bytes(const struct px_memtable *memtable)
{
    return atomic_load(&memtable->size_bytes);
}

uint32_t px_memtable_expiring_count(const struct px_memtable *memtable)
{
    return atomic_load(&memtable->expiring_count);
}

void px_memtable_get(const struct px_memtable *memtable, uint32_t row, struct px_record *ret_record)
{
    const struct memtable_row *from = get_row(memtable, row);
    *ret_record = (struct px_record){
        .id = px_slice_of(from->id, from->id_bytes),
        .version = from->version,
        .vector = px_memtable_get_vector(memtable, row),
        .dim_count = memtable->dim_count,
        .metadata = px_slice_of(from->metadata, from->metadata_bytes),
        .has_document = from->document != NULL,
        .document = px_slice_of(from->document, from->document_bytes),
        .timestamp_ms = from->timestamp_ms,
        .expires_at_ms = from->expires_at_ms,
    };
}

struct px_slice px_memtable_get_id(const struct px_memtable *memtable, uint32_t row)
{
    const struct memtable_row *from = get_row(memtable, row);
    return px_slice_of(from->id, from->id_bytes);
}

static float *vector_of(const struct px_memtable *memtable, uint32_t row)
{
    uint32_t place;
    uint32_t index = locate(memtable, row, &place);
    struct memtable_block *blocks = atomic_load_explicit(&memtable->blocks, memory_order_acquire);
    return blocks[index].vectors + place * (memtable->stride_bytes / sizeof(float));
}

const float *px_memtable_get_vector(const struct px_memtable *memtable, uint32_t row)
{
    return vector_of(memtable, row);
}

float *px_memtable_staged_vector(struct px_memtable *memtable, uint32_t row)
{
    assert(row >= memtable->row_count && row < memtable->staged_count);
    return vector_of(memtable, row);
}

int64_t px_memtable_get_expiry(const struct px_memtable *memtable, uint32_t row)
{
    return get_row(memtable, row)->expires_at_ms;
}

int64_t px_memtable_get_version(const struct px_memtable *memtable, uint32_t row)
{
    return get_row(memtable, row)->version;
}

int64_t px_memtable_killed_at(const struct px_memtable *memtable, uint32_t row)
{
    return atomic_load_explicit(&get_row(memtable, row)->killed_at, memory_order_acquire);
}

bool px_memtable_is_live(const struct px_memtable *memtable, uint32_t row, int64_t lsn)
{
    int64_t killed_at = px_memtable_killed_at(memtable, row);
    return killed_at == 0 || killed_at > lsn;
}

bool px_memtable_get_block(const struct px_memtable *memtable, uint32_t row, uint32_t row_count,
                           struct px_memtable_block *ret_block)
{
    if (row >= row_count)
        return false;
    uint32_t place;
    uint32_t index = locate(memtable, row, &place);
    uint32_t first_row = row - place;
    uint32_t rows = block_rows(memtable, index);
    struct memtable_block *blocks = atomic_load_explicit(&memtable->blocks, memory_order_acquire);
    *ret_block = (struct px_memtable_block){
        .vectors = blocks[index].vectors,
        .stride_bytes = memtable->stride_bytes,
        .first_row = first_row,
        .row_count = rows < row_count - first_row ? rows : row_count - first_row,
    };
    return true;
}

struct px_kill *px_memtable_kills(struct px_memtable *memtable, size_t *ret_count)
{
    *ret_count = memtable->kill_count;
    return memtable->kills;
}

#include "support/powercut_file.h"

#include "base/bits.h"

#include <assert.h>

struct px_powercut_change {
    struct px_powercut_change *next;
    uint64_t sequence;
    size_t size_after; /* of the file */
    size_t begin;      /* of the image in the file; a multiple of the sector */
    size_t image_bytes;
    bool cuts;       /* a truncation: behind the image all is zero */
    uint8_t image[]; /* whole sectors */
};

enum { SECTOR = PX_POWERCUT_SECTOR_BYTES };

static size_t round_down(size_t offset)
{
    return offset - offset % SECTOR;
}

static void resize(struct px_buffer *bytes, size_t size_bytes)
{
    if (size_bytes > bytes->size_bytes)
        px_buffer_append_zeros(bytes, size_bytes - bytes->size_bytes);
    bytes->size_bytes = size_bytes;
    assert(bytes->status == PROXIMADB_OK);
}

static void assign(struct px_buffer *to, const struct px_buffer *from)
{
    px_buffer_clear(to);
    px_buffer_append_slice(to, px_buffer_slice(from));
    assert(to->status == PROXIMADB_OK);
}

static void free_changes(struct px_powercut_file *file)
{
    while (file->changes != NULL) {
        struct px_powercut_change *next = file->changes->next;
        free(file->changes);
        file->changes = next;
    }
    file->end = &file->changes;
}

void px_powercut_file_init(struct px_powercut_file *file)
{
    *file = (struct px_powercut_file){.end = &file->changes};
}

void px_powercut_file_release(struct px_powercut_file *file)
{
    free_changes(file);
    px_buffer_release(&file->cached);
    px_buffer_release(&file->durable);
}

static struct px_powercut_change *add_change(struct px_powercut_file *file, size_t image_bytes)
{
    struct px_powercut_change *change = calloc(1, sizeof *change + image_bytes);
    assert(change != NULL);
    change->image_bytes = image_bytes;
    *file->end = change;
    file->end = &change->next;
    return change;
}

void px_powercut_file_copy(struct px_powercut_file *ret_file, const struct px_powercut_file *file)
{
    px_powercut_file_init(ret_file);
    assign(&ret_file->cached, &file->cached);
    assign(&ret_file->durable, &file->durable);
    for (const struct px_powercut_change *from = file->changes; from != NULL; from = from->next) {
        struct px_powercut_change *to = add_change(ret_file, from->image_bytes);
        memcpy(to, from, sizeof *from + from->image_bytes);
        to->next = NULL;
    }
}

/* Notes the sectors from `begin` to `end`, both multiples of the sector, as they are now. */
static struct px_powercut_change *note(struct px_powercut_file *file, uint64_t sequence,
                                       size_t begin, size_t end)
{
    struct px_powercut_change *change = add_change(file, end - begin);
    size_t visible_end = end < file->cached.size_bytes ? end : file->cached.size_bytes;
    change->sequence = sequence;
    change->size_after = file->cached.size_bytes;
    change->begin = begin;
    if (begin < visible_end)
        memcpy(change->image, file->cached.data + begin, visible_end - begin);
    return change;
}

void px_powercut_file_write(struct px_powercut_file *file, uint64_t sequence, uint64_t offset,
                            const struct px_slice *pieces, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].size_bytes;
    if (total == 0)
        return;
    size_t begin = (size_t)offset, end = begin + total;
    if (end > file->cached.size_bytes)
        resize(&file->cached, end);
    uint8_t *to = file->cached.data + begin;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size_bytes > 0)
            memcpy(to, pieces[i].data, pieces[i].size_bytes);
        to += pieces[i].size_bytes;
    }
    (void)note(file, sequence, round_down(begin), px_round_up(end, SECTOR));
}

void px_powercut_file_resize(struct px_powercut_file *file, uint64_t sequence, uint64_t size_bytes)
{
    size_t size = (size_t)size_bytes, before = file->cached.size_bytes;
    if (size == before)
        return;
    resize(&file->cached, size);
    if (size > before)
        (void)note(file, sequence, 0, 0);
    else
        note(file, sequence, round_down(size), px_round_up(size, SECTOR))->cuts = true;
}

/* ---- making changes durable, or some of them --------------------------------------------------- */

static void apply_sector(struct px_buffer *bytes, const struct px_powercut_change *change,
                         size_t at)
{
    if (bytes->size_bytes < change->begin + at + SECTOR)
        resize(bytes, change->begin + at + SECTOR);
    memcpy(bytes->data + change->begin + at, change->image + at, SECTOR);
}

static void apply_all(struct px_buffer *bytes, const struct px_powercut_change *change)
{
    for (size_t at = 0; at < change->image_bytes; at += SECTOR)
        apply_sector(bytes, change, at);
    size_t zero_from = change->begin + change->image_bytes;
    if (change->cuts && zero_from < bytes->size_bytes)
        memset(bytes->data + zero_from, 0, bytes->size_bytes - zero_from);
}

void px_powercut_file_sync(struct px_powercut_file *file)
{
    size_t size_bytes = file->durable.size_bytes;
    for (const struct px_powercut_change *change = file->changes; change != NULL;
         change = change->next) {
        apply_all(&file->durable, change);
        size_bytes = change->size_after;
    }
    resize(&file->durable, size_bytes);
    free_changes(file);
}

void px_powercut_file_lose(struct px_powercut_file *file)
{
    free_changes(file);
}

/* What of a file survives: its size is that behind the first `kept` changes, or on the way from
 * there to the next one's. */
struct survival {
    size_t kept;
    size_t size_bytes;
    unsigned eighths; /* PX_POWERCUT_RANDOM: the chance of a sector */
};

static size_t between(struct px_powercut_fate *fate, size_t low, size_t high)
{
    return low + px_test_below(&fate->random, high - low + 1);
}

static void choose_randomly(const struct px_powercut_file *file, struct px_powercut_fate *fate,
                            struct survival *survival)
{
    /* Few or nearly all sectors of a file are as likely as half of them. */
    static const unsigned chances[] = {0, 1, 4, 7, 8};
    survival->eighths = chances[px_test_below(&fate->random, 5)];
    size_t count = 0;
    for (const struct px_powercut_change *change = file->changes; change != NULL;
         change = change->next)
        count++;
    size_t kept = px_test_below(&fate->random, count + 1);
    size_t size_bytes = file->durable.size_bytes;
    const struct px_powercut_change *change = file->changes;
    for (size_t i = 0; i < kept; i++, change = change->next)
        size_bytes = change->size_after;
    if (change != NULL && change->size_after > size_bytes && px_test_below(&fate->random, 2) == 0)
        size_bytes = between(fate, size_bytes, change->size_after);
    survival->kept = kept;
    survival->size_bytes = size_bytes;
}

static void choose_in_order(const struct px_powercut_file *file, struct px_powercut_fate *fate,
                            struct survival *survival)
{
    survival->size_bytes = file->durable.size_bytes;
    const struct px_powercut_change *change = file->changes;
    for (; change != NULL && change->sequence < fate->first_lost; change = change->next) {
        survival->size_bytes = change->size_after;
        survival->kept++;
    }
    if (change != NULL && change->sequence == fate->first_lost &&
        change->size_after > survival->size_bytes)
        survival->size_bytes = between(fate, survival->size_bytes, change->size_after);
}

static struct survival choose(const struct px_powercut_file *file, struct px_powercut_fate *fate)
{
    struct survival survival = {0};
    if (fate->policy == PX_POWERCUT_RANDOM) {
        choose_randomly(file, fate, &survival);
    } else if (fate->policy == PX_POWERCUT_IN_ORDER) {
        choose_in_order(file, fate, &survival);
    } else {
        survival.kept = SIZE_MAX;
        survival.size_bytes = file->cached.size_bytes;
    }
    return survival;
}

/* The sectors of a write that survive: all, the first few, or those whose coin fell right. */
static void apply_some(struct px_buffer *bytes, const struct px_powercut_change *change,
                       struct px_powercut_fate *fate, const struct survival *survival)
{
    size_t until = change->image_bytes;
    if (fate->policy == PX_POWERCUT_IN_ORDER && change->sequence > fate->first_lost)
        until = 0;
    else if (fate->policy == PX_POWERCUT_IN_ORDER && change->sequence == fate->first_lost)
        until = between(fate, 0, change->image_bytes);
    for (size_t at = 0; at + SECTOR <= until; at += SECTOR)
        if (fate->policy != PX_POWERCUT_RANDOM ||
            px_test_below(&fate->random, 8) < survival->eighths)
            apply_sector(bytes, change, at);
}

/* Sectors that the file system had given to the file but not yet filled. */
static void spread_garbage(struct px_powercut_file *file, struct px_powercut_fate *fate)
{
    const size_t old_end = file->durable.size_bytes;
    for (const struct px_powercut_change *change = file->changes; change != NULL;
         change = change->next) {
        size_t begin = change->begin > old_end ? change->begin : old_end;
        size_t end = change->begin + change->image_bytes;
        if (end > file->durable.size_bytes && begin < end)
            resize(&file->durable, end);
        for (size_t at = begin; at < end; at++)
            file->durable.data[at] = (uint8_t)px_test_next(&fate->random);
    }
}

static void survive(struct px_powercut_file *file, struct px_powercut_fate *fate)
{
    struct survival survival = choose(file, fate);
    if (fate->garbage)
        spread_garbage(file, fate);
    size_t index = 0;
    for (const struct px_powercut_change *change = file->changes; change != NULL;
         change = change->next, index++) {
        if (!change->cuts)
            apply_some(&file->durable, change, fate, &survival);
        else if (index < survival.kept)
            apply_all(&file->durable, change);
    }
    resize(&file->durable, survival.size_bytes);
}

void px_powercut_file_cut(struct px_powercut_file *file, struct px_powercut_fate *fate)
{
    if (file->changes != NULL && fate->policy != PX_POWERCUT_DROP_ALL)
        survive(file, fate);
    free_changes(file);
    assign(&file->cached, &file->durable);
}

bool px_powercut_file_pending(const struct px_powercut_file *file, uint64_t *ret_oldest,
                              uint64_t *ret_newest)
{
    if (file->changes == NULL)
        return false;
    const struct px_powercut_change *change = file->changes;
    *ret_oldest = change->sequence;
    for (; change != NULL; change = change->next)
        *ret_newest = change->sequence;
    return true;
}

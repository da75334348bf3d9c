#include "model/metadata_internal.h"

#include "base/hash.h"

#include <assert.h>

enum {
    FEW_KEYS = 16,
    TABLE_SIZE = 2 * PX_METADATA_MOST_ENTRIES,
};

static_assert((TABLE_SIZE & (TABLE_SIZE - 1)) == 0, "a hash is cut to a place by a mask");

/* The place of an equal key, or the free one where it belongs. */
static size_t place_of(const struct px_metadata_keys *keys, struct px_slice key)
{
    size_t place = (size_t)px_hash_memory(key) & (TABLE_SIZE - 1);
    while (keys->table[place] != 0 && !px_slice_equal(keys->keys[keys->table[place] - 1], key))
        place = (place + 1) & (TABLE_SIZE - 1);
    return place;
}

const struct px_slice *px_metadata__keys_find(const struct px_metadata_keys *keys,
                                              struct px_slice key)
{
    if (keys->count > FEW_KEYS) {
        uint16_t found = keys->table[place_of(keys, key)];
        return found != 0 ? &keys->keys[found - 1] : NULL;
    }
    for (uint32_t i = 0; i < keys->count; i++)
        if (px_slice_equal(keys->keys[i], key))
            return &keys->keys[i];
    return NULL;
}

static void add_to_table(struct px_metadata_keys *keys, uint32_t index)
{
    keys->table[place_of(keys, keys->keys[index])] = (uint16_t)(index + 1);
}

void px_metadata__keys_add(struct px_metadata_keys *keys, struct px_slice key)
{
    assert(keys->count < PX_METADATA_MOST_ENTRIES);
    keys->keys[keys->count++] = key;
    if (keys->count == FEW_KEYS + 1) {
        memset(keys->table, 0, sizeof keys->table);
        for (uint32_t i = 0; i < keys->count; i++)
            add_to_table(keys, i);
    } else if (keys->count > FEW_KEYS) {
        add_to_table(keys, keys->count - 1);
    }
}

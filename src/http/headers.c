#include "http/headers.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FIELD_OVERHEAD_BYTES = 32, /* RFC 9113, 6.5.2 */
    FIRST_FIELDS = 16,
    KEPT_TEXT_BYTES = 8 << 10,
    KEPT_FIELDS = 128,
};

void px_headers_release(struct px_headers *headers)
{
    px_buffer_release(&headers->text);
    free(headers->places);
    *headers = (struct px_headers){0};
}

void px_headers_clear(struct px_headers *headers)
{
    if (headers->text.capacity_bytes > KEPT_TEXT_BYTES || headers->capacity > KEPT_FIELDS)
        px_headers_release(headers);
    px_buffer_clear(&headers->text);
    headers->count = 0;
    headers->counted_bytes = 0;
    headers->too_large = headers->no_memory = false;
}

static bool make_room(struct px_headers *headers)
{
    if (headers->count < headers->capacity)
        return true;
    uint32_t capacity = headers->capacity > 0 ? 2 * headers->capacity : FIRST_FIELDS;
    struct px_header_place *places = realloc(headers->places, capacity * sizeof *places);
    if (places == NULL)
        return false;
    headers->places = places;
    headers->capacity = capacity;
    return true;
}

static void lower(uint8_t *text, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] |= 0x20;
}

void px_headers_add(struct px_headers *headers, struct px_slice name, struct px_slice value,
                    size_t limit_bytes)
{
    assert(limit_bytes < UINT32_MAX / 2);
    if (headers->too_large || headers->no_memory)
        return;
    size_t counted = headers->counted_bytes + FIELD_OVERHEAD_BYTES;
    if (name.size_bytes > limit_bytes || value.size_bytes > limit_bytes ||
        counted + name.size_bytes + value.size_bytes > limit_bytes) {
        headers->too_large = true;
        return;
    }
    struct px_header_place place = {
        .name_at = (uint32_t)headers->text.size_bytes,
        .name_size_bytes = (uint32_t)name.size_bytes,
        .value_at = (uint32_t)(headers->text.size_bytes + name.size_bytes + 1),
        .value_size_bytes = (uint32_t)value.size_bytes,
    };
    px_buffer_append_slice(&headers->text, name);
    px_buffer_append_byte(&headers->text, 0);
    px_buffer_append_slice(&headers->text, value);
    px_buffer_append_byte(&headers->text, 0);
    if (headers->text.status != PROXIMADB_OK || !make_room(headers)) {
        headers->no_memory = true;
        return;
    }
    lower(headers->text.data + place.name_at, name.size_bytes);
    headers->places[headers->count++] = place;
    headers->counted_bytes = counted + name.size_bytes + value.size_bytes;
}

struct px_slice px_headers_name(const struct px_headers *headers, uint32_t index)
{
    assert(index < headers->count);
    const struct px_header_place *place = &headers->places[index];
    return px_slice_of(headers->text.data + place->name_at, place->name_size_bytes);
}

struct px_slice px_headers_value(const struct px_headers *headers, uint32_t index)
{
    assert(index < headers->count);
    const struct px_header_place *place = &headers->places[index];
    return px_slice_of(headers->text.data + place->value_at, place->value_size_bytes);
}

bool px_headers_find(const struct px_headers *headers, const char *name, struct px_slice *ret_value)
{
    struct px_slice wanted = px_slice_of_string(name);
    for (uint32_t i = 0; i < headers->count; i++) {
        if (px_slice_equal(px_headers_name(headers, i), wanted)) {
            *ret_value = px_headers_value(headers, i);
            return true;
        }
    }
    *ret_value = (struct px_slice){0};
    return false;
}

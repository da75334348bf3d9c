#include "avro/container.h"

#include "avro/cursor.h"
#include "avro/encode.h"

#include <assert.h>

static const uint8_t magic[4] = {'O', 'b', 'j', 1};
static const char schema_key[] = "avro.schema";
static const char codec_key[] = "avro.codec";

static void put_entry(struct px_buffer *buffer, struct px_slice key, struct px_slice value)
{
    px_encode_string(buffer, key);
    px_encode_string(buffer, value);
}

void px_container_header_write(struct px_buffer *buffer, struct px_slice schema,
                               const struct px_container_entry *entries, size_t entry_count,
                               const uint8_t sync[PX_CONTAINER_SYNC_BYTES])
{
    px_buffer_append(buffer, magic, sizeof magic);
    px_encode_block(buffer, entry_count + 2);
    put_entry(buffer, px_slice_of_string(codec_key), px_slice_of_string("null"));
    put_entry(buffer, px_slice_of_string(schema_key), schema);
    for (size_t i = 0; i < entry_count; i++) {
        assert(entries[i].key.size_bytes < 5 || memcmp(entries[i].key.data, "avro.", 5) != 0);
        put_entry(buffer, entries[i].key, entries[i].value);
    }
    px_encode_block_end(buffer, entry_count + 2);
    px_encode_fixed(buffer, sync, PX_CONTAINER_SYNC_BYTES);
}

static struct px_slice read_metadata(struct px_cursor *cursor)
{
    const uint8_t *begin = cursor->at;
    struct px_cursor_items items = {0};
    while (px_cursor_next_item(cursor, &items)) {
        (void)px_cursor_string(cursor);
        (void)px_cursor_string(cursor);
    }
    return px_slice_of(begin, (size_t)(cursor->at - begin));
}

bool px_container_find(const struct px_container_header *header, const char *key,
                       struct px_slice *ret_value)
{
    struct px_cursor cursor = px_cursor_of(header->metadata);
    struct px_cursor_items items = {0};
    while (px_cursor_next_item(&cursor, &items)) {
        struct px_slice found = px_cursor_string(&cursor);
        struct px_slice value = px_cursor_string(&cursor);
        if (px_slice_equal(found, px_slice_of_string(key))) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static int check_codec(const struct px_container_header *header, struct proximadb_error *reterr)
{
    struct px_slice codec;
    if (!px_container_find(header, codec_key, &codec) ||
        px_slice_equal(codec, px_slice_of_string("null")))
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                   "the Avro file is compressed with '%.*s'; only the codec null is read",
                   codec.size_bytes > 32 ? 32 : (int)codec.size_bytes, (const char *)codec.data);
}

int px_container_header_read(struct px_slice file, struct px_container_header *ret_header,
                             struct proximadb_error *reterr)
{
    struct px_container_header header = {0};
    if (file.size_bytes > PX_CONTAINER_LARGEST_HEADER_BYTES)
        file.size_bytes = PX_CONTAINER_LARGEST_HEADER_BYTES;
    struct px_cursor cursor = px_cursor_of(file);
    const uint8_t *begin = px_cursor_fixed(&cursor, sizeof magic);
    if (begin != NULL && memcmp(begin, magic, sizeof magic) != 0)
        px_cursor_fail(&cursor, "it does not begin with 'Obj' 01");
    header.metadata = read_metadata(&cursor);
    header.sync = px_cursor_fixed(&cursor, PX_CONTAINER_SYNC_BYTES);
    int rc = px_cursor_check(&cursor, PROXIMADB_CORRUPT, "header of an Avro file", reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (!px_container_find(&header, schema_key, &header.schema))
        return px_fail(reterr, PROXIMADB_CORRUPT, "the header of the Avro file has no schema");
    rc = check_codec(&header, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    header.size_bytes = (size_t)(cursor.at - cursor.begin);
    *ret_header = header;
    return PROXIMADB_OK;
}

size_t px_container_block_write(uint8_t at[PX_CONTAINER_BLOCK_HEADER_BYTES], uint64_t object_count,
                                uint64_t size_bytes)
{
    assert(object_count <= INT64_MAX && size_bytes <= INT64_MAX);
    size_t used = px_varint_write_long(at, (int64_t)object_count);
    return used + px_varint_write_long(at + used, (int64_t)size_bytes);
}

size_t px_container_block_write_padded(uint8_t at[PX_CONTAINER_BLOCK_HEADER_BYTES],
                                       uint64_t object_count, uint64_t size_bytes)
{
    assert(object_count <= INT64_MAX && size_bytes < PX_CONTAINER_PADDED_SIZE_LIMIT);
    size_t used = px_varint_write_long(at, (int64_t)object_count);
    px_varint_write_padded(at + used, px_zigzag((int64_t)size_bytes),
                           PX_CONTAINER_PADDED_SIZE_BYTES);
    return used + PX_CONTAINER_PADDED_SIZE_BYTES;
}

int px_container_block_read(struct px_slice input, const uint8_t sync[PX_CONTAINER_SYNC_BYTES],
                            struct px_container_block *ret_block, struct proximadb_error *reterr)
{
    struct px_cursor cursor = px_cursor_of(input);
    int64_t object_count = px_cursor_long(&cursor);
    if (object_count < 0)
        px_cursor_fail(&cursor, "the number of objects is negative");
    int64_t size = px_cursor_long(&cursor);
    if (size < 0 || (uint64_t)size > px_cursor_left(&cursor))
        px_cursor_fail(&cursor, "it is longer than what is left of the file");
    const uint8_t *objects = px_cursor_fixed(&cursor, size > 0 ? (size_t)size : 0);
    const uint8_t *end = px_cursor_fixed(&cursor, PX_CONTAINER_SYNC_BYTES);
    if (end != NULL && memcmp(end, sync, PX_CONTAINER_SYNC_BYTES) != 0)
        px_cursor_fail(&cursor, "the sync marker behind it is wrong");
    int rc = px_cursor_check(&cursor, PROXIMADB_CORRUPT, "block of an Avro file", reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    *ret_block = (struct px_container_block){
        .object_count = (uint64_t)object_count,
        .objects = px_slice_of(objects, (size_t)size),
        .header_size_bytes = (size_t)(objects - cursor.begin),
        .size_bytes = (size_t)(cursor.at - cursor.begin),
    };
    return PROXIMADB_OK;
}

/* px-test: layers=model label=fuzz */
/*
 * fuzz_metadata: any bytes as metadata: as JSON if they begin with a brace, otherwise as an Avro map.
 * What is accepted must survive being put together again, reading, merging with itself, and the way
 * through JSON.
 */
#include "model/metadata.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* The same map made by the builder, whose bytes only the content decides. */
static struct px_buffer rebuild(struct px_slice metadata)
{
    struct px_buffer built = {0};
    struct px_metadata_walk walk = px_metadata_first(metadata);
    size_t count = (size_t)walk.left;
    struct px_slice key;
    struct px_value value;
    px_metadata_begin(&built, count);
    while (px_metadata_next(&walk, &key, &value)) {
        struct px_value found;
        demand(px_metadata_find(metadata, key, &found) && found.kind == value.kind);
        struct px_buffer array = {0};
        if (value.kind == PROXIMADB_VALUE_STRING_ARRAY) {
            struct px_slice *strings = calloc(value.as.array.size_bytes, sizeof *strings);
            demand(strings != NULL);
            struct px_strings items = px_strings_first(value.as.array);
            size_t string_count = 0;
            while (px_strings_next(&items, &strings[string_count]))
                string_count++;
            px_strings_write(&array, strings, string_count);
            value.as.array = px_buffer_slice(&array);
            free(strings);
        }
        px_metadata_put(&built, key, &value);
        px_buffer_release(&array);
    }
    px_metadata_finish(&built, count);
    demand(walk.next + (count > 0) == metadata.data + metadata.size_bytes);
    return built;
}

static void check_metadata(struct px_slice metadata)
{
    struct px_buffer built = rebuild(metadata), json = {0}, again = {0}, merged = {0},
                     scratch = {0};
    struct px_slice read;
    size_t read_size;
    demand(px_metadata_read(metadata, &scratch, &read_size, &read, NULL) == PROXIMADB_OK);
    demand(read.data == metadata.data && read_size == metadata.size_bytes);
    px_metadata_to_json(metadata, NULL, NULL, &json);
    demand(px_metadata_from_json(px_buffer_slice(&json), &again, NULL) == PROXIMADB_OK);
    demand(px_slice_equal(px_buffer_slice(&again), px_buffer_slice(&built)));
    demand(px_metadata_merge(px_buffer_slice(&built), px_metadata_empty, &merged, NULL) ==
           PROXIMADB_OK);
    demand(px_slice_equal(px_buffer_slice(&merged), px_buffer_slice(&built)));
    px_buffer_release(&built);
    px_buffer_release(&json);
    px_buffer_release(&again);
    px_buffer_release(&merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_buffer buffer = {0};
    struct px_slice metadata, input = px_slice_of(data, size);
    size_t read_size;
    if (size > 0 && data[0] == '{') {
        if (px_metadata_from_json(input, &buffer, NULL) == PROXIMADB_OK)
            check_metadata(px_buffer_slice(&buffer));
    } else if (px_metadata_read(input, &buffer, &read_size, &metadata, NULL) == PROXIMADB_OK) {
        demand(read_size <= size);
        check_metadata(metadata);
    }
    px_buffer_release(&buffer);
    return 0;
}

/* px-test: layers=avro label=fuzz */
/*
 * fuzz_container: any bytes as an Avro object container file. What is accepted must lie within the
 * input, end where its sizes say, and read back after it is written again.
 */
#include "avro/container.h"

#include "avro/fingerprint.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void demand_within(struct px_slice whole, struct px_slice part)
{
    demand(part.data >= whole.data && part.data <= whole.data + whole.size_bytes);
    demand(part.size_bytes <= (size_t)(whole.data + whole.size_bytes - part.data));
}

static void check_header(struct px_slice file, const struct px_container_header *header)
{
    struct px_container_header again;
    struct px_buffer buffer = {0};
    uint64_t fingerprint;
    demand_within(file, header->schema);
    demand_within(file, header->metadata);
    demand_within(file, px_slice_of(header->sync, PX_CONTAINER_SYNC_BYTES));
    demand(header->size_bytes <= file.size_bytes);
    px_container_header_write(&buffer, header->schema, NULL, 0, header->sync);
    demand(px_container_header_read(px_buffer_slice(&buffer), &again, NULL) == PROXIMADB_OK);
    demand(px_slice_equal(again.schema, header->schema));
    demand(again.size_bytes == buffer.size_bytes);
    px_buffer_release(&buffer);
    (void)!px_fingerprint_schema(header->schema, &fingerprint, NULL);
}

static void check_block(const struct px_container_block *block, const uint8_t *sync)
{
    uint8_t begin[PX_CONTAINER_BLOCK_HEADER_BYTES];
    struct px_container_block again;
    struct px_buffer buffer = {0};
    size_t size =
        px_container_block_write_padded(begin, block->object_count, block->objects.size_bytes);
    px_buffer_append(&buffer, begin, size);
    px_buffer_append_slice(&buffer, block->objects);
    px_buffer_append(&buffer, sync, PX_CONTAINER_SYNC_BYTES);
    demand(px_container_block_read(px_buffer_slice(&buffer), sync, &again, NULL) == PROXIMADB_OK);
    demand(again.object_count == block->object_count);
    demand(px_slice_equal(again.objects, block->objects));
    demand(again.size_bytes == buffer.size_bytes);
    px_buffer_release(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_slice file = px_slice_of(data, size);
    struct px_container_header header;
    struct px_container_block block;
    if (px_container_header_read(file, &header, NULL) != PROXIMADB_OK)
        return 0;
    check_header(file, &header);
    for (size_t at = header.size_bytes; at < size; at += block.size_bytes) {
        struct px_slice rest = px_slice_of(data + at, size - at);
        if (px_container_block_read(rest, header.sync, &block, NULL) != PROXIMADB_OK)
            break;
        demand_within(rest, block.objects);
        demand(block.size_bytes <= rest.size_bytes);
        check_block(&block, header.sync);
    }
    return 0;
}

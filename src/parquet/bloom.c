#include "parquet/bloom_internal.h"

#include "base/bits.h"
#include "codec/thrift.h"

#include <stdlib.h>

enum { WORDS = PX_BLOOM_BLOCK_BYTES / 4 };

/* Fields of BloomFilterHeader, and the one choice in each of its unions. */
enum { FIELD_SIZE = 1, FIELD_ALGORITHM = 2, FIELD_HASH = 3, FIELD_COMPRESSION = 4, THE_CHOICE = 1 };

/* The format's constants (BloomFilter.md). */
static const uint32_t SALT[WORDS] = {
    UINT32_C(0x47b6137b), UINT32_C(0x44974d91), UINT32_C(0x8824ad5b), UINT32_C(0xa2b7289d),
    UINT32_C(0x705495c7), UINT32_C(0x2df1424b), UINT32_C(0x9efc4947), UINT32_C(0x5c6bfb31),
};

size_t px_bloom__size_bytes(uint64_t distinct_count)
{
    static const double BITS_A_VALUE = 9.68;
    double bytes = (double)distinct_count * BITS_A_VALUE / 8;
    if (bytes >= PX_BLOOM_MOST_BYTES)
        return PX_BLOOM_MOST_BYTES;
    size_t size = (size_t)px_power_of_two((uint64_t)bytes + 1);
    return size < PX_BLOOM_BLOCK_BYTES ? PX_BLOOM_BLOCK_BYTES : size;
}

static size_t block_offset(size_t size_bytes, uint64_t hash)
{
    uint64_t block_count = size_bytes / PX_BLOOM_BLOCK_BYTES;
    return (size_t)((hash >> 32) * block_count >> 32) * PX_BLOOM_BLOCK_BYTES;
}

static uint32_t bit_of_word(uint64_t hash, size_t word)
{
    return UINT32_C(1) << ((uint32_t)hash * SALT[word] >> 27);
}

void px_bloom__insert(uint8_t *bits, size_t size_bytes, uint64_t hash)
{
    uint8_t *block = bits + block_offset(size_bytes, hash);
    for (size_t i = 0; i < WORDS; i++)
        px_store_u32(block + 4 * i, px_load_u32(block + 4 * i) | bit_of_word(hash, i));
}

bool px_bloom__contains(const uint8_t *bits, size_t size_bytes, uint64_t hash)
{
    const uint8_t *block = bits + block_offset(size_bytes, hash);
    for (size_t i = 0; i < WORDS; i++)
        if ((px_load_u32(block + 4 * i) & bit_of_word(hash, i)) == 0)
            return false;
    return true;
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static uint64_t count_distinct(uint64_t *hashes, size_t count)
{
    if (count == 0)
        return 0;
    qsort(hashes, count, sizeof *hashes, compare_hashes);
    uint64_t distinct = 1;
    for (size_t i = 1; i < count; i++)
        distinct += hashes[i] != hashes[i - 1];
    return distinct;
}

static void put_choice(struct px_thrift_writer *writer, int16_t id)
{
    px_thrift_begin_struct(writer, id);
    px_thrift_put_empty_struct(writer, THE_CHOICE);
    px_thrift_end_struct(writer);
}

void px_bloom__encode(uint64_t *hashes, size_t count, struct px_buffer *buffer)
{
    size_t size = px_bloom__size_bytes(count_distinct(hashes, count));
    struct px_thrift_writer writer = px_thrift_writer_of(buffer);
    px_thrift_put_i32(&writer, FIELD_SIZE, (int32_t)size);
    put_choice(&writer, FIELD_ALGORITHM);
    put_choice(&writer, FIELD_HASH);
    put_choice(&writer, FIELD_COMPRESSION);
    px_thrift_end_struct(&writer);
    px_buffer_append_zeros(buffer, size);
    if (buffer->status != PROXIMADB_OK)
        return;
    uint8_t *bits = buffer->data + buffer->size_bytes - size;
    for (size_t i = 0; i < count; i++)
        px_bloom__insert(bits, size, hashes[i]);
}

/* Whether a union names the one choice that we know. */
static bool read_choice(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    bool is_known = false;
    struct px_thrift_field choice = {0};
    px_thrift_get_struct(reader, field);
    while (px_thrift_next(reader, &choice)) {
        is_known = choice.id == THE_CHOICE;
        px_thrift_skip(reader, choice);
    }
    return is_known;
}

int px_bloom__parse(struct px_slice filter, struct px_slice *ret_bits,
                    struct proximadb_error *reterr)
{
    size_t size = 0;
    unsigned known = 0;
    struct px_thrift_reader reader = px_thrift_reader_of(filter);
    struct px_thrift_field field = {0};
    while (px_thrift_next(&reader, &field)) {
        if (field.id == FIELD_SIZE)
            size = (size_t)px_thrift_get_integer(&reader, field, 1, PX_BLOOM_MOST_BYTES);
        else if (field.id >= FIELD_ALGORITHM && field.id <= FIELD_COMPRESSION)
            known += read_choice(&reader, field);
        else
            px_thrift_skip(&reader, field);
    }
    int rc = px_thrift_check(&reader, "the header of the bloom filter", reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (known != 3)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED, "the bloom filter is of an unknown kind");
    if (size < PX_BLOOM_BLOCK_BYTES || size % PX_BLOOM_BLOCK_BYTES != 0 ||
        size != (size_t)(reader.end - reader.at))
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the bloom filter is damaged: it has %zu bytes and says %zu",
                       (size_t)(reader.end - reader.at), size);
    *ret_bits = px_slice_of(reader.at, size);
    return PROXIMADB_OK;
}

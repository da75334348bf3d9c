/*
 * Goal: what was compressed comes back exactly; a wrong size, a damaged frame or a bomb is an error
 * and leaves the buffer as it was.
 * Method: random and repetitive data of many sizes; every truncation and many damaged bytes.
 */
#include "codec/zstd.h"

#include "support/px_test.h"

struct codec {
    struct px_zstd_compressor *compressor;
    struct px_zstd_decompressor *decompressor;
    struct px_buffer frame;
    struct px_buffer output;
};

static struct codec codec_new(void)
{
    struct codec codec = {.compressor = px_zstd_compressor_new(),
                          .decompressor = px_zstd_decompressor_new()};
    assert_non_null(codec.compressor);
    assert_non_null(codec.decompressor);
    return codec;
}

static void codec_release(struct codec *codec)
{
    px_zstd_compressor_free(codec->compressor);
    px_zstd_decompressor_free(codec->decompressor);
    px_buffer_release(&codec->frame);
    px_buffer_release(&codec->output);
}

static void compress(struct codec *codec, int level, struct px_slice input)
{
    px_buffer_clear(&codec->frame);
    px_buffer_clear(&codec->output);
    assert_int_equal(px_zstd_compress(codec->compressor, level, input, &codec->frame, NULL),
                     PROXIMADB_OK);
}

static int decompress(struct codec *codec, size_t size_bytes, struct proximadb_error *reterr)
{
    return px_zstd_decompress(codec->decompressor, px_buffer_slice(&codec->frame), size_bytes,
                              &codec->output, reterr);
}

static void test_zstd__gives_back_what_it_took(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("zstd");
    static uint8_t data[100000];
    struct codec codec = codec_new();
    for (int round = 0; round < 60; round++) {
        size_t size = round == 0 ? 0 : px_test_below(&random, sizeof data);
        unsigned kinds = 1 + (unsigned)px_test_below(&random, 256);
        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)px_test_below(&random, kinds);
        compress(&codec, 1 + round % 5, px_slice_of(data, size));
        assert_int_equal(decompress(&codec, size, NULL), PROXIMADB_OK);
        assert_true(px_slice_equal(px_buffer_slice(&codec.output), px_slice_of(data, size)));
    }
    codec_release(&codec);
}

static void test_zstd__refuses_another_size(void **state)
{
    (void)state;
    struct codec codec = codec_new();
    struct proximadb_error error;
    compress(&codec, 3, px_slice_of_string("a page of text, a page of text"));
    px_buffer_append(&codec.output, "x", 1);
    assert_int_equal(decompress(&codec, 29, &error), PROXIMADB_CORRUPT);
    assert_non_null(strstr(error.message, "30 bytes where 29"));
    assert_int_equal(decompress(&codec, 31, NULL), PROXIMADB_CORRUPT);
    assert_int_equal(decompress(&codec, 0, NULL), PROXIMADB_CORRUPT);
    assert_int_equal(codec.output.size_bytes, 1);
    assert_int_equal(decompress(&codec, 30, NULL), PROXIMADB_OK);
    assert_memory_equal(codec.output.data, "xa page of text", 15);
    codec_release(&codec);
}

static void test_zstd__refuses_what_is_over_the_ceiling(void **state)
{
    (void)state;
    struct codec codec = codec_new();
    uint8_t *zeros = calloc(1, 1000000);
    compress(&codec, 3, px_slice_of(zeros, 1000000));
    assert_true(codec.frame.size_bytes < 100);
    px_buffer_init(&codec.output, 999999);
    assert_int_equal(decompress(&codec, 1000000, NULL), PROXIMADB_RESOURCE_EXHAUSTED);
    assert_int_equal(codec.output.size_bytes, 0);
    assert_int_equal(codec.output.capacity_bytes, 0);
    px_buffer_release(&codec.frame);
    px_buffer_init(&codec.frame, 10);
    assert_int_equal(
        px_zstd_compress(codec.compressor, 3, px_slice_of(zeros, 1000000), &codec.frame, NULL),
        PROXIMADB_RESOURCE_EXHAUSTED);
    assert_int_equal(codec.frame.size_bytes, 0);
    free(zeros);
    codec_release(&codec);
}

static void test_zstd__refuses_damaged_frames(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("zstd damage");
    struct codec codec = codec_new();
    uint8_t data[500];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)px_test_below(&random, 7);
    compress(&codec, 3, px_slice_of(data, sizeof data));
    size_t size = codec.frame.size_bytes;
    for (codec.frame.size_bytes = 0; codec.frame.size_bytes < size; codec.frame.size_bytes++)
        assert_int_equal(decompress(&codec, sizeof data, NULL), PROXIMADB_CORRUPT);
    for (int round = 0; round < 500; round++) {
        size_t at = px_test_below(&random, size);
        uint8_t old = codec.frame.data[at];
        codec.frame.data[at] ^= (uint8_t)(1 + px_test_below(&random, 255));
        px_buffer_clear(&codec.output);
        /* A changed literal is still a frame; what counts is that the size is right or nothing is. */
        int rc = decompress(&codec, sizeof data, NULL);
        assert_int_equal(codec.output.size_bytes, rc == PROXIMADB_OK ? sizeof data : 0);
        codec.frame.data[at] = old;
    }
    codec_release(&codec);
}

/* Parts make one frame, which is smaller where they differ than it is as one piece. */
static void test_zstd__compresses_parts_by_their_own_statistics(void **state)
{
    (void)state;
    enum { PART_BYTES = 12288, PARTS = 4 };
    struct px_test_random random = px_test_random_new("zstd");
    static uint8_t data[PARTS * PART_BYTES];
    struct px_slice parts[PARTS + 1];
    struct codec codec = codec_new();
    for (size_t i = 0; i < PARTS; i++) {
        parts[i] = px_slice_of(data + i * PART_BYTES, PART_BYTES);
        for (size_t j = 0; j < PART_BYTES; j++)
            data[i * PART_BYTES + j] = (uint8_t)px_test_below(&random, i == 0 ? 256 : 4 * i);
    }
    parts[PARTS] = px_slice_of(NULL, 0);
    compress(&codec, 1, px_slice_of(data, sizeof data));
    size_t whole_bytes = codec.frame.size_bytes;
    for (size_t count = 0; count <= PARTS + 1; count++) {
        size_t size = count < PARTS ? count * PART_BYTES : sizeof data;
        px_buffer_clear(&codec.frame);
        px_buffer_clear(&codec.output);
        assert_int_equal(
            px_zstd_compress_parts(codec.compressor, 1, parts, count, &codec.frame, NULL),
            PROXIMADB_OK);
        assert_int_equal(decompress(&codec, size, NULL), PROXIMADB_OK);
        assert_int_equal(codec.output.size_bytes, size);
        assert_memory_equal(codec.output.data, data, size);
    }
    assert_true(codec.frame.size_bytes < whole_bytes - whole_bytes / 20);
    codec_release(&codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zstd__gives_back_what_it_took),
        cmocka_unit_test(test_zstd__refuses_another_size),
        cmocka_unit_test(test_zstd__refuses_what_is_over_the_ceiling),
        cmocka_unit_test(test_zstd__refuses_damaged_frames),
        cmocka_unit_test(test_zstd__compresses_parts_by_their_own_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* px-test: layers=axis label=unit */
/*
 * Goal: a rotation keeps lengths and products, spreads single components over all, differs from
 * seed to seed, and is the same for a seed for ever. Method: random and unit vectors of many
 * dimensions, products in double; a few results written down here, bit by bit.
 */
#include "axis/rotation.h"

#include "support/px_test.h"

enum { MOST_DIMS = 65536 };

static float x[MOST_DIMS], y[MOST_DIMS], rotated_x[MOST_DIMS], rotated_y[MOST_DIMS];

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void rotate(const struct px_rotation *rotation, const float *from, float *to)
{
    memset(to, 0, rotation->padded_count * sizeof *to);
    memcpy(to, from, rotation->dim_count * sizeof *to);
    px_rotation_apply(rotation, to);
}

static const uint32_t dims[] = {1, 2, 63, 64, 65, 100, 128, 384, 768, 1000, 1024, 4160, 65536};

static void test_rotation__keeps_lengths_and_products(void **state)
{
    (void)state;
    struct px_test_random random = px_test_random_new("rotation");
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        struct px_rotation rotation;
        assert_int_equal(px_rotation_init(&rotation, dims[i], 1, NULL), PROXIMADB_OK);
        assert_int_equal(rotation.padded_count % PX_ROTATION_UNIT, 0);
        assert_true(rotation.padded_count >= dims[i] && rotation.padded_count < dims[i] + 64);
        for (uint32_t j = 0; j < dims[i]; j++) {
            x[j] = px_test_float(&random);
            y[j] = px_test_float(&random);
        }
        rotate(&rotation, x, rotated_x);
        rotate(&rotation, y, rotated_y);
        size_t padded = rotation.padded_count;
        double norm = dot(x, x, dims[i]), scale = sqrt(norm * dot(y, y, dims[i]));
        assert_true(fabs(dot(rotated_x, rotated_x, padded) / norm - 1) < 1e-5);
        assert_true(fabs(dot(rotated_x, rotated_y, padded) - dot(x, y, dims[i])) < 1e-5 * scale);
        px_rotation_release(&rotation);
    }
}

/* No component of a rotated unit vector is much larger than 1/sqrt(n). */
static void test_rotation__spreads_single_components(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        struct px_rotation rotation;
        assert_int_equal(px_rotation_init(&rotation, dims[i], 7, NULL), PROXIMADB_OK);
        memset(x, 0, dims[i] * sizeof *x);
        for (uint32_t at = 0; at < dims[i]; at += dims[i] / 3 + 1) {
            x[at] = 1;
            rotate(&rotation, x, rotated_x);
            x[at] = 0;
            float most = 0;
            for (size_t j = 0; j < rotation.padded_count; j++)
                most = fabsf(rotated_x[j]) > most ? fabsf(rotated_x[j]) : most;
            assert_true(most < 9 / sqrtf((float)rotation.padded_count));
        }
        px_rotation_release(&rotation);
    }
}

static void test_rotation__a_seed_means_the_same_for_ever(void **state)
{
    (void)state;
    struct px_rotation rotation, other;
    assert_int_equal(px_rotation_init(&rotation, 384, 1, NULL), PROXIMADB_OK);
    assert_int_equal(px_rotation_init(&other, 384, 2, NULL), PROXIMADB_OK);
    for (int i = 0; i < 384; i++)
        x[i] = (float)(i % 17) - 8;
    rotate(&rotation, x, rotated_x);
    rotate(&other, x, rotated_y);
    assert_true(memcmp(rotated_x, rotated_y, 384 * sizeof(float)) != 0);
    uint32_t hash = 2166136261u; /* FNV-1a over all bits */
    for (size_t i = 0; i < 384; i++) {
        uint32_t bits;
        memcpy(&bits, &rotated_x[i], sizeof bits);
        hash = (hash ^ bits) * 16777619u;
    }
    print_message("hash of the rotated vector: 0x%08x\n", hash);
    assert_int_equal(hash, 0x81837bc5);
    px_rotation_release(&rotation);
    px_rotation_release(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotation__keeps_lengths_and_products),
        cmocka_unit_test(test_rotation__spreads_single_components),
        cmocka_unit_test(test_rotation__a_seed_means_the_same_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

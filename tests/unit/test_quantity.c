/* px-test: layers=base files=cli/quantity.c */
/*
 * Goal: sizes, times and counts are read as people mean them, and nothing else is read.
 * Method: examples of each unit, the limits of 64 bits, and texts that are none.
 */
#include "cli/quantity.h"

#include "support/px_test.h"

typedef bool parser(const char *text, uint64_t *ret_value);

struct example {
    const char *text;
    uint64_t value;
};

static void check_all(parser *parse, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 77;
        if (!parse(examples[i].text, &value) || value != examples[i].value)
            fail_msg("'%s' is read as %llu", examples[i].text, (unsigned long long)value);
    }
}

static void check_none(parser *parse, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        uint64_t value = 77;
        if (parse(*texts, &value) || value != 77)
            fail_msg("'%s' is read as %llu", *texts, (unsigned long long)value);
    }
}

static void test_quantity__reads_sizes(void **state)
{
    const struct example examples[] = {
        {"0", 0},
        {"4096", 4096},
        {"17B", 17},
        {"3KiB", 3072},
        {"64MiB", 64 << 20},
        {"64mib", 64 << 20},
        {"2GiB", UINT64_C(2) << 30},
        {"1TiB", UINT64_C(1) << 40},
        {"10kB", 10000},
        {"5MB", 5000000},
        {"7GB", UINT64_C(7000000000)},
        {"1TB", UINT64_C(1000000000000)},
        {"18446744073709551615", UINT64_MAX},
        {"16777215TiB", UINT64_C(16777215) << 40},
    };
    static const char *const none[] = {"",      "MiB",         "-1",  "1.5GiB",
                                       "1 MiB", "12parsecs",   "1Mi", " 1",
                                       "1 ",    "0x10",        "1e3", "18446744073709551616",
                                       "30s",   "16777216TiB", NULL};
    (void)state;
    check_all(px_quantity_parse_size, examples, sizeof examples / sizeof examples[0]);
    check_none(px_quantity_parse_size, none);
}

static void test_quantity__reads_times(void **state)
{
    const struct example examples[] = {
        {"0ms", 0},       {"500ms", 500},    {"30s", 30000},
        {"15m", 900000},  {"15min", 900000}, {"2h", 7200000},
        {"1d", 86400000}, {"1D", 86400000},  {"18446744073709551615ms", UINT64_MAX},
    };
    static const char *const none[] = {"",    "30", "s",     "-1s",           "1.5h",
                                       "1 h", "1w", "64MiB", "213503982335d", NULL};
    (void)state;
    check_all(px_quantity_parse_time, examples, sizeof examples / sizeof examples[0]);
    check_none(px_quantity_parse_time, none);
}

static void test_quantity__reads_counts(void **state)
{
    const struct example examples[] = {{"0", 0}, {"007", 7}, {"1000000", 1000000}};
    static const char *const none[] = {"", "1k", "-1", "+1", "1,000", NULL};
    (void)state;
    check_all(px_quantity_parse_count, examples, sizeof examples / sizeof examples[0]);
    check_none(px_quantity_parse_count, none);
}

static void test_quantity__writes_sizes_and_counts(void **state)
{
    const struct example sizes[] = {
        {"0 B", 0},
        {"1023 B", 1023},
        {"1.0 KiB", 1024},
        {"1.5 KiB", 1536},
        {"1023.9 KiB", 1048473}, /* 1023.90 */
        {"1.0 MiB", 1048575},    /* not 1024.0 KiB */
        {"64.0 MiB", 64 << 20},
        {"16.0 EiB", UINT64_MAX},
    };
    const struct example counts[] = {
        {"0", 0},
        {"999", 999},
        {"1,000", 1000},
        {"12,345,678", 12345678},
        {"18,446,744,073,709,551,615", UINT64_MAX},
    };
    char text[PX_QUANTITY_TEXT_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        px_quantity_format_size(sizes[i].value, text);
        assert_string_equal(text, sizes[i].text);
    }
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        px_quantity_format_count(counts[i].value, text);
        assert_string_equal(text, counts[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantity__reads_sizes),
        cmocka_unit_test(test_quantity__reads_times),
        cmocka_unit_test(test_quantity__reads_counts),
        cmocka_unit_test(test_quantity__writes_sizes_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

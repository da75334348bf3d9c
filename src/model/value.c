#include "model/value.h"

#include "codec/varint.h"

#include <assert.h>
#include <math.h>

enum px_class px_value_class(enum proximadb_value_kind kind)
{
    static const uint8_t classes[] = {
        [PROXIMADB_VALUE_NULL] = PX_CLASS_NULL,     [PROXIMADB_VALUE_BOOLEAN] = PX_CLASS_BOOLEAN,
        [PROXIMADB_VALUE_LONG] = PX_CLASS_NUMBER,   [PROXIMADB_VALUE_DOUBLE] = PX_CLASS_NUMBER,
        [PROXIMADB_VALUE_STRING] = PX_CLASS_STRING, [PROXIMADB_VALUE_STRING_ARRAY] = PX_CLASS_ARRAY,
    };
    assert((size_t)kind < sizeof classes / sizeof classes[0]);
    return (enum px_class)classes[kind];
}

const char *px_value_kind_name(enum proximadb_value_kind kind)
{
    static const char *const names[] = {
        [PROXIMADB_VALUE_NULL] = "null",     [PROXIMADB_VALUE_BOOLEAN] = "boolean",
        [PROXIMADB_VALUE_LONG] = "long",     [PROXIMADB_VALUE_DOUBLE] = "double",
        [PROXIMADB_VALUE_STRING] = "string", [PROXIMADB_VALUE_STRING_ARRAY] = "string_array",
    };
    assert((size_t)kind < sizeof names / sizeof names[0]);
    return names[kind];
}

struct px_strings px_strings_first(struct px_slice array)
{
    struct px_strings strings = {.next = array.data};
    strings.left = px_varint_next_long(&strings.next);
    return strings;
}

bool px_strings_next(struct px_strings *strings, struct px_slice *ret_string)
{
    if (strings->left == 0)
        return false;
    size_t size = (size_t)px_varint_next_long(&strings->next);
    *ret_string = px_slice_of(strings->next, size);
    strings->next += size;
    strings->left--;
    return true;
}

int px_compare_long_double(int64_t integer, double number)
{
    assert(!isnan(number));
    if (number >= 0x1p63)
        return -1;
    if (number < -0x1p63)
        return 1;
    /* Cut towards zero, the number is a long; and what was cut off is known without rounding. */
    int64_t whole = (int64_t)number;
    if (integer != whole)
        return integer < whole ? -1 : 1;
    double fraction = number - (double)whole;
    return fraction > 0 ? -1 : fraction < 0;
}

static int compare_numbers(const struct px_value *a, const struct px_value *b)
{
    bool a_is_long = a->kind == PROXIMADB_VALUE_LONG, b_is_long = b->kind == PROXIMADB_VALUE_LONG;
    if (a_is_long && b_is_long)
        return a->as.integer < b->as.integer ? -1 : a->as.integer > b->as.integer;
    if (a_is_long)
        return px_compare_long_double(a->as.integer, b->as.number);
    if (b_is_long)
        return -px_compare_long_double(b->as.integer, a->as.number);
    return a->as.number < b->as.number ? -1 : a->as.number > b->as.number;
}

static int compare_arrays(struct px_slice a, struct px_slice b)
{
    struct px_strings a_strings = px_strings_first(a), b_strings = px_strings_first(b);
    for (;;) {
        struct px_slice a_string, b_string;
        bool a_goes_on = px_strings_next(&a_strings, &a_string);
        bool b_goes_on = px_strings_next(&b_strings, &b_string);
        if (!a_goes_on || !b_goes_on)
            return (int)a_goes_on - (int)b_goes_on;
        int order = px_slice_compare(a_string, b_string);
        if (order != 0)
            return order;
    }
}

bool px_value_compare(const struct px_value *a, const struct px_value *b, int *ret_order)
{
    enum px_class class = px_value_class(a->kind);
    if (class == PX_CLASS_NULL || class != px_value_class(b->kind))
        return false;
    switch (class) {
    case PX_CLASS_BOOLEAN:
        *ret_order = (int)a->as.boolean - (int)b->as.boolean;
        break;
    case PX_CLASS_NUMBER:
        *ret_order = compare_numbers(a, b);
        break;
    case PX_CLASS_STRING:
        *ret_order = px_slice_compare(a->as.string, b->as.string);
        break;
    default:
        *ret_order = compare_arrays(a->as.array, b->as.array);
    }
    return true;
}

#include "model/filter_internal.h"
#include "model/metadata.h"

/* The values of a filter's fields in one row, by slot; a missing one is null. */
static void load_fields(const struct px_filter *filter, struct px_slice metadata,
                        struct px_value *ret_fields)
{
    uint32_t left = filter->name_count;
    struct px_metadata_walk walk = px_metadata_first(metadata);
    struct px_slice key;
    struct px_value value;
    for (uint32_t i = 0; i < filter->name_count; i++)
        ret_fields[i].kind = PROXIMADB_VALUE_NULL;
    while (left > 0 && px_metadata_next(&walk, &key, &value)) {
        int slot = px_filter__names_find(filter->names, filter->name_count, key);
        if (slot >= 0) {
            ret_fields[slot] = value;
            left--;
        }
    }
}

static const struct px_value *value_of(const struct px_filter_operand *operand,
                                       const struct px_value *fields)
{
    return operand->is_field ? &fields[operand->slot] : &operand->constant;
}

static enum px_truth truth_of(bool is_true)
{
    return is_true ? PX_TRUE : PX_FALSE;
}

static enum px_truth opposite(enum px_truth truth)
{
    return truth == PX_UNKNOWN ? PX_UNKNOWN : truth_of(truth == PX_FALSE);
}

/* Whether the values compare in one of `orders`. */
static enum px_truth compare(const struct px_value *left, const struct px_value *right,
                             unsigned orders)
{
    int order = 0;
    if (!px_value_compare(left, right, &order))
        return PX_UNKNOWN;
    unsigned found = order < 0 ? PX_ORDER_LESS : order > 0 ? PX_ORDER_GREATER : PX_ORDER_EQUAL;
    return truth_of((orders & found) != 0);
}

static enum px_truth between(const struct px_value *value, const struct px_value *lower,
                             const struct px_value *upper)
{
    enum px_truth above = compare(value, lower, PX_ORDER_EQUAL | PX_ORDER_GREATER);
    enum px_truth below = compare(value, upper, PX_ORDER_EQUAL | PX_ORDER_LESS);
    if (above == PX_FALSE || below == PX_FALSE)
        return PX_FALSE;
    return above == PX_TRUE && below == PX_TRUE ? PX_TRUE : PX_UNKNOWN;
}

static enum px_truth array_contains(const struct px_value *array, const struct px_value *member)
{
    if (array->kind != PROXIMADB_VALUE_STRING_ARRAY)
        return PX_UNKNOWN;
    struct px_strings strings = px_strings_first(array->as.array);
    struct px_slice string;
    while (px_strings_next(&strings, &string)) {
        if (member->kind != PROXIMADB_VALUE_STRING)
            return PX_UNKNOWN;
        if (px_slice_equal(string, member->as.string))
            return PX_TRUE;
    }
    return PX_FALSE; /* of an empty array, whatever the member may be */
}

static enum px_truth is_like(const struct px_value *value, struct px_slice pattern)
{
    if (value->kind != PROXIMADB_VALUE_STRING)
        return PX_UNKNOWN;
    return truth_of(px_filter__pattern_matches(pattern, value->as.string));
}

/* A boolean that stands as a condition by itself. */
static enum px_truth test(const struct px_value *value)
{
    return value->kind == PROXIMADB_VALUE_BOOLEAN ? truth_of(value->as.boolean) : PX_UNKNOWN;
}

/* AND and OR, in C, know each other: this and evaluate() recurse, PX_FILTER_DEEPEST at most. */
static enum px_truth evaluate(const struct px_filter_node *node, const struct px_value *fields);

/* AND is false as soon as one branch is, OR true; `decisive` says which. */
static enum px_truth join(const struct px_filter_node *node, const struct px_value *fields,
                          enum px_truth decisive)
{
    enum px_truth result = opposite(decisive);
    for (const struct px_filter_node *branch = node->as.first; branch != NULL;
         branch = branch->next) {
        enum px_truth truth = evaluate(branch, fields);
        if (truth == decisive)
            return decisive;
        if (truth == PX_UNKNOWN)
            result = PX_UNKNOWN;
    }
    return result;
}

static enum px_truth evaluate_plain(const struct px_filter_node *node,
                                    const struct px_value *fields)
{
    const struct px_value *left = value_of(&node->left, fields);
    switch (node->kind) {
    case PX_NODE_AND:
        return join(node, fields, PX_FALSE);
    case PX_NODE_OR:
        return join(node, fields, PX_TRUE);
    case PX_NODE_TEST:
        return test(left);
    case PX_NODE_COMPARE:
        return compare(left, value_of(&node->as.right, fields), node->orders);
    case PX_NODE_BETWEEN:
        return between(left, value_of(&node->as.bounds[0], fields),
                       value_of(&node->as.bounds[1], fields));
    case PX_NODE_IN:
        return px_filter__set_contains(&node->as.set, left);
    case PX_NODE_LIKE:
        return is_like(left, node->as.pattern);
    case PX_NODE_CONTAINS:
        return array_contains(left, value_of(&node->as.right, fields));
    case PX_NODE_IS_NULL:
        return truth_of(left->kind == PROXIMADB_VALUE_NULL);
    }
    return PX_UNKNOWN;
}

static enum px_truth evaluate(const struct px_filter_node *node, const struct px_value *fields)
{
    enum px_truth truth = evaluate_plain(node, fields);
    return node->negated ? opposite(truth) : truth;
}

enum px_truth px_filter_evaluate(const struct px_filter *filter, struct px_slice metadata)
{
    struct px_value fields[PX_FILTER_MOST_FIELDS];
    load_fields(filter, metadata, fields);
    return evaluate(filter->root, fields);
}

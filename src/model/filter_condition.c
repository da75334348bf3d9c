#include "model/filter_internal.h"
#include "model/metadata.h"

/* ---- operands ---- */

static int parse_field(struct px_filter_parser *parser, struct px_filter_term *term)
{
    const struct px_filter_token *token = &parser->token;
    if (token->value.size_bytes == 0 || token->value.size_bytes > PX_METADATA_LONGEST_KEY_BYTES)
        return px_filter__fail(&parser->lexer, token->text, "a field name has 1 to %d bytes",
                               PX_METADATA_LONGEST_KEY_BYTES);
    int slot = px_filter__names_add(&parser->names, token->value, parser->lexer.arena);
    if (slot < 0)
        return px_filter__no_memory(parser);
    if (slot >= PX_FILTER_MOST_FIELDS)
        return px_filter__fail(&parser->lexer, token->text,
                               "a filter names at most %d different fields", PX_FILTER_MOST_FIELDS);
    px_filter__term_of_field(parser->collection, token->value, term);
    term->operand.slot = (uint32_t)slot;
    return px_filter__advance(parser);
}

static int parse_parameter(struct px_filter_parser *parser, struct px_filter_term *term)
{
    char shown[PX_FILTER_SHOWN_BYTES];
    struct px_filter_param *param = px_filter__params_find(&parser->params, parser->token.value);
    if (param == NULL)
        return px_filter__fail(&parser->lexer, parser->token.text,
                               "the parameter %s was given no value",
                               px_filter__shown(parser->token.text, shown));
    param->used = true;
    *term = px_filter__term_of_value(&param->value, parser->token.text);
    return px_filter__advance(parser);
}

static int parse_number(struct px_filter_parser *parser, struct px_filter_term *term)
{
    const uint8_t *begin = parser->token.text.data;
    bool negative = parser->token.kind == PX_TOKEN_MINUS;
    int rc = negative ? px_filter__advance(parser) : PROXIMADB_OK;
    if (rc != PROXIMADB_OK)
        return rc;
    if (parser->token.kind != PX_TOKEN_INTEGER && parser->token.kind != PX_TOKEN_DECIMAL)
        return px_filter__expected(parser, "a number behind the minus sign");
    struct px_value value;
    rc = px_filter__number(&parser->lexer, &parser->token, negative, &value);
    if (rc != PROXIMADB_OK)
        return rc;
    const uint8_t *end = parser->token.text.data + parser->token.text.size_bytes;
    *term = px_filter__term_of_value(&value, px_slice_of(begin, (size_t)(end - begin)));
    return px_filter__advance(parser);
}

static int parse_literal(struct px_filter_parser *parser, struct px_filter_term *term)
{
    struct px_value value = {.kind = PROXIMADB_VALUE_NULL};
    if (parser->token.kind == PX_TOKEN_STRING) {
        value.kind = PROXIMADB_VALUE_STRING;
        value.as.string = parser->token.value;
    } else if (parser->token.kind != PX_TOKEN_NULL) {
        value.kind = PROXIMADB_VALUE_BOOLEAN;
        value.as.boolean = parser->token.kind == PX_TOKEN_TRUE;
    }
    *term = px_filter__term_of_value(&value, parser->token.text);
    return px_filter__advance(parser);
}

static int parse_term(struct px_filter_parser *parser, struct px_filter_term *ret_term)
{
    *ret_term = (struct px_filter_term){.text = parser->token.text};
    switch (parser->token.kind) {
    case PX_TOKEN_NAME:
        return parse_field(parser, ret_term);
    case PX_TOKEN_PARAMETER:
        return parse_parameter(parser, ret_term);
    case PX_TOKEN_MINUS:
    case PX_TOKEN_INTEGER:
    case PX_TOKEN_DECIMAL:
        return parse_number(parser, ret_term);
    case PX_TOKEN_STRING:
    case PX_TOKEN_NULL:
    case PX_TOKEN_TRUE:
    case PX_TOKEN_FALSE:
        return parse_literal(parser, ret_term);
    default:
        return px_filter__expected(parser, "a field, a literal or a $parameter");
    }
}

/* A term that has to compare with `left`. */
static int parse_comparable(struct px_filter_parser *parser, const struct px_filter_term *left,
                            struct px_filter_operand *ret_operand)
{
    struct px_filter_term right;
    int rc = parse_term(parser, &right);
    if (rc == PROXIMADB_OK)
        rc = px_filter__check_comparable(&parser->lexer, left, &right);
    if (rc == PROXIMADB_OK)
        *ret_operand = right.operand;
    return rc;
}

/* ---- conditions; each begins behind the left operand and at its own keyword ---- */

/* The orders of a comparison sign; 0 for any other token. */
static uint8_t orders_of(enum px_filter_token_kind kind)
{
    switch (kind) {
    case PX_TOKEN_EQUAL:
        return PX_ORDER_EQUAL;
    case PX_TOKEN_NOT_EQUAL:
        return PX_ORDER_LESS | PX_ORDER_GREATER;
    case PX_TOKEN_LESS:
        return PX_ORDER_LESS;
    case PX_TOKEN_LESS_EQUAL:
        return PX_ORDER_LESS | PX_ORDER_EQUAL;
    case PX_TOKEN_GREATER:
        return PX_ORDER_GREATER;
    case PX_TOKEN_GREATER_EQUAL:
        return PX_ORDER_GREATER | PX_ORDER_EQUAL;
    default:
        return 0;
    }
}

static int parse_comparison(struct px_filter_parser *parser, const struct px_filter_term *left,
                            struct px_filter_node *node)
{
    node->kind = PX_NODE_COMPARE;
    node->orders = orders_of(parser->token.kind);
    int rc = px_filter__advance(parser);
    if (rc == PROXIMADB_OK)
        rc = parse_comparable(parser, left, &node->as.right);
    return rc;
}

static int parse_between(struct px_filter_parser *parser, const struct px_filter_term *left,
                         struct px_filter_node *node)
{
    node->kind = PX_NODE_BETWEEN;
    int rc = px_filter__advance(parser);
    if (rc == PROXIMADB_OK)
        rc = parse_comparable(parser, left, &node->as.bounds[0]);
    if (rc == PROXIMADB_OK)
        rc = px_filter__expect(parser, PX_TOKEN_AND, "AND between the two bounds of BETWEEN");
    if (rc == PROXIMADB_OK)
        rc = parse_comparable(parser, left, &node->as.bounds[1]);
    return rc;
}

static int add_member(struct px_filter_parser *parser, const struct px_value *value,
                      struct px_filter_set *set)
{
    int rc = px_filter__count_node(parser);
    if (rc == PROXIMADB_OK && !px_filter__set_add(set, value, parser->lexer.arena))
        rc = px_filter__no_memory(parser);
    return rc;
}

/* One member of a list in parentheses. */
static int parse_member(struct px_filter_parser *parser, const struct px_filter_term *left,
                        struct px_filter_set *set)
{
    struct px_filter_term term;
    if (parser->token.kind == PX_TOKEN_NAME)
        return px_filter__expected(parser,
                                   "a literal or a $parameter, since a list holds no fields");
    int rc = parse_term(parser, &term);
    if (rc == PROXIMADB_OK && term.class == PX_CLASS_ARRAY)
        rc = px_filter__fail(&parser->lexer, term.text,
                             "an array of strings is a list by itself; write IN %.*s without "
                             "parentheses",
                             (int)term.text.size_bytes, (const char *)term.text.data);
    if (rc == PROXIMADB_OK)
        rc = px_filter__check_comparable(&parser->lexer, left, &term);
    if (rc == PROXIMADB_OK)
        rc = add_member(parser, &term.operand.constant, set);
    return rc;
}

static int parse_list(struct px_filter_parser *parser, const struct px_filter_term *left,
                      struct px_filter_set *set)
{
    int rc;
    do {
        rc = px_filter__advance(parser); /* over the parenthesis or the comma */
        if (rc == PROXIMADB_OK)
            rc = parse_member(parser, left, set);
    } while (rc == PROXIMADB_OK && parser->token.kind == PX_TOKEN_COMMA);
    if (rc == PROXIMADB_OK)
        rc = px_filter__expect(parser, PX_TOKEN_RIGHT, "a comma or ) in the list of IN");
    return rc;
}

/* IN $parameter, an array of strings. */
static int parse_array(struct px_filter_parser *parser, const struct px_filter_term *left,
                       struct px_filter_set *set)
{
    struct px_filter_term array;
    int rc = parse_term(parser, &array);
    if (rc == PROXIMADB_OK && array.class != PX_CLASS_ARRAY)
        rc = px_filter__fail(&parser->lexer, array.text,
                             "IN without parentheses takes an array of strings; this is of type %s",
                             array.type_name);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_filter_term members = {
        .text = array.text, .class = PX_CLASS_STRING, .type_name = "strings"};
    rc = px_filter__check_comparable(&parser->lexer, left, &members);

    struct px_strings strings = px_strings_first(array.operand.constant.as.array);
    struct px_value value = {.kind = PROXIMADB_VALUE_STRING};
    while (rc == PROXIMADB_OK && px_strings_next(&strings, &value.as.string))
        rc = add_member(parser, &value, set);
    return rc;
}

static int parse_in(struct px_filter_parser *parser, const struct px_filter_term *left,
                    struct px_filter_node *node)
{
    node->kind = PX_NODE_IN;
    int rc = px_filter__advance(parser);
    if (rc != PROXIMADB_OK)
        return rc;
    if (parser->token.kind == PX_TOKEN_LEFT)
        rc = parse_list(parser, left, &node->as.set);
    else if (parser->token.kind == PX_TOKEN_PARAMETER)
        rc = parse_array(parser, left, &node->as.set);
    else
        rc = px_filter__expected(parser, "a list in parentheses or a $parameter behind IN");
    px_filter__set_sort(&node->as.set);
    return rc;
}

/* A literal or parameter that is a string, or null. */
static int parse_string(struct px_filter_parser *parser, const char *what,
                        struct px_filter_term *ret_term)
{
    if (parser->token.kind == PX_TOKEN_NAME)
        return px_filter__expected(parser, what);
    int rc = parse_term(parser, ret_term);
    if (rc == PROXIMADB_OK && ret_term->class != PX_CLASS_STRING &&
        ret_term->class != PX_CLASS_NULL)
        rc = px_filter__fail(&parser->lexer, ret_term->text, "expected %s, but this is of type %s",
                             what, ret_term->type_name);
    return rc;
}

/* [ESCAPE 'c']; gives 0 for none. */
static int parse_escape(struct px_filter_parser *parser, uint8_t *ret_escape)
{
    struct px_filter_term term;
    *ret_escape = 0;
    if (parser->token.kind != PX_TOKEN_ESCAPE)
        return PROXIMADB_OK;
    int rc = px_filter__advance(parser);
    if (rc == PROXIMADB_OK)
        rc = parse_string(parser, "one ASCII character in quotes behind ESCAPE", &term);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_slice string = term.operand.constant.as.string;
    if (term.class != PX_CLASS_STRING || string.size_bytes != 1 || string.data[0] >= 0x80)
        return px_filter__fail(&parser->lexer, term.text,
                               "expected one ASCII character in quotes behind ESCAPE");
    *ret_escape = string.data[0];
    return PROXIMADB_OK;
}

static int parse_like(struct px_filter_parser *parser, const struct px_filter_term *left,
                      struct px_filter_node *node)
{
    struct px_filter_term pattern;
    uint8_t escape = 0;
    node->kind = PX_NODE_LIKE;
    int rc = px_filter__check_class(&parser->lexer, left, PX_CLASS_STRING, "LIKE takes a string");
    if (rc == PROXIMADB_OK)
        rc = px_filter__advance(parser);
    if (rc == PROXIMADB_OK)
        rc = parse_string(parser, "a pattern behind LIKE: a string or a $parameter", &pattern);
    if (rc == PROXIMADB_OK)
        rc = parse_escape(parser, &escape);
    if (rc != PROXIMADB_OK)
        return rc;
    if (pattern.class == PX_CLASS_NULL) {
        node->kind = PX_NODE_TEST; /* of null, which is unknown as LIKE NULL is */
        node->left = pattern.operand;
        return PROXIMADB_OK;
    }
    struct px_slice string = pattern.operand.constant.as.string;
    if (string.size_bytes > PX_FILTER_LONGEST_PATTERN_BYTES)
        return px_filter__fail(&parser->lexer, pattern.text, "a pattern has at most %d bytes",
                               PX_FILTER_LONGEST_PATTERN_BYTES);
    rc = px_filter__pattern_compile(string, escape, parser->lexer.arena, &node->as.pattern);
    if (rc == PROXIMADB_INVALID)
        return px_filter__fail(&parser->lexer, pattern.text,
                               "the pattern ends with its escape character; double it to mean it");
    return rc == PROXIMADB_OK ? rc : px_filter__no_memory(parser);
}

static int parse_contains(struct px_filter_parser *parser, const struct px_filter_term *left,
                          struct px_filter_node *node)
{
    struct px_filter_term member;
    node->kind = PX_NODE_CONTAINS;
    int rc = px_filter__check_class(&parser->lexer, left, PX_CLASS_ARRAY,
                                    "CONTAINS looks into an array of strings");
    if (rc == PROXIMADB_OK)
        rc = px_filter__advance(parser);
    if (rc == PROXIMADB_OK)
        rc = parse_term(parser, &member);
    if (rc == PROXIMADB_OK)
        rc = px_filter__check_class(&parser->lexer, &member, PX_CLASS_STRING,
                                    "CONTAINS looks for a string");
    if (rc == PROXIMADB_OK)
        node->as.right = member.operand;
    return rc;
}

static int parse_is_null(struct px_filter_parser *parser, struct px_filter_node *node)
{
    node->kind = PX_NODE_IS_NULL;
    int rc = px_filter__advance(parser);
    if (rc == PROXIMADB_OK && parser->token.kind == PX_TOKEN_NOT) {
        node->negated = true;
        rc = px_filter__advance(parser);
    }
    if (rc == PROXIMADB_OK)
        rc = px_filter__expect(parser, PX_TOKEN_NULL,
                               node->negated ? "NULL behind IS NOT" : "NULL or NOT NULL behind IS");
    return rc;
}

/* An operand that stands alone. */
static int parse_test(struct px_filter_parser *parser, const struct px_filter_term *left,
                      struct px_filter_node *node)
{
    enum px_filter_token_kind kind = parser->token.kind;
    node->kind = PX_NODE_TEST;
    if (kind != PX_TOKEN_AND && kind != PX_TOKEN_OR && kind != PX_TOKEN_RIGHT &&
        kind != PX_TOKEN_END)
        return px_filter__expected(
            parser, "a comparison (=, !=, <, <=, >, >=, IN, BETWEEN, LIKE, CONTAINS, "
                    "IS), AND, OR or the end");
    return px_filter__check_class(&parser->lexer, left, PX_CLASS_BOOLEAN,
                                  "only a boolean is a condition by itself");
}

static int parse_behind(struct px_filter_parser *parser, const struct px_filter_term *left,
                        struct px_filter_node *node)
{
    if (orders_of(parser->token.kind) != 0)
        return parse_comparison(parser, left, node);
    if (parser->token.kind == PX_TOKEN_IS)
        return parse_is_null(parser, node);
    if (parser->token.kind == PX_TOKEN_NOT) {
        node->negated = true;
        int rc = px_filter__advance(parser);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    switch (parser->token.kind) {
    case PX_TOKEN_IN:
        return parse_in(parser, left, node);
    case PX_TOKEN_BETWEEN:
        return parse_between(parser, left, node);
    case PX_TOKEN_LIKE:
        return parse_like(parser, left, node);
    case PX_TOKEN_CONTAINS:
        return parse_contains(parser, left, node);
    default:
        if (node->negated)
            return px_filter__expected(parser, "IN, BETWEEN, LIKE or CONTAINS behind NOT");
        return parse_test(parser, left, node);
    }
}

int px_filter__parse_condition(struct px_filter_parser *parser, struct px_filter_node **ret_node)
{
    struct px_filter_term left;
    struct px_filter_node *node;
    int rc = parse_term(parser, &left);
    if (rc == PROXIMADB_OK)
        rc = px_filter__new_node(parser, PX_NODE_TEST, &node);
    if (rc != PROXIMADB_OK)
        return rc;
    node->left = left.operand;
    *ret_node = node;
    return parse_behind(parser, &left, node);
}

#include "model/filter.h"

#include "model/filter_internal.h"

#include <assert.h>

/* ---- what filter_condition.c uses, too ---- */

int px_filter__advance(struct px_filter_parser *parser)
{
    return px_filter__next_token(&parser->lexer, &parser->token);
}

int px_filter__no_memory(struct px_filter_parser *parser)
{
    return px_fail_no_memory(parser->lexer.reterr);
}

int px_filter__expected(struct px_filter_parser *parser, const char *what)
{
    return px_filter__fail_expected(&parser->lexer, &parser->token, what);
}

int px_filter__expect(struct px_filter_parser *parser, enum px_filter_token_kind kind,
                      const char *what)
{
    return parser->token.kind == kind ? px_filter__advance(parser)
                                      : px_filter__expected(parser, what);
}

int px_filter__count_node(struct px_filter_parser *parser)
{
    if (parser->node_count++ < PX_FILTER_MOST_NODES)
        return PROXIMADB_OK;
    return px_filter__fail(&parser->lexer, parser->token.text,
                           "a filter has at most %d conditions and list members; ask in parts",
                           PX_FILTER_MOST_NODES);
}

int px_filter__new_node(struct px_filter_parser *parser, enum px_filter_node_kind kind,
                        struct px_filter_node **ret_node)
{
    int rc = px_filter__count_node(parser);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_filter_node *node = px_arena_calloc(parser->lexer.arena, 1, sizeof *node);
    if (node == NULL)
        return px_filter__no_memory(parser);
    node->kind = kind;
    *ret_node = node;
    return PROXIMADB_OK;
}

/* ---- AND, OR, NOT and parentheses ---- */

/* Recurses through parentheses, PX_FILTER_DEEPEST at most. */
static int parse_or(struct px_filter_parser *parser, struct px_filter_node **ret_node);

static int parse_parentheses(struct px_filter_parser *parser, struct px_filter_node **ret_node)
{
    if (parser->depth == PX_FILTER_DEEPEST)
        return px_filter__fail(&parser->lexer, parser->token.text,
                               "parentheses are nested deeper than %d levels", PX_FILTER_DEEPEST);
    parser->depth++;
    int rc = px_filter__advance(parser);
    if (rc == PROXIMADB_OK)
        rc = parse_or(parser, ret_node);
    if (rc == PROXIMADB_OK)
        rc = px_filter__expect(parser, PX_TOKEN_RIGHT, "AND, OR or )");
    parser->depth--;
    return rc;
}

static int parse_not(struct px_filter_parser *parser, struct px_filter_node **ret_node)
{
    bool negated = false;
    int rc = PROXIMADB_OK;
    for (; rc == PROXIMADB_OK && parser->token.kind == PX_TOKEN_NOT;
         rc = px_filter__advance(parser))
        negated = !negated;
    if (rc != PROXIMADB_OK)
        return rc;
    if (parser->token.kind == PX_TOKEN_LEFT)
        rc = parse_parentheses(parser, ret_node);
    else
        rc = px_filter__parse_condition(parser, ret_node);
    if (rc == PROXIMADB_OK && negated)
        (*ret_node)->negated = !(*ret_node)->negated;
    return rc;
}

/* Operands of one kind of chain, of any length; a single one is given as it is. */
static int parse_chain(struct px_filter_parser *parser, enum px_filter_node_kind kind,
                       struct px_filter_node **ret_node)
{
    bool is_or = kind == PX_NODE_OR;
    enum px_filter_token_kind keyword = is_or ? PX_TOKEN_OR : PX_TOKEN_AND;
    struct px_filter_node *chain = NULL, **last = ret_node;
    for (;;) {
        int rc = is_or ? parse_chain(parser, PX_NODE_AND, last) : parse_not(parser, last);
        if (rc != PROXIMADB_OK || parser->token.kind != keyword)
            return rc;
        if (chain == NULL) {
            rc = px_filter__new_node(parser, kind, &chain);
            if (rc != PROXIMADB_OK)
                return rc;
            chain->as.first = *ret_node;
            last = &chain->as.first;
            *ret_node = chain;
        }
        last = &(*last)->next;
        rc = px_filter__advance(parser);
        if (rc != PROXIMADB_OK)
            return rc;
    }
}

static int parse_or(struct px_filter_parser *parser, struct px_filter_node **ret_node)
{
    return parse_chain(parser, PX_NODE_OR, ret_node);
}

/* ---- the whole ---- */

static int check_params_used(const struct px_filter_parser *parser)
{
    for (size_t i = 0; i < parser->params.count; i++) {
        const struct px_filter_param *param = &parser->params.sorted[i];
        char shown[PX_FILTER_SHOWN_BYTES];
        if (!param->used)
            return px_fail(parser->lexer.reterr, PROXIMADB_INVALID,
                           "the filter has no parameter of the name %s, which was given a value; "
                           "correct the name or leave it out",
                           px_filter__shown(param->name, shown));
    }
    return PROXIMADB_OK;
}

static int parse_whole(struct px_filter_parser *parser, struct px_filter_node **ret_root)
{
    int rc = px_filter__advance(parser);
    if (rc == PROXIMADB_OK && parser->token.kind == PX_TOKEN_END)
        rc = px_filter__fail(&parser->lexer, parser->token.text,
                             "the filter is empty; leave it out to mean every row");
    if (rc == PROXIMADB_OK)
        rc = parse_or(parser, ret_root);
    if (rc == PROXIMADB_OK && parser->token.kind != PX_TOKEN_END)
        rc = px_filter__expected(parser, "AND, OR or the end");
    if (rc == PROXIMADB_OK)
        rc = check_params_used(parser);
    return rc;
}

int px_filter_parse(struct px_slice text, struct px_slice params,
                    const struct px_collection *collection, struct px_arena *arena,
                    const struct px_filter **ret_filter, struct proximadb_error *reterr)
{
    struct px_filter_node *root = NULL;
    struct px_filter_parser parser = {
        .lexer = {.text = text, .at = text.data, .arena = arena, .reterr = reterr},
        .collection = collection,
    };
    if (text.size_bytes > PX_FILTER_LARGEST_BYTES)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the filter has %zu bytes; it may have %d; give long lists as a $parameter",
                       text.size_bytes, PX_FILTER_LARGEST_BYTES);
    int rc = px_filter__params_init(&parser.params, params, arena, reterr);
    if (rc == PROXIMADB_OK)
        rc = parse_whole(&parser, &root);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_filter *filter = px_arena_calloc(arena, 1, sizeof *filter);
    if (filter == NULL)
        return px_fail_no_memory(reterr);
    assert(root != NULL && parser.depth == 0);
    filter->root = root;
    filter->names = parser.names.sorted;
    filter->name_count = parser.names.count;
    *ret_filter = filter;
    return PROXIMADB_OK;
}

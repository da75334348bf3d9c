/*
 * filter_internal: what the files of filter share.
 *
 *      text -- filter_token --> tokens -- filter_parse --> nodes -- filter_evaluate --> truth
 *
 *      filter_parse      AND, OR, NOT, parentheses; the whole
 *      filter_condition  one condition: operands, comparisons, BETWEEN, IN, LIKE, CONTAINS, IS NULL
 *      filter_check      types that cannot meet
 *      filter_names      fields and parameters by name
 *      filter_set        the right side of IN
 *      filter_pattern    the right side of LIKE
 */
#ifndef PX_MODEL_FILTER_INTERNAL_H
#define PX_MODEL_FILTER_INTERNAL_H

#include "model/filter.h"
#include "model/value.h"

/* ---- tokens ---- */

enum px_filter_token_kind {
    PX_TOKEN_END,
    PX_TOKEN_NAME, /* of a field, quoted or not */
    PX_TOKEN_STRING,
    PX_TOKEN_INTEGER,
    PX_TOKEN_DECIMAL, /* with '.' or exponent: a double */
    PX_TOKEN_PARAMETER,
    PX_TOKEN_LEFT,
    PX_TOKEN_RIGHT,
    PX_TOKEN_COMMA,
    PX_TOKEN_MINUS,
    PX_TOKEN_EQUAL,
    PX_TOKEN_NOT_EQUAL,
    PX_TOKEN_LESS,
    PX_TOKEN_LESS_EQUAL,
    PX_TOKEN_GREATER,
    PX_TOKEN_GREATER_EQUAL,
    PX_TOKEN_AND,
    PX_TOKEN_OR,
    PX_TOKEN_NOT,
    PX_TOKEN_IN,
    PX_TOKEN_BETWEEN,
    PX_TOKEN_LIKE,
    PX_TOKEN_ESCAPE,
    PX_TOKEN_CONTAINS,
    PX_TOKEN_IS,
    PX_TOKEN_NULL,
    PX_TOKEN_TRUE,
    PX_TOKEN_FALSE,
};

struct px_filter_token {
    enum px_filter_token_kind kind;
    struct px_slice text;  /* as it stands in the filter */
    struct px_slice value; /* of a name, string or parameter: what it says, without quotes */
};

struct px_filter_lexer {
    struct px_slice text;
    const uint8_t *at;
    struct px_arena *arena;
    struct proximadb_error *reterr;
};

/* The next token, again and again PX_TOKEN_END at the end. */
PX_MUST_CHECK int px_filter__next_token(struct px_filter_lexer *lexer,
                                        struct px_filter_token *ret_token);

/* The value of an integer or a decimal. */
PX_MUST_CHECK int px_filter__number(const struct px_filter_lexer *lexer,
                                    const struct px_filter_token *token, bool negative,
                                    struct px_value *ret_value);

/* PROXIMADB_INVALID with the line and column of `where`, a piece of the filter's text. */
int px_filter__fail(const struct px_filter_lexer *lexer, struct px_slice where, const char *format,
                    ...) PX_PRINTF(3, 4);

/* "expected WHAT, but found TOKEN", at the token. */
int px_filter__fail_expected(const struct px_filter_lexer *lexer,
                             const struct px_filter_token *token, const char *what);

/* A piece of the filter's text for a message: in back quotes, and cut if it is long. */
enum { PX_FILTER_SHOWN_BYTES = 64 };
const char *px_filter__shown(struct px_slice text, char shown[PX_FILTER_SHOWN_BYTES]);

/* ---- names ---- */

/* The fields of a filter, sorted by size and bytes of their names. */
struct px_filter_name {
    struct px_slice name;
    uint32_t slot; /* numbers the fields from 0 on, in the order in which they came */
};

struct px_filter_names {
    struct px_filter_name *sorted;
    uint32_t count;
    uint32_t capacity;
};

/* The slot of a name, or -1. */
int px_filter__names_find(const struct px_filter_name *sorted, uint32_t count,
                          struct px_slice name);

/* The slot of a name, which is added if it is new; -1 without memory. The limit is the caller's. */
int px_filter__names_add(struct px_filter_names *names, struct px_slice name,
                         struct px_arena *arena);

/* The values that came with the filter, sorted likewise. */
struct px_filter_param {
    struct px_slice name;
    struct px_value value;
    bool used;
};

struct px_filter_params {
    struct px_filter_param *sorted;
    size_t count;
};

PX_MUST_CHECK int px_filter__params_init(struct px_filter_params *params, struct px_slice metadata,
                                         struct px_arena *arena, struct proximadb_error *reterr);

/* NULL if there is none of that name. */
struct px_filter_param *px_filter__params_find(const struct px_filter_params *params,
                                               struct px_slice name);

/* ---- right sides ---- */

/* The members of an IN list. */
struct px_filter_set {
    struct px_value *sorted; /* by class, then by value; nulls are left out */
    size_t count;
    size_t capacity;
    uint8_t classes; /* a bit 1 << class for each class that is there, null among them */
};

/* False without memory. */
bool px_filter__set_add(struct px_filter_set *set, const struct px_value *value,
                        struct px_arena *arena);

/* To be called when all members are added. */
void px_filter__set_sort(struct px_filter_set *set);

/* value IN (members). */
enum px_truth px_filter__set_contains(const struct px_filter_set *set,
                                      const struct px_value *value);

/* Compiles a LIKE pattern: escapes are resolved, and % and _ become bytes that are in no UTF-8
 * text. escape is a byte, or 0 for none. PROXIMADB_INVALID: the pattern ends with the escape
 * character; PROXIMADB_NO_MEMORY. The error is the caller's to word. */
PX_MUST_CHECK int px_filter__pattern_compile(struct px_slice pattern, uint8_t escape,
                                             struct px_arena *arena, struct px_slice *ret_compiled);

/* Whether the whole text matches; both are valid. */
bool px_filter__pattern_matches(struct px_slice compiled, struct px_slice text);

/* ---- nodes ---- */

struct px_filter_operand {
    bool is_field;
    uint32_t slot;            /* of a field */
    struct px_value constant; /* otherwise */
};

enum px_filter_node_kind {
    PX_NODE_AND,
    PX_NODE_OR,
    PX_NODE_TEST, /* a boolean by itself */
    PX_NODE_COMPARE,
    PX_NODE_BETWEEN,
    PX_NODE_IN,
    PX_NODE_LIKE,
    PX_NODE_CONTAINS,
    PX_NODE_IS_NULL,
};

/* The results of a comparison for which PX_NODE_COMPARE is true. */
enum { PX_ORDER_LESS = 1, PX_ORDER_EQUAL = 2, PX_ORDER_GREATER = 4 };

struct px_filter_node {
    enum px_filter_node_kind kind;
    bool negated;                  /* any kind: NOT is no node of its own */
    uint8_t orders;                /* COMPARE */
    struct px_filter_node *next;   /* the next branch of the same AND or OR */
    struct px_filter_operand left; /* all but AND and OR */
    union {
        struct px_filter_node *first;       /* AND, OR: two branches or more */
        struct px_filter_operand right;     /* COMPARE, CONTAINS */
        struct px_filter_operand bounds[2]; /* BETWEEN */
        struct px_filter_set set;           /* IN */
        struct px_slice pattern;            /* LIKE, compiled */
    } as;
};

struct px_filter {
    const struct px_filter_node *root;
    const struct px_filter_name *names;
    uint32_t name_count;
};

/* ---- parsing ---- */

/* Recursive descent with one token of lookahead. Every parse_x() begins at `token`, and leaves it
 * at the first token that is not part of x. */
struct px_filter_parser {
    struct px_filter_lexer lexer;
    struct px_filter_token token;
    const struct px_collection *collection; /* or NULL */
    struct px_filter_params params;
    struct px_filter_names names;
    size_t node_count; /* with the members of lists */
    unsigned depth;
};

PX_MUST_CHECK int px_filter__advance(struct px_filter_parser *parser);
int px_filter__no_memory(struct px_filter_parser *parser);

/* "expected WHAT, but found ...", at `token`. */
int px_filter__expected(struct px_filter_parser *parser, const char *what);

/* Goes over a token of this kind; otherwise as above. */
PX_MUST_CHECK int px_filter__expect(struct px_filter_parser *parser, enum px_filter_token_kind kind,
                                    const char *what);

/* To be called for each member of a list; new_node calls it for each node. */
PX_MUST_CHECK int px_filter__count_node(struct px_filter_parser *parser);

PX_MUST_CHECK int px_filter__new_node(struct px_filter_parser *parser,
                                      enum px_filter_node_kind kind,
                                      struct px_filter_node **ret_node);

/* One condition, without the NOT in front of it: filter_condition.c. */
PX_MUST_CHECK int px_filter__parse_condition(struct px_filter_parser *parser,
                                             struct px_filter_node **ret_node);

/* ---- types ---- */

/* An operand while it is parsed, with what is known of its type. */
struct px_filter_term {
    struct px_filter_operand operand;
    struct px_slice text; /* as it stands in the filter */
    enum px_class class;  /* PX_CLASS_NULL: of any type, or null; fits everywhere */
    const char *type_name;
};

/* PROXIMADB_INVALID if the two are of known classes that never compare. */
PX_MUST_CHECK int px_filter__check_comparable(const struct px_filter_lexer *lexer,
                                              const struct px_filter_term *left,
                                              const struct px_filter_term *right);

/* PROXIMADB_INVALID if the term is known to be of another class; `rule` says what is needed. */
PX_MUST_CHECK int px_filter__check_class(const struct px_filter_lexer *lexer,
                                         const struct px_filter_term *term, enum px_class class,
                                         const char *rule);

/* What the collection knows of a field. */
void px_filter__term_of_field(const struct px_collection *collection, struct px_slice name,
                              struct px_filter_term *term);

/* A literal's or a parameter's term. */
struct px_filter_term px_filter__term_of_value(const struct px_value *value, struct px_slice text);

#endif /* PX_MODEL_FILTER_INTERNAL_H */

#include "rest/rest_split.h"

#include "codec/json.h"

#include <stdio.h>

/* ---- faults -------------------------------------------------------------------------------- */

/* Counted in bytes from 1 on. */
static void locate(const struct px_rest_split *split, size_t *ret_line, size_t *ret_column)
{
    *ret_line = 1;
    *ret_column = 1;
    for (size_t i = 0; i < split->at; i++) {
        bool is_newline = split->body.data[i] == '\n';
        *ret_line += is_newline;
        *ret_column = is_newline ? 1 : *ret_column + 1;
    }
}

static int fail_expected(const struct px_rest_split *split, const char *expected,
                         struct proximadb_error *reterr)
{
    size_t line, column;
    locate(split, &line, &column);
    return px_fail(reterr, PROXIMADB_INVALID,
                   "the body is not as expected at line %zu, column %zu: %s should stand there, %s",
                   line, column, expected,
                   split->at < split->body.size_bytes ? "but something else does"
                                                      : "but the body ends");
}

/* ---- pieces of the grammar ----------------------------------------------------------------- */

static int peek(const struct px_rest_split *split)
{
    return split->at < split->body.size_bytes ? split->body.data[split->at] : -1;
}

static void skip_space(struct px_rest_split *split)
{
    for (int byte = peek(split); byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
         byte = peek(split))
        split->at++;
}

/* Takes one character and the white space behind it. */
static int take(struct px_rest_split *split, char wanted, const char *expected,
                struct proximadb_error *reterr)
{
    if (peek(split) != wanted)
        return fail_expected(split, expected, reterr);
    split->at++;
    skip_space(split);
    return PROXIMADB_OK;
}

/* Moves behind the brackets and strings that open at a bracket here, or to the end of the body. */
static void skip_brackets(struct px_rest_split *split)
{
    size_t depth = 0;
    size_t at = split->at;
    do {
        uint8_t byte = split->body.data[at];
        depth += byte == '[' || byte == '{';
        depth -= byte == ']' || byte == '}';
        at = byte == '"' ? px_json_skip_string(split->body, at) : at + 1;
        if (depth > 0)
            at = px_json_find_structural(split->body, at);
    } while (depth > 0 && at < split->body.size_bytes);
    split->at = at;
}

/* Moves to the first comma or closing bracket outside of what opens here. */
static void skip_value(struct px_rest_split *split)
{
    for (int byte; (byte = peek(split)) >= 0;) {
        if (byte == ',' || byte == ']' || byte == '}')
            return;
        if (byte == '[' || byte == '{')
            skip_brackets(split);
        else
            split->at = byte == '"' ? px_json_skip_string(split->body, split->at) : split->at + 1;
    }
}

static size_t size_without_space(const uint8_t *data, size_t size_bytes)
{
    while (size_bytes > 0 && (data[size_bytes - 1] == ' ' || data[size_bytes - 1] == '\t' ||
                              data[size_bytes - 1] == '\r' || data[size_bytes - 1] == '\n'))
        size_bytes--;
    return size_bytes;
}

/* ---- the body ------------------------------------------------------------------------------ */

/* Takes the member's name with its quotes. */
static int take_name(struct px_rest_split *split, struct proximadb_error *reterr)
{
    size_t size = strlen(split->member);
    const uint8_t *data = split->body.data + split->at;
    if (split->body.size_bytes - split->at < size + 2 || data[0] != '"' ||
        memcmp(data + 1, split->member, size) != 0 || data[size + 1] != '"') {
        char expected[64];
        snprintf(expected, sizeof expected, "the member \"%s\"", split->member);
        return fail_expected(split, expected, reterr);
    }
    split->at += size + 2;
    skip_space(split);
    return PROXIMADB_OK;
}

/* Behind the array's end. */
static int close_body(struct px_rest_split *split, struct proximadb_error *reterr)
{
    split->is_open = false;
    int rc = take(split, ']', "a comma or the end of the array", reterr);
    if (rc == PROXIMADB_OK)
        rc = take(split, '}', "the end of the object, which has no other member,", reterr);
    if (rc == PROXIMADB_OK && peek(split) >= 0)
        rc = fail_expected(split, "the end of the body", reterr);
    return rc;
}

int px_rest_split_open(struct px_rest_split *split, struct px_slice body, const char *member,
                       struct proximadb_error *reterr)
{
    *split = (struct px_rest_split){.body = body, .member = member, .is_open = true};
    skip_space(split);
    int rc = take(split, '{', "a JSON object", reterr);
    if (rc == PROXIMADB_OK)
        rc = take_name(split, reterr);
    if (rc == PROXIMADB_OK)
        rc = take(split, ':', "a colon", reterr);
    if (rc == PROXIMADB_OK)
        rc = take(split, '[', "an array", reterr);
    return rc;
}

int px_rest_split_next(struct px_rest_split *split, bool *ret_found, struct px_slice *ret_piece,
                       struct proximadb_error *reterr)
{
    *ret_found = false;
    if (!split->is_open)
        return PROXIMADB_OK;
    bool is_first = split->count == 0;
    if (peek(split) == ']' || (!is_first && peek(split) != ','))
        return close_body(split, reterr);
    if (!is_first) {
        int rc = take(split, ',', "a comma", reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    size_t begin = split->at;
    skip_value(split);
    const uint8_t *data = split->body.data + begin;
    *ret_piece = px_slice_of(data, size_without_space(data, split->at - begin));
    *ret_found = true;
    split->count++;
    return PROXIMADB_OK;
}

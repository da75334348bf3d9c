#include "codec/json.h"
#include "codec/utf8.h"
#include "model/filter_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- messages ---- */

const char *px_filter__shown(struct px_slice text, char shown[PX_FILTER_SHOWN_BYTES])
{
    const size_t most = PX_FILTER_SHOWN_BYTES - 6; /* two quotes, "..." and the NUL */
    size_t size = px_utf8_cut(text, most);
    for (size_t i = 0; i < size; i++)
        if (text.data[i] < 0x20)
            size = i;
    snprintf(shown, PX_FILTER_SHOWN_BYTES, "`%.*s%s`", (int)size, (const char *)text.data,
             size < text.size_bytes ? "..." : "");
    return shown;
}

/* 1-based; a column is a code point. */
static void locate(const struct px_filter_lexer *lexer, const uint8_t *where, size_t *ret_line,
                   size_t *ret_column)
{
    *ret_line = 1;
    *ret_column = 1;
    for (const uint8_t *at = lexer->text.data; at < where; at++) {
        if (*at == '\n') {
            (*ret_line)++;
            *ret_column = 1;
        } else if ((*at & 0xc0) != 0x80) {
            (*ret_column)++;
        }
    }
}

int px_filter__fail(const struct px_filter_lexer *lexer, struct px_slice where, const char *format,
                    ...)
{
    char message[320];
    size_t line, column;
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    locate(lexer, where.data, &line, &column);
    return px_fail(lexer->reterr, PROXIMADB_INVALID, "filter, line %zu, column %zu: %s", line,
                   column, message);
}

int px_filter__fail_expected(const struct px_filter_lexer *lexer,
                             const struct px_filter_token *token, const char *what)
{
    char shown[PX_FILTER_SHOWN_BYTES];
    if (token->kind == PX_TOKEN_END)
        return px_filter__fail(lexer, token->text, "expected %s, but the filter ends here", what);
    return px_filter__fail(lexer, token->text, "expected %s, but found %s", what,
                           px_filter__shown(token->text, shown));
}

/* ---- characters ---- */

static bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static const uint8_t *end_of(const struct px_filter_lexer *lexer)
{
    return lexer->text.data + lexer->text.size_bytes;
}

/* The byte `ahead` of the next one, or 0 behind the end. */
static uint8_t peek(const struct px_filter_lexer *lexer, size_t ahead)
{
    return ahead < (size_t)(end_of(lexer) - lexer->at) ? lexer->at[ahead] : 0;
}

/* The text from `begin` up to the lexer's place. */
static struct px_slice text_from(const struct px_filter_lexer *lexer, const uint8_t *begin)
{
    return px_slice_of(begin, (size_t)(lexer->at - begin));
}

/* ---- each kind of token ---- */

/* What stands between the quotes, with doubled quotes as single ones. */
static int unquote(const struct px_filter_lexer *lexer, struct px_slice inner, uint8_t quote,
                   struct px_slice *ret_value)
{
    *ret_value = inner;
    if (inner.size_bytes == 0 || memchr(inner.data, quote, inner.size_bytes) == NULL)
        return PROXIMADB_OK;
    uint8_t *value = px_arena_alloc_aligned(lexer->arena, inner.size_bytes, 1);
    if (value == NULL)
        return px_fail_no_memory(lexer->reterr);
    size_t size = 0;
    for (size_t i = 0; i < inner.size_bytes; i++) {
        value[size++] = inner.data[i];
        if (inner.data[i] == quote)
            i++; /* the second one */
    }
    *ret_value = px_slice_of(value, size);
    return PROXIMADB_OK;
}

static int read_quoted(struct px_filter_lexer *lexer, struct px_filter_token *token)
{
    const uint8_t *begin = lexer->at;
    uint8_t quote = *lexer->at++;
    for (;;) {
        size_t left = (size_t)(end_of(lexer) - lexer->at);
        const uint8_t *found = left > 0 ? memchr(lexer->at, quote, left) : NULL;
        if (found == NULL)
            return px_filter__fail(lexer, px_slice_of(begin, 1),
                                   "the %s that begins here has no closing %c",
                                   quote == '"' ? "field name" : "text", quote);
        lexer->at = found + 1;
        if (peek(lexer, 0) != quote)
            break;
        lexer->at++;
    }
    token->kind = quote == '"' ? PX_TOKEN_NAME : PX_TOKEN_STRING;
    token->text = text_from(lexer, begin);
    struct px_slice inner = px_slice_of(begin + 1, token->text.size_bytes - 2);
    if (memchr(token->text.data, 0, token->text.size_bytes) != NULL ||
        !px_utf8_validate(token->text))
        return px_filter__fail(lexer, px_slice_of(begin, 1),
                               "the text that begins here is not valid UTF-8, or has a NUL in it");
    return unquote(lexer, inner, quote, &token->value);
}

static int read_parameter(struct px_filter_lexer *lexer, struct px_filter_token *token)
{
    const uint8_t *begin = lexer->at++;
    while (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0)))
        lexer->at++;
    token->kind = PX_TOKEN_PARAMETER;
    token->text = text_from(lexer, begin);
    token->value = px_slice_of(begin + 1, token->text.size_bytes - 1);
    if (token->value.size_bytes == 0)
        return px_filter__fail(lexer, token->text,
                               "expected the parameter's name right behind the $");
    return PROXIMADB_OK;
}

static void skip_digits(struct px_filter_lexer *lexer)
{
    while (is_digit(peek(lexer, 0)))
        lexer->at++;
}

static int read_number(struct px_filter_lexer *lexer, struct px_filter_token *token)
{
    const uint8_t *begin = lexer->at;
    token->kind = PX_TOKEN_INTEGER;
    skip_digits(lexer);
    if (peek(lexer, 0) == '.') {
        token->kind = PX_TOKEN_DECIMAL;
        lexer->at++;
        skip_digits(lexer);
    }
    if ((peek(lexer, 0) | 0x20) == 'e') {
        size_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-';
        token->kind = PX_TOKEN_DECIMAL;
        lexer->at += 1 + sign;
        if (!is_digit(peek(lexer, 0)))
            return px_filter__fail(lexer, px_slice_of(begin, 1),
                                   "the number that begins here has an exponent without digits");
        skip_digits(lexer);
    }
    token->text = text_from(lexer, begin);
    if (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0)))
        return px_filter__fail(lexer, px_slice_of(lexer->at, 1),
                               "expected a blank between a number and what follows; a field whose "
                               "name begins with a digit is written in double quotes");
    return PROXIMADB_OK;
}

static enum px_filter_token_kind kind_of_word(struct px_slice word)
{
    static const struct {
        char text[9];
        enum px_filter_token_kind kind;
    } keywords[] = {
        {"AND", PX_TOKEN_AND},         {"OR", PX_TOKEN_OR},
        {"NOT", PX_TOKEN_NOT},         {"IN", PX_TOKEN_IN},
        {"BETWEEN", PX_TOKEN_BETWEEN}, {"LIKE", PX_TOKEN_LIKE},
        {"ESCAPE", PX_TOKEN_ESCAPE},   {"CONTAINS", PX_TOKEN_CONTAINS},
        {"IS", PX_TOKEN_IS},           {"NULL", PX_TOKEN_NULL},
        {"TRUE", PX_TOKEN_TRUE},       {"FALSE", PX_TOKEN_FALSE},
    };
    char upper[9] = "";
    if (word.size_bytes >= sizeof upper)
        return PX_TOKEN_NAME;
    for (size_t i = 0; i < word.size_bytes; i++)
        upper[i] =
            (char)(word.data[i] >= 'a' && word.data[i] <= 'z' ? word.data[i] - 0x20 : word.data[i]);
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (memcmp(upper, keywords[i].text, sizeof upper) == 0)
            return keywords[i].kind;
    return PX_TOKEN_NAME;
}

static int read_word(struct px_filter_lexer *lexer, struct px_filter_token *token)
{
    const uint8_t *begin = lexer->at;
    while (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0)))
        lexer->at++;
    token->text = text_from(lexer, begin);
    token->value = token->text;
    token->kind = kind_of_word(token->text);
    return PROXIMADB_OK;
}

static int fail_character(const struct px_filter_lexer *lexer)
{
    char shown[PX_FILTER_SHOWN_BYTES];
    size_t left = (size_t)(end_of(lexer) - lexer->at);
    for (size_t size = 1; size <= 4 && size <= left; size++) {
        struct px_slice character = px_slice_of(lexer->at, size);
        if (*lexer->at >= 0x20 && px_utf8_validate(character))
            return px_filter__fail(lexer, character,
                                   "%s means nothing here; a text stands in 'single quotes', and a "
                                   "field name with other than letters, digits and _ in \"double "
                                   "quotes\"",
                                   px_filter__shown(character, shown));
    }
    return px_filter__fail(lexer, px_slice_of(lexer->at, 1), "the byte 0x%02x is no character",
                           *lexer->at);
}

static int read_symbol(struct px_filter_lexer *lexer, struct px_filter_token *token)
{
    static const struct {
        char text[3];
        enum px_filter_token_kind kind;
    } symbols[] = {
        {"!=", PX_TOKEN_NOT_EQUAL}, {"<>", PX_TOKEN_NOT_EQUAL},     {"<=", PX_TOKEN_LESS_EQUAL},
        {"<", PX_TOKEN_LESS},       {">=", PX_TOKEN_GREATER_EQUAL}, {">", PX_TOKEN_GREATER},
        {"=", PX_TOKEN_EQUAL},      {"(", PX_TOKEN_LEFT},           {")", PX_TOKEN_RIGHT},
        {",", PX_TOKEN_COMMA},      {"-", PX_TOKEN_MINUS},
    };
    const char next[2] = {(char)peek(lexer, 0), (char)peek(lexer, 1)};
    if (next[0] == '=' && next[1] == '=')
        return px_filter__fail(lexer, px_slice_of(lexer->at, 2), "equality is written with one =");
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        size_t size = strlen(symbols[i].text);
        if (memcmp(next, symbols[i].text, size) == 0) {
            token->kind = symbols[i].kind;
            token->text = px_slice_of(lexer->at, size);
            lexer->at += size;
            return PROXIMADB_OK;
        }
    }
    return fail_character(lexer);
}

int px_filter__next_token(struct px_filter_lexer *lexer, struct px_filter_token *ret_token)
{
    while (lexer->at < end_of(lexer) && is_blank(*lexer->at))
        lexer->at++;
    *ret_token = (struct px_filter_token){.kind = PX_TOKEN_END, .text = px_slice_of(lexer->at, 0)};
    if (lexer->at == end_of(lexer))
        return PROXIMADB_OK;
    uint8_t first = *lexer->at;
    if (first == '\'' || first == '"')
        return read_quoted(lexer, ret_token);
    if (first == '$')
        return read_parameter(lexer, ret_token);
    if (is_digit(first) || (first == '.' && is_digit(peek(lexer, 1))))
        return read_number(lexer, ret_token);
    if (is_letter(first))
        return read_word(lexer, ret_token);
    return read_symbol(lexer, ret_token);
}

/* ---- values of numbers ---- */

static int fail_range(const struct px_filter_lexer *lexer, const struct px_filter_token *token,
                      const char *what)
{
    char shown[PX_FILTER_SHOWN_BYTES];
    return px_filter__fail(lexer, token->text, "%s %s", px_filter__shown(token->text, shown), what);
}

static int integer_value(const struct px_filter_lexer *lexer, const struct px_filter_token *token,
                         bool negative, struct px_value *ret_value)
{
    uint64_t limit = (uint64_t)INT64_MAX + negative, magnitude = 0;
    for (size_t i = 0; i < token->text.size_bytes; i++) {
        uint64_t digit = token->text.data[i] - (uint64_t)'0';
        if (magnitude > (limit - digit) / 10)
            return fail_range(lexer, token,
                              "does not fit a 64-bit integer; with a '.' it is a double");
        magnitude = magnitude * 10 + digit;
    }
    int64_t integer = (int64_t)(negative ? ~magnitude + 1 : magnitude);
    *ret_value = (struct px_value){.kind = PROXIMADB_VALUE_LONG, .as.integer = integer};
    return PROXIMADB_OK;
}

/* The number as JSON writes it, with a digit on both sides of the point and no leading zeros. */
static char *json_number(const struct px_filter_lexer *lexer, struct px_slice text)
{
    char *json = px_arena_alloc_aligned(lexer->arena, text.size_bytes + 3, 1);
    size_t size = 0, i = 0;
    if (json == NULL)
        return NULL;
    while (i < text.size_bytes && text.data[i] == '0')
        i++;
    if (i == text.size_bytes || !is_digit(text.data[i]))
        json[size++] = '0';
    for (; i < text.size_bytes; i++) {
        json[size++] = (char)text.data[i];
        if (text.data[i] == '.' && (i + 1 == text.size_bytes || !is_digit(text.data[i + 1])))
            json[size++] = '0';
    }
    json[size] = '\0';
    return json;
}

static int decimal_value(const struct px_filter_lexer *lexer, const struct px_filter_token *token,
                         bool negative, struct px_value *ret_value)
{
    const char *json = json_number(lexer, token->text);
    if (json == NULL)
        return px_fail_no_memory(lexer->reterr);
    /* Not strtod(), which reads what the locale of the embedding program says. */
    yyjson_val number;
    const char *end = yyjson_read_number(json, &number, YYJSON_READ_NOFLAG, NULL, NULL);
    if (end == NULL)
        return fail_range(lexer, token, "is larger than any double");
    assert(*end == '\0');
    double magnitude = yyjson_get_num(&number);
    *ret_value = (struct px_value){.kind = PROXIMADB_VALUE_DOUBLE,
                                   .as.number = negative ? -magnitude : magnitude};
    return PROXIMADB_OK;
}

int px_filter__number(const struct px_filter_lexer *lexer, const struct px_filter_token *token,
                      bool negative, struct px_value *ret_value)
{
    if (token->kind == PX_TOKEN_INTEGER)
        return integer_value(lexer, token, negative, ret_value);
    return decimal_value(lexer, token, negative, ret_value);
}

#include "cli/toml.h"

#include "codec/utf8.h"

#include <stdio.h>
#include <string.h>

struct parsing {
    char *at; /* the next character; a NUL ends the text */
    unsigned line;
    px_toml_visit *visit;
    void *context;
    char key[PX_TOML_KEY_BYTES];
};

/* ---- blanks -------------------------------------------------------------------------------- */

static void skip_blanks(struct parsing *parsing)
{
    parsing->at += strspn(parsing->at, " \t");
}

/* A comment up to the end of its line. */
static int skip_comment(struct parsing *parsing, struct proximadb_error *reterr)
{
    if (*parsing->at != '#')
        return PROXIMADB_OK;
    for (; *parsing->at != '\0' && *parsing->at != '\n'; parsing->at++) {
        unsigned char c = (unsigned char)*parsing->at;
        if ((c < ' ' && c != '\t' && !(c == '\r' && parsing->at[1] == '\n')) || c == 0x7f)
            return px_fail(reterr, PROXIMADB_INVALID, "a comment has a control character, 0x%02x",
                           c);
    }
    return PROXIMADB_OK;
}

/* True, and behind it, where a line ends. */
static bool take_newline(struct parsing *parsing)
{
    if (parsing->at[0] == '\r' && parsing->at[1] == '\n')
        parsing->at++;
    if (*parsing->at != '\n')
        return false;
    parsing->at++;
    parsing->line++;
    return true;
}

/* What may stand between the items of an array. */
static int skip_lines(struct parsing *parsing, struct proximadb_error *reterr)
{
    int rc;
    do {
        skip_blanks(parsing);
        rc = skip_comment(parsing, reterr);
    } while (rc == PROXIMADB_OK && take_newline(parsing));
    return rc;
}

/* ---- strings ------------------------------------------------------------------------------- */

/* The value of `count` hexadecimal digits, or -1. */
static long hex(const char *digits, size_t count)
{
    long value = 0;
    for (size_t i = 0; i < count; i++) {
        static const char all[] = "0123456789abcdef0123456789ABCDEF";
        const char *found = digits[i] != '\0' ? strchr(all, digits[i]) : NULL;
        if (found == NULL)
            return -1;
        value = value * 16 + (found - all) % 16;
    }
    return value;
}

/* Writes a code point as UTF-8, which takes no more room than its escape; NULL if it is none. */
static char *put_code_point(char *out, long c)
{
    if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c == 0)
        return NULL;
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    int rest = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *out++ = (char)((0xff00 >> (rest + 1)) | (c >> (6 * rest)));
    for (int i = rest - 1; i >= 0; i--)
        *out++ = (char)(0x80 | ((c >> (6 * i)) & 0x3f));
    return out;
}

/* Reads the escape at parsing->at, behind its backslash; writes to *out and moves both. */
static int take_escape(struct parsing *parsing, char **out, struct proximadb_error *reterr)
{
    static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
    char name = *parsing->at;
    const char *found = name != '\0' ? strchr(names, name) : NULL;
    if (found != NULL) {
        *(*out)++ = values[found - names];
        parsing->at++;
        return PROXIMADB_OK;
    }
    if (name == 'u' || name == 'U') {
        size_t digits = name == 'u' ? 4 : 8;
        char *end = put_code_point(*out, hex(parsing->at + 1, digits));
        if (end == NULL)
            return px_fail(reterr, PROXIMADB_INVALID,
                           "\\%c needs the %zu hexadecimal digits of a character", name, digits);
        *out = end;
        parsing->at += 1 + digits;
        return PROXIMADB_OK;
    }
    return px_fail(reterr, PROXIMADB_INVALID,
                   "a string has a backslash that begins no escape; write \\\\ for a backslash, or "
                   "the string in '...'");
}

/* A string with its quotes; the NUL that ends the value takes the place of at most the last one. */
static int take_string(struct parsing *parsing, const char **ret_text,
                       struct proximadb_error *reterr)
{
    char quote = *parsing->at;
    char *out = ++parsing->at;
    *ret_text = out;
    if (parsing->at[0] == quote && parsing->at[1] == quote)
        return px_fail(reterr, PROXIMADB_INVALID, "strings over several lines are not read here");
    while (*parsing->at != quote) {
        unsigned char c = (unsigned char)*parsing->at;
        if (c == '\0' || c == '\n' || c == '\r')
            return px_fail(reterr, PROXIMADB_INVALID, "a string has no closing %c on its line",
                           quote);
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return px_fail(reterr, PROXIMADB_INVALID, "a string has a control character, 0x%02x",
                           c);
        parsing->at++;
        if (c != '\\' || quote != '"') {
            *out++ = (char)c;
            continue;
        }
        int rc = take_escape(parsing, &out, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    parsing->at++;
    *out = '\0';
    return PROXIMADB_OK;
}

/* ---- other values -------------------------------------------------------------------------- */

/* Ends the word's text by moving it one to the left, over a character that was read already. */
static const char *end_word(char *word, size_t length)
{
    memmove(word - 1, word, length);
    word[length - 1] = '\0';
    return word - 1;
}

/* Whether the word is a whole number in decimal as TOML has it; its underscores are taken out. */
static bool is_number(char *word, size_t *length)
{
    size_t out = 0;
    if (*length > 1 && (word[0] == '0' || word[*length - 1] == '_'))
        return false;
    for (size_t i = 0; i < *length; i++) {
        bool is_digit = word[i] >= '0' && word[i] <= '9';
        if (!is_digit && (word[i] != '_' || i == 0 || word[i - 1] == '_'))
            return false;
    }
    for (size_t i = 0; i < *length; i++)
        if (word[i] != '_')
            word[out++] = word[i];
    *length = out;
    return true;
}

static int take_word(struct parsing *parsing, struct px_toml_value *value,
                     struct proximadb_error *reterr)
{
    char *word = parsing->at;
    size_t length = strcspn(word, " \t\r\n,]#");
    parsing->at += length;
    if (length > 1 && word[0] == '+') {
        word++;
        length--;
    }
    if ((length == 4 && memcmp(word, "true", 4) == 0) ||
        (length == 5 && memcmp(word, "false", 5) == 0))
        value->kind = PX_TOML_BOOLEAN;
    else if (length > 0 && is_number(word, &length))
        value->kind = PX_TOML_NUMBER;
    else
        return px_fail(reterr, PROXIMADB_INVALID,
                       "'%.*s' is no value; write a string in \"...\", a whole number, true or "
                       "false",
                       (int)length, word);
    value->text = end_word(word, length);
    return PROXIMADB_OK;
}

/* One value that is no array, given to the visitor. */
static int take_value(struct parsing *parsing, struct px_toml_value *value,
                      struct proximadb_error *reterr)
{
    int rc;
    value->line = parsing->line;
    if (*parsing->at == '[')
        return px_fail(reterr, PROXIMADB_INVALID, "an array in an array is not read here");
    if (*parsing->at == '{')
        return px_fail(reterr, PROXIMADB_INVALID, "inline tables are not read here");
    value->kind = PX_TOML_STRING;
    if (*parsing->at == '"' || *parsing->at == '\'')
        rc = take_string(parsing, &value->text, reterr);
    else
        rc = take_word(parsing, value, reterr);
    return rc == PROXIMADB_OK ? parsing->visit(parsing->context, value, reterr) : rc;
}

static int take_array(struct parsing *parsing, struct px_toml_value *value,
                      struct proximadb_error *reterr)
{
    unsigned first_line = parsing->line;
    value->is_item = true;
    parsing->at++;
    for (;; value->item_index++) {
        int rc = skip_lines(parsing, reterr);
        if (rc == PROXIMADB_OK && *parsing->at != ']' && *parsing->at != '\0')
            rc = take_value(parsing, value, reterr);
        if (rc == PROXIMADB_OK)
            rc = skip_lines(parsing, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        if (*parsing->at == '\0')
            return px_fail(reterr, PROXIMADB_INVALID, "the array of line %u has no ']'",
                           first_line);
        if (*parsing->at == ']')
            break;
        if (*parsing->at != ',')
            return px_fail(reterr, PROXIMADB_INVALID,
                           "an array needs a ',' between its items and a ']' at its end");
        parsing->at++;
    }
    parsing->at++;
    return PROXIMADB_OK;
}

/* ---- lines --------------------------------------------------------------------------------- */

static int take_key(struct parsing *parsing, struct proximadb_error *reterr)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t length = strspn(parsing->at, letters);
    if (*parsing->at == '[')
        return px_fail(reterr, PROXIMADB_INVALID,
                       "there are no tables; write every setting at the top level");
    if (length == 0)
        return px_fail(reterr, PROXIMADB_INVALID, "a line must be KEY = VALUE");
    if (length >= sizeof parsing->key)
        return px_fail(reterr, PROXIMADB_INVALID, "a key of %zu letters is no setting", length);
    memcpy(parsing->key, parsing->at, length);
    parsing->key[length] = '\0';
    parsing->at += length;
    skip_blanks(parsing);
    if (*parsing->at != '=')
        return px_fail(reterr, PROXIMADB_INVALID, "'%s' must be followed by = and a value",
                       parsing->key);
    parsing->at++;
    skip_blanks(parsing);
    return PROXIMADB_OK;
}

static int take_line(struct parsing *parsing, struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    skip_blanks(parsing);
    if (*parsing->at != '\0' && strchr("#\r\n", *parsing->at) == NULL) {
        struct px_toml_value value = {.key = parsing->key};
        rc = take_key(parsing, reterr);
        if (rc == PROXIMADB_OK)
            rc = *parsing->at == '[' ? take_array(parsing, &value, reterr)
                                     : take_value(parsing, &value, reterr);
        skip_blanks(parsing);
    }
    if (rc == PROXIMADB_OK)
        rc = skip_comment(parsing, reterr);
    if (rc == PROXIMADB_OK && *parsing->at != '\0' && !take_newline(parsing))
        rc = px_fail(reterr, PROXIMADB_INVALID, "a line must end behind its value");
    return rc;
}

int px_toml_parse(char *text, px_toml_visit *visit, void *context, unsigned *ret_line,
                  struct proximadb_error *reterr)
{
    struct parsing parsing = {.at = text, .line = 1, .visit = visit, .context = context};
    int rc = PROXIMADB_OK;
    if (!px_utf8_validate(px_slice_of_string(text)))
        rc = px_fail(reterr, PROXIMADB_INVALID, "the text is not UTF-8");
    while (rc == PROXIMADB_OK && *parsing.at != '\0')
        rc = take_line(&parsing, reterr);
    *ret_line = parsing.line;
    return rc;
}

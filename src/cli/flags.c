#include "cli/flags.h"

#include "cli/quantity.h"
#include "cli/suggest.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values -------------------------------------------------------------------------------- */

static void *member_of(const struct px_flag *flag, void *options)
{
    return (char *)options + flag->offset;
}

/* What a value of each kind looks like. */
static const char *example_of(enum px_flag_kind kind)
{
    switch (kind) {
    case PX_FLAG_SIZE:
        return "a size, such as 64MiB, 1GiB or 4096";
    case PX_FLAG_TIME:
        return "a time, such as 500ms, 30s, 15m or 12h";
    default:
        return "a whole number";
    }
}

static int set_number(const struct px_flag *flag, const char *source, const char *value,
                      void *options, struct proximadb_error *reterr)
{
    uint64_t number;
    bool is_valid = flag->kind == PX_FLAG_SIZE   ? px_quantity_parse_size(value, &number)
                    : flag->kind == PX_FLAG_TIME ? px_quantity_parse_time(value, &number)
                                                 : px_quantity_parse_count(value, &number);
    if (!is_valid)
        return px_fail(reterr, PROXIMADB_INVALID, "%s: '%s' is not %s", source, value,
                       example_of(flag->kind));
    if (number < flag->least || (flag->most != 0 && number > flag->most)) {
        char least[PX_QUANTITY_TEXT_BYTES], most[PX_QUANTITY_TEXT_BYTES];
        snprintf(least, sizeof least, "%llu", (unsigned long long)flag->least);
        snprintf(most, sizeof most, "%llu", (unsigned long long)flag->most);
        if (flag->kind == PX_FLAG_SIZE) {
            px_quantity_format_size(flag->least, least);
            px_quantity_format_size(flag->most, most);
        }
        const char *unit = flag->kind == PX_FLAG_TIME ? " ms" : "";
        return px_fail(reterr, PROXIMADB_INVALID, "%s: '%s' is too %s; it must be %s %s%s", source,
                       value, number < flag->least ? "small" : "large",
                       number < flag->least ? "at least" : "at most",
                       number < flag->least ? least : most, unit);
    }
    memcpy(member_of(flag, options), &number, sizeof number);
    return PROXIMADB_OK;
}

static int set_word(const struct px_flag *flag, const char *source, const char *value,
                    void *options, struct proximadb_error *reterr)
{
    char all[200] = "";
    for (int i = 0; flag->words[i] != NULL; i++) {
        if (strcmp(value, flag->words[i]) == 0) {
            *(int *)member_of(flag, options) = i;
            return PROXIMADB_OK;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "", flag->words[i]);
    }
    return px_fail(reterr, PROXIMADB_INVALID, "%s: '%s' is none of %s", source, value, all);
}

static int add_text(const struct px_flag *flag, const char *source, const char *value,
                    void *options, struct proximadb_error *reterr)
{
    struct px_texts *texts = member_of(flag, options);
    if (texts->count == PX_MOST_TEXTS)
        return px_fail(reterr, PROXIMADB_INVALID, "%s can be given at most %d times", source,
                       PX_MOST_TEXTS);
    texts->items[texts->count++] = value;
    return PROXIMADB_OK;
}

int px_flag_set(const struct px_flag *flag, const char *source, const char *value, void *options,
                struct proximadb_error *reterr)
{
    if (value[0] == '\0')
        return px_fail(reterr, PROXIMADB_INVALID, "%s is empty; it needs a value", source);
    switch (flag->kind) {
    case PX_FLAG_TEXT:
        *(const char **)member_of(flag, options) = value;
        return PROXIMADB_OK;
    case PX_FLAG_LIST:
        return add_text(flag, source, value, options, reterr);
    case PX_FLAG_WORD:
        return set_word(flag, source, value, options, reterr);
    case PX_FLAG_SWITCH:
        break;
    default:
        return set_number(flag, source, value, options, reterr);
    }
    bool is_on = strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
    if (!is_on && strcmp(value, "0") != 0 && strcmp(value, "false") != 0)
        return px_fail(reterr, PROXIMADB_INVALID, "%s: '%s' is neither true nor false", source,
                       value);
    *(bool *)member_of(flag, options) = is_on;
    return PROXIMADB_OK;
}

void px_flag_forget(const struct px_flag *flag, void *options)
{
    if (flag->kind == PX_FLAG_LIST)
        ((struct px_texts *)member_of(flag, options))->count = 0;
}

void px_flags_set_defaults(const struct px_flag_table *table, void *options)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct px_flag *flag = &table->flags[i];
        int rc = PROXIMADB_OK;
        if (flag->fallback != NULL)
            rc = px_flag_set(flag, flag->name, flag->fallback, options, NULL);
        assert(rc == PROXIMADB_OK); /* the table is ours */
    }
}

/* ---- names --------------------------------------------------------------------------------- */

const struct px_flag *px_flags_find(const struct px_flag_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->flags[i].name, name) == 0)
            return &table->flags[i];
    return NULL;
}

bool px_flags_is_given(const struct px_flag_table *table, const struct px_arguments *arguments,
                       const char *name)
{
    const struct px_flag *flag = px_flags_find(table, name);
    assert(flag != NULL);
    return arguments->given[flag - table->flags];
}

const char *px_flags_nearest(const struct px_flag_table *table, const char *name)
{
    struct px_suggestion near = {0};
    for (size_t i = 0; i < table->count; i++)
        px_suggest_consider(&near, name, table->flags[i].name);
    return near.word;
}

/* ---- the environment ----------------------------------------------------------------------- */

void px_flag_variable(const struct px_flag *flag, char name[PX_FLAG_VARIABLE_BYTES])
{
    int length = snprintf(name, PX_FLAG_VARIABLE_BYTES, "PROXIMADB_%s", flag->name);
    assert(length < PX_FLAG_VARIABLE_BYTES);
    for (char *at = name; *at != '\0'; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
}

/* A list in one text, separated by commas. */
static int split_list(const struct px_flag *flag, const char *source, const char *value,
                      void *options, struct proximadb_error *reterr)
{
    struct px_texts *texts = member_of(flag, options);
    char *at = texts->storage, *rest;
    if (strlen(value) >= sizeof texts->storage)
        return px_fail(reterr, PROXIMADB_INVALID, "%s is longer than %zu bytes", source,
                       sizeof texts->storage - 1);
    memcpy(texts->storage, value, strlen(value) + 1);
    px_flag_forget(flag, options);
    for (; at != NULL; at = rest) {
        rest = strchr(at, ',');
        if (rest != NULL)
            *rest++ = '\0';
        int rc = px_flag_set(flag, source, at, options, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return PROXIMADB_OK;
}

int px_flags_read_environment(const struct px_flag_table *table, void *options,
                              struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < table->count && rc == PROXIMADB_OK; i++) {
        const struct px_flag *flag = &table->flags[i];
        char name[PX_FLAG_VARIABLE_BYTES];
        px_flag_variable(flag, name);
        const char *value = getenv(name);
        if (value == NULL)
            continue;
        rc = flag->kind == PX_FLAG_LIST ? split_list(flag, name, value, options, reterr)
                                        : px_flag_set(flag, name, value, options, reterr);
    }
    return rc;
}

/* ---- the command line ---------------------------------------------------------------------- */

/* What is being read of a command line. */
struct parsing {
    const struct px_flag_table *table;
    int argc;
    const char *const *argv;
    int at; /* of the next word */
    void *options;
    struct px_arguments *arguments;
};

static int fail_unknown(const struct px_flag_table *table, const char *name,
                        struct proximadb_error *reterr)
{
    const char *near = px_flags_nearest(table, name);
    if (near != NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no flag '--%s'; did you mean '--%s'?",
                       name, near);
    return px_fail(reterr, PROXIMADB_INVALID,
                   "there is no flag '--%s'; 'proximadb %s --help' lists those there are", name,
                   table->command);
}

/* The first value on the command line takes the place of those from elsewhere. */
static void forget_others(struct parsing *parsing, const struct px_flag *flag)
{
    size_t index = (size_t)(flag - parsing->table->flags);
    assert(index < PX_MOST_FLAGS);
    if (!parsing->arguments->given[index])
        px_flag_forget(flag, parsing->options);
    parsing->arguments->given[index] = true;
}

/* `word` is behind the two dashes. */
static int parse_flag(struct parsing *parsing, const char *word, struct proximadb_error *reterr)
{
    size_t length = strcspn(word, "=");
    char name[64], source[80];
    snprintf(name, sizeof name, "%.*s", (int)length, word);
    snprintf(source, sizeof source, "--%s", name);
    const struct px_flag *flag = px_flags_find(parsing->table, name);
    if (flag == NULL)
        return fail_unknown(parsing->table, name, reterr);
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    if (value == NULL && flag->kind == PX_FLAG_SWITCH)
        value = "true";
    if (value == NULL && parsing->at < parsing->argc &&
        strncmp(parsing->argv[parsing->at], "--", 2) != 0)
        value = parsing->argv[parsing->at++];
    if (value == NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "--%s needs a value: --%s %s", flag->name,
                       flag->name, flag->argument);
    forget_others(parsing, flag);
    return px_flag_set(flag, source, value, parsing->options, reterr);
}

static int add_argument(struct parsing *parsing, const char *word, struct proximadb_error *reterr)
{
    struct px_arguments *arguments = parsing->arguments;
    if (arguments->count == parsing->table->most_arguments)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "'%s' is one argument too many; 'proximadb %s --help' says what is expected",
                       word, parsing->table->command);
    arguments->items[arguments->count++] = word;
    return PROXIMADB_OK;
}

static int parse_words(struct parsing *parsing, struct proximadb_error *reterr)
{
    bool are_flags = true;
    int rc = PROXIMADB_OK;
    while (parsing->at < parsing->argc && rc == PROXIMADB_OK) {
        const char *word = parsing->argv[parsing->at++];
        if (are_flags && strcmp(word, "--") == 0) {
            are_flags = false;
        } else if (are_flags && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            parsing->arguments->wants_help = true;
            return PROXIMADB_OK;
        } else if (are_flags && strncmp(word, "--", 2) == 0) {
            rc = parse_flag(parsing, word + 2, reterr);
        } else if (are_flags && word[0] == '-' && word[1] != '\0') {
            rc = px_fail(reterr, PROXIMADB_INVALID,
                         "there is no flag '%s'; flags begin with two dashes", word);
        } else {
            rc = add_argument(parsing, word, reterr);
        }
    }
    return rc;
}

int px_flags_read_line(const struct px_flag_table *table, int argc, const char *const *argv,
                       void *options, struct px_arguments *ret_arguments,
                       struct proximadb_error *reterr)
{
    struct parsing parsing = {
        .table = table, .argc = argc, .argv = argv, .options = options, .arguments = ret_arguments};
    *ret_arguments = (struct px_arguments){0};
    assert(table->most_arguments <= PX_MOST_ARGUMENTS);
    return parse_words(&parsing, reterr);
}

#include "cli/command.h"

#include "cli/help.h"
#include "cli/settings.h"
#include "cli/suggest.h"
#include "codec/json_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors -------------------------------------------------------------------------------- */

enum px_exit px_exit_of(const struct proximadb_error *error)
{
    switch (error->status) {
    case PROXIMADB_OK:
        return PX_EXIT_OK;
    case PROXIMADB_INVALID:
    case PROXIMADB_UNIMPLEMENTED: /* an encoding, a codec or the like that is not read */
    case PROXIMADB_DIMENSION:
    case PROXIMADB_VECTOR_EXISTS:
    case PROXIMADB_TOO_LARGE:
        return PX_EXIT_USAGE;
    case PROXIMADB_CORRUPT:
    case PROXIMADB_READ_ONLY:
        return PX_EXIT_DAMAGED;
    case PROXIMADB_UNAVAILABLE:
        return PX_EXIT_UNAVAILABLE;
    case PROXIMADB_COLLECTION_NOT_FOUND:
        return PX_EXIT_NOT_FOUND;
    case PROXIMADB_IO:
        if (error->os_errno == EEXIST) /* a file where a folder is to be made */
            return PX_EXIT_USAGE;
        return error->os_errno == ENOENT || error->os_errno == ENOTDIR ? PX_EXIT_NOT_FOUND
                                                                       : PX_EXIT_FAILED;
    default:
        return PX_EXIT_FAILED;
    }
}

int px_command_flush(struct proximadb_error *reterr)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return PROXIMADB_OK;
    return px_fail(reterr, PROXIMADB_IO, "cannot write to standard output");
}

static void print_json_error(const struct proximadb_error *error)
{
    struct px_buffer line = {0};
    px_json_line_begin(&line, "error");
    px_json_line_string(&line, "status", proximadb_status_name(error->status));
    px_json_line_u64(&line, "exit", px_exit_of(error));
    px_json_line_string(&line, "message", error->message);
    px_json_line_end(&line);
    fprintf(stderr, "%.*s", (int)line.size_bytes, (const char *)line.data);
    px_buffer_release(&line);
}

/* `name` is the command's; NULL: there is none. */
static int report(const char *name, bool as_json, const struct proximadb_error *error)
{
    if (as_json)
        print_json_error(error);
    else
        fprintf(stderr, "proximadb%s%s: %s\n", name != NULL ? " " : "", name != NULL ? name : "",
                error->message);
    return (int)px_exit_of(error);
}

/* Also for a command line that cannot be read. */
static bool wants_json(int argc, const char *const *argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--") == 0)
            return false;
        else if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

/* ---- help ---------------------------------------------------------------------------------- */

/* Prints a text that is complete. */
static int print(struct px_buffer *text, struct proximadb_error *reterr)
{
    int rc = px_buffer_status(text, reterr);
    if (rc == PROXIMADB_OK) {
        fwrite(text->data, 1, text->size_bytes, stdout);
        rc = px_command_flush(reterr);
    }
    px_buffer_release(text);
    return rc;
}

static int print_help_of(const struct px_command *command, struct proximadb_error *reterr)
{
    struct px_buffer text = {0};
    px_help_command(command, &text);
    return print(&text, reterr);
}

static int fail_unknown(const struct px_command_list *commands, const char *name,
                        struct proximadb_error *reterr)
{
    struct px_suggestion near = {0};
    px_suggest_consider(&near, name, "help");
    for (size_t i = 0; i < commands->count; i++)
        px_suggest_consider(&near, name, commands->items[i]->name);
    if (near.word != NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "there is no command '%.40s'; did you mean '%s'?",
                       name, near.word);
    return px_fail(reterr, PROXIMADB_INVALID,
                   "there is no command '%.40s'; 'proximadb help' lists those there are", name);
}

static const struct px_command *find(const struct px_command_list *commands, const char *name)
{
    for (size_t i = 0; i < commands->count; i++)
        if (strcmp(commands->items[i]->name, name) == 0)
            return commands->items[i];
    return NULL;
}

/* `proximadb help [COMMAND] [--json]` */
static int help(const struct px_command_list *commands, int argc, const char *const *argv,
                struct proximadb_error *reterr)
{
    struct px_buffer text = {0};
    const char *name = NULL;
    for (int i = 0; i < argc; i++)
        if (argv[i][0] != '-')
            name = argv[i];
    const struct px_command *command = name != NULL ? find(commands, name) : NULL;
    if (name != NULL && command == NULL && strcmp(name, "help") != 0)
        return fail_unknown(commands, name, reterr);
    if (command != NULL)
        return print_help_of(command, reterr);
    if (wants_json(argc, argv))
        px_help_json(commands, &text);
    else
        px_help_all(commands, &text);
    return print(&text, reterr);
}

/* ---- running ------------------------------------------------------------------------------- */

static int run(const struct px_command *command, int argc, const char *const *argv,
               struct proximadb_error *reterr)
{
    struct px_settings settings;
    int rc =
        px_settings_read(&settings, command->flags, command->options_bytes, argc, argv, reterr);
    if (rc == PROXIMADB_OK && settings.arguments.wants_help)
        rc = print_help_of(command, reterr);
    else if (rc == PROXIMADB_OK)
        rc = command->run(settings.options, &settings.arguments, reterr);
    px_settings_release(&settings);
    return rc;
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int px_command_main(const struct px_command_list *commands, int argc, const char *const *argv)
{
    struct proximadb_error error = {0};
    int rest = argc > 2 ? argc - 2 : 0;
    const char *const *words = argv + (argc > 2 ? 2 : 0);
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name == NULL) {
        struct px_buffer text = {0};
        px_help_all(commands, &text);
        fprintf(stderr, "%.*s", (int)text.size_bytes, (const char *)text.data);
        px_buffer_release(&text);
        return PX_EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct px_command *command = find(commands, name);
    int rc;
    if (command != NULL)
        rc = run(command, rest, words, &error);
    else if (is_help(name))
        rc = help(commands, rest, words, &error);
    else
        rc = fail_unknown(commands, name, &error);
    if (rc == PROXIMADB_OK)
        return PX_EXIT_OK;
    return report(command != NULL ? command->name : NULL, wants_json(rest, words), &error);
}

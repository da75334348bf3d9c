#include "cli/help.h"

#include "codec/json.h"

#include <stdio.h>
#include <string.h>

enum { FLAG_COLUMN = 28, SUMMARY_COLUMN = 12 };

static const char *const exit_meanings[PX_EXIT_COUNT] = {
    [PX_EXIT_OK] = "done",
    [PX_EXIT_FAILED] = "it failed; the message says why",
    [PX_EXIT_USAGE] = "a flag, a value or the configuration file makes no sense",
    [PX_EXIT_DAMAGED] = "damage was found",
    [PX_EXIT_UNAVAILABLE] = "another process holds the data folder or the port",
    [PX_EXIT_NOT_FOUND] = "there is no such collection, file or folder",
};

/* ---- for people ---------------------------------------------------------------------------- */

static void put_flag(const struct px_flag *flag, bool reads_environment, struct px_buffer *text)
{
    char head[80], variable[PX_FLAG_VARIABLE_BYTES];
    snprintf(head, sizeof head, "--%s%s%s", flag->name, flag->argument != NULL ? " " : "",
             flag->argument != NULL ? flag->argument : "");
    px_buffer_append_format(text, "  %-*s", FLAG_COLUMN, head);
    if (strlen(head) >= FLAG_COLUMN)
        px_buffer_append_format(text, "\n  %-*s", FLAG_COLUMN, "");
    px_buffer_append_format(text, "%s", flag->help);
    if (flag->fallback != NULL)
        px_buffer_append_format(text, " (default %s)", flag->fallback);
    px_buffer_append_byte(text, '\n');
    if (reads_environment) {
        px_flag_variable(flag, variable);
        px_buffer_append_format(text, "  %-*s$%s\n", FLAG_COLUMN, "", variable);
    }
}

static void put_exits(struct px_buffer *text)
{
    px_buffer_append_format(text, "\nExit status:\n");
    for (size_t i = 0; i < PX_EXIT_COUNT; i++)
        px_buffer_append_format(text, "  %zu  %s\n", i, exit_meanings[i]);
}

void px_help_command(const struct px_command *command, struct px_buffer *text)
{
    const struct px_flag_table *table = command->flags;
    px_buffer_append_format(text, "proximadb %s: %s.\n\nUsage: proximadb %s %s\n\n%s\n",
                            command->name, command->summary, command->name, command->usage,
                            command->details);
    px_buffer_append_format(text, "Flags:\n");
    for (size_t i = 0; i < table->count; i++)
        put_flag(&table->flags[i], table->reads_environment, text);
    px_buffer_append_format(text, "  %-*sthis text\n", FLAG_COLUMN, "--help");
    px_buffer_append_format(text, "\nExample:\n%s", command->example);
    put_exits(text);
}

void px_help_all(const struct px_command_list *commands, struct px_buffer *text)
{
    px_buffer_append_format(text,
                            "proximadb %s: a vector database for BERT-style embeddings.\n\n"
                            "Usage: proximadb COMMAND [FLAG]... [ARGUMENT]...\n\nCommands:\n",
                            proximadb_version());
    for (size_t i = 0; i < commands->count; i++)
        px_buffer_append_format(text, "  %-*s%s\n", SUMMARY_COLUMN, commands->items[i]->name,
                                commands->items[i]->summary);
    px_buffer_append_format(text, "  %-*s%s\n", SUMMARY_COLUMN, "help",
                            "show this text, or 'help COMMAND' that of a command");
    px_buffer_append_format(text, "\nExample:\n  proximadb serve --data ./data\n"
                                  "  proximadb serve --help\n");
}

/* ---- for scripts --------------------------------------------------------------------------- */

static const char *kind_name(enum px_flag_kind kind)
{
    static const char *const names[] = {
        [PX_FLAG_SWITCH] = "switch", [PX_FLAG_TEXT] = "text", [PX_FLAG_LIST] = "list",
        [PX_FLAG_SIZE] = "size",     [PX_FLAG_TIME] = "time", [PX_FLAG_COUNT] = "count",
        [PX_FLAG_WORD] = "word",
    };
    return names[kind];
}

/* ,"KEY":"VALUE" or, for NULL, ,"KEY":null */
static void put_member(struct px_buffer *text, const char *key, const char *value)
{
    px_buffer_append_format(text, ",\"%s\":", key);
    if (value != NULL)
        px_json_append_string(text, px_slice_of_string(value));
    else
        px_buffer_append_format(text, "null");
}

static void put_json_flag(const struct px_flag *flag, bool reads_environment,
                          struct px_buffer *text)
{
    char variable[PX_FLAG_VARIABLE_BYTES];
    px_flag_variable(flag, variable);
    px_buffer_append_format(text, "{\"kind\":\"%s\"", kind_name(flag->kind));
    put_member(text, "name", flag->name);
    put_member(text, "argument", flag->argument);
    put_member(text, "variable", reads_environment ? variable : NULL);
    put_member(text, "default", flag->fallback);
    px_buffer_append_byte(text, '}');
}

static void put_json_command(const struct px_command *command, struct px_buffer *text)
{
    const struct px_flag_table *table = command->flags;
    px_buffer_append_format(text, "{\"kind\":\"command\"");
    put_member(text, "name", command->name);
    put_member(text, "summary", command->summary);
    put_member(text, "usage", command->usage);
    px_buffer_append_format(text, ",\"flags\":[");
    for (size_t i = 0; i < table->count; i++) {
        px_buffer_append_format(text, "%s", i > 0 ? "," : "");
        put_json_flag(&table->flags[i], table->reads_environment, text);
    }
    px_buffer_append_format(text, "]}");
}

void px_help_json(const struct px_command_list *commands, struct px_buffer *text)
{
    px_buffer_append_format(text, "{\"kind\":\"help\",\"commands\":[");
    for (size_t i = 0; i < commands->count; i++) {
        px_buffer_append_format(text, "%s", i > 0 ? "," : "");
        put_json_command(commands->items[i], text);
    }
    px_buffer_append_format(text, "],\"exits\":[");
    for (size_t i = 0; i < PX_EXIT_COUNT; i++) {
        px_buffer_append_format(text, "%s{\"status\":%zu", i > 0 ? "," : "", i);
        put_member(text, "meaning", exit_meanings[i]);
        px_buffer_append_byte(text, '}');
    }
    px_buffer_append_format(text, "]}\n");
}

/*
 * flags: command lines by table.
 *
 * A command lists its flags; each fills in one member of the command's options:
 *
 *      KIND    ON THE COMMAND LINE              MEMBER
 *      SWITCH  --json                           bool
 *      TEXT    --data DIR, --data=DIR           const char *
 *      LIST    --listen A:P --listen B:P        struct px_texts
 *      SIZE    --memtable-limit 64MiB           uint64_t, bytes
 *      TIME    --wal-rotate 30m                 uint64_t, milliseconds
 *      COUNT   --read-threads 4                 uint64_t
 *      WORD    --log-level debug                int, the place in `words`
 *
 * The default stands in the table as text and is read like a value, so that what --help says is
 * what is done. Where a command takes them, flags may come from the environment: PROXIMADB_DATA for
 * --data, PROXIMADB_MEMTABLE_LIMIT for --memtable-limit; a LIST is separated by commas. "--" ends
 * the flags.
 *
 * Each function here reads one source, and a value takes the place of what came from another one
 * before; cli/settings.h reads all of them in their order.
 *
 * Threads: any.
 */
#ifndef PX_CLI_FLAGS_H
#define PX_CLI_FLAGS_H

#include "base/error.h"

enum {
    PX_MOST_TEXTS = 64, /* as many as a collection has filterable fields */
    PX_MOST_FLAGS = 64,
    PX_MOST_ARGUMENTS = 8,
    PX_FLAG_VARIABLE_BYTES = 64,
};

enum px_flag_kind {
    PX_FLAG_SWITCH,
    PX_FLAG_TEXT,
    PX_FLAG_LIST,
    PX_FLAG_SIZE,
    PX_FLAG_TIME,
    PX_FLAG_COUNT,
    PX_FLAG_WORD,
};

struct px_flag {
    const char *name;     /* without dashes */
    const char *argument; /* what --help calls the value; NULL for a switch */
    const char *help;     /* a phrase */
    const char *fallback; /* the default; NULL: the member stays zero */
    enum px_flag_kind kind;
    size_t offset;            /* of the member in the options */
    uint64_t least;           /* of a SIZE, TIME or COUNT that is given */
    uint64_t most;            /* likewise; 0: no limit */
    const char *const *words; /* of a WORD; NULL behind the last */
};

/* Values of a LIST. */
struct px_texts {
    const char *items[PX_MOST_TEXTS]; /* views into the command line or the storage */
    size_t count;
    char storage[1024]; /* of values that came from the environment */
};

struct px_flag_table {
    const char *command; /* "serve"; for messages */
    const struct px_flag *flags;
    size_t count;
    size_t most_arguments; /* that are no flags; at most PX_MOST_ARGUMENTS */
    bool reads_environment;
    const char
        *config_flag; /* the TEXT flag that names a configuration file; NULL: there is none */
};

/* What is no flag. */
struct px_arguments {
    const char *items[PX_MOST_ARGUMENTS];
    size_t count;
    bool wants_help;           /* --help or -h; nothing behind it was looked at */
    bool given[PX_MOST_FLAGS]; /* which flags of the table the command line has */
};

/* Each function fills in `options`, and fails with PROXIMADB_INVALID and a sentence that says what
 * to write instead. Texts are views into what they were read from. */

/* The defaults, into zeroed options. */
void px_flags_set_defaults(const struct px_flag_table *table, void *options);

PX_MUST_CHECK int px_flags_read_environment(const struct px_flag_table *table, void *options,
                                            struct proximadb_error *reterr);

/* argv[0] is the first word behind the command's name. */
PX_MUST_CHECK int px_flags_read_line(const struct px_flag_table *table, int argc,
                                     const char *const *argv, void *options,
                                     struct px_arguments *ret_arguments,
                                     struct proximadb_error *reterr);

/* The flag of that name, or NULL. */
const struct px_flag *px_flags_find(const struct px_flag_table *table, const char *name);

/* Whether the command line has the flag of that name, which must be one. */
bool px_flags_is_given(const struct px_flag_table *table, const struct px_arguments *arguments,
                       const char *name);

/* The name of the flag that is nearest to one that does not exist, or NULL. */
const char *px_flags_nearest(const struct px_flag_table *table, const char *name);

/* One value; of a LIST, one more. `source` says where it comes from: "--data", "PROXIMADB_DATA". */
PX_MUST_CHECK int px_flag_set(const struct px_flag *flag, const char *source, const char *value,
                              void *options, struct proximadb_error *reterr);

/* Empties a LIST; does nothing to others. */
void px_flag_forget(const struct px_flag *flag, void *options);

/* The name of a flag's variable in the environment. */
void px_flag_variable(const struct px_flag *flag, char name[PX_FLAG_VARIABLE_BYTES]);

#endif /* PX_CLI_FLAGS_H */

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
 * The default stands in the table as text and is read like a value, so that what --help says is what
 * is done. Where a command takes them, flags may come from the environment: PROXIMADB_DATA for
 * --data, PROXIMADB_MEMTABLE_LIMIT for --memtable-limit; a LIST is separated by commas. The command
 * line counts more. "--" ends the flags.
 *
 * Threads: any.
 */
#ifndef PX_CLI_FLAGS_H
#define PX_CLI_FLAGS_H

#include "base/error.h"

enum {
    PX_MOST_TEXTS = 16,
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
};

/* What is no flag. */
struct px_arguments {
    const char *items[PX_MOST_ARGUMENTS];
    size_t count;
    bool wants_help; /* --help or -h; nothing behind it was looked at */
};

/*
 * Fills in `options`, which is zeroed, with defaults, environment and command line, in this order.
 * argv[0] is the first word behind the command's name. Texts are views into argv and the environment.
 *
 * PROXIMADB_INVALID, with a sentence that says what to write instead.
 */
PX_MUST_CHECK int px_flags_parse(const struct px_flag_table *table, int argc, char *const *argv,
                                 void *options, struct px_arguments *ret_arguments,
                                 struct proximadb_error *reterr);

/* The name of a flag's variable in the environment. */
void px_flag_variable(const struct px_flag *flag, char name[PX_FLAG_VARIABLE_BYTES]);

#endif /* PX_CLI_FLAGS_H */

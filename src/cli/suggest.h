/*
 * suggest: "did you mean": the known word that is nearest to one that is not known.
 *
 * Near is at most two letters inserted, removed or exchanged (Levenshtein's distance), and fewer
 * than half of the word.
 *
 * Threads: any.
 */
#ifndef PX_CLI_SUGGEST_H
#define PX_CLI_SUGGEST_H

#include <stddef.h>

struct px_suggestion {
    const char *word; /* NULL: none is near */
    size_t distance;
};

/* Considers one known word (kept); the first of equally near ones stays. Zeroed at first. */
void px_suggest_consider(struct px_suggestion *suggestion, const char *typed, const char *known);

#endif /* PX_CLI_SUGGEST_H */

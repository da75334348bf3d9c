#include "cli/suggest.h"

#include <string.h>

enum { LONGEST_WORD = 40, MOST_DISTANCE = 2 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, row by row; words are at most LONGEST_WORD long. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t row[LONGEST_WORD + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, 1 + least(row[j], row[j - 1]));
        }
    }
    return row[b_length];
}

void px_suggest_consider(struct px_suggestion *suggestion, const char *typed, const char *known)
{
    size_t typed_length = strlen(typed), known_length = strlen(known);
    if (typed_length > LONGEST_WORD || known_length > LONGEST_WORD)
        return;
    size_t found = distance(typed, typed_length, known, known_length);
    if (found > MOST_DISTANCE || 2 * found >= known_length)
        return;
    if (suggestion->word == NULL || found < suggestion->distance)
        *suggestion = (struct px_suggestion){.word = known, .distance = found};
}

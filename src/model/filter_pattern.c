#include "model/filter_internal.h"

/* The two bytes that UTF-8 never has. */
enum { ANY_ONE = 0xfe, ANY_RUN = 0xff };

int px_filter__pattern_compile(struct px_slice pattern, uint8_t escape, struct px_arena *arena,
                               struct px_slice *ret_compiled)
{
    uint8_t *compiled = px_arena_alloc_aligned(arena, pattern.size_bytes, 1);
    size_t size = 0;
    if (compiled == NULL)
        return PROXIMADB_NO_MEMORY;
    for (size_t i = 0; i < pattern.size_bytes; i++) {
        uint8_t byte = pattern.data[i];
        if (escape != 0 && byte == escape) {
            if (++i == pattern.size_bytes)
                return PROXIMADB_INVALID;
            compiled[size++] = pattern.data[i];
        } else if (byte == '_') {
            compiled[size++] = ANY_ONE;
        } else if (byte != '%') {
            compiled[size++] = byte;
        } else if (size == 0 || compiled[size - 1] != ANY_RUN) {
            compiled[size++] = ANY_RUN; /* a second % in a row says nothing new */
        }
    }
    *ret_compiled = px_slice_of(compiled, size);
    return PROXIMADB_OK;
}

/* The beginning of the code point behind the one at `at`. */
static const uint8_t *next_point(const uint8_t *at, const uint8_t *end)
{
    do
        at++;
    while (at < end && (*at & 0xc0) == 0x80);
    return at;
}

/* The first place from `at` on where `pattern` may begin to match, or NULL: a literal byte that it
 * begins with is searched for. The pattern has not ended, and begins with no %. */
static const uint8_t *first_try(const uint8_t *pattern, const uint8_t *at, const uint8_t *end)
{
    if (*pattern == ANY_ONE)
        return at;
    return at < end ? memchr(at, *pattern, (size_t)(end - at)) : NULL;
}

/*
 * Greedy matching with two pointers and one place to go back to: when the rest does not match, only
 * the last % is made to swallow more. An earlier % never has to be tried again, since whatever it
 * could give up the last one can swallow as well. So the work is at most text times pattern, and on
 * ordinary patterns one pass.
 */
bool px_filter__pattern_matches(struct px_slice compiled, struct px_slice text)
{
    const uint8_t *pattern = compiled.data, *pattern_end = pattern + compiled.size_bytes;
    const uint8_t *at = text.data, *end = at + text.size_bytes;
    const uint8_t *run_pattern = NULL; /* behind the last % */
    const uint8_t *run_at = NULL;      /* the text behind what that % has swallowed */
    while (at < end) {
        if (pattern < pattern_end && *pattern == *at) {
            pattern++;
            at++;
        } else if (pattern < pattern_end && *pattern == ANY_ONE) {
            pattern++;
            at = next_point(at, end);
        } else if (pattern < pattern_end && *pattern == ANY_RUN) {
            run_pattern = ++pattern;
            if (pattern == pattern_end)
                return true;
            at = run_at = first_try(pattern, at, end);
        } else if (run_pattern != NULL) {
            pattern = run_pattern;
            at = run_at = first_try(pattern, next_point(run_at, end), end);
        } else {
            return false;
        }
        if (at == NULL)
            return false;
    }
    while (pattern < pattern_end && *pattern == ANY_RUN)
        pattern++;
    return pattern == pattern_end;
}

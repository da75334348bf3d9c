#include "bridge/words.h"

#include <proximadb.h>

enum { MOST_WORDS = 5 };

static const struct {
    const char *what;
    const char *list;
    const char *words[MOST_WORDS];
} vocabularies[] = {
    [PX_WORD_METRIC] =
        {"metric",
         "cosine, l2, dot",
         {[PROXIMADB_COSINE] = "cosine", [PROXIMADB_L2] = "l2", [PROXIMADB_DOT] = "dot"}},
    [PX_WORD_INDEX_TYPE] =
        {"index_type",
         "HNSW, IVF, FLAT",
         {[PROXIMADB_HNSW] = "HNSW", [PROXIMADB_IVF] = "IVF", [PROXIMADB_FLAT] = "FLAT"}},
    [PX_WORD_STORAGE] = {"storage",
                         "balanced, exact, compact",
                         {[PROXIMADB_BALANCED] = "balanced",
                          [PROXIMADB_EXACT] = "exact",
                          [PROXIMADB_COMPACT_STORAGE] = "compact"}},
    [PX_WORD_LAYOUT] =
        {"layout",
         "compressed, plain",
         {[PROXIMADB_LAYOUT_COMPRESSED] = "compressed", [PROXIMADB_LAYOUT_PLAIN] = "plain"}},
    [PX_WORD_INDEX_MEMORY] = {"index_memory",
                              "lean, fast",
                              {[PROXIMADB_INDEX_LEAN] = "lean", [PROXIMADB_INDEX_FAST] = "fast"}},
    [PX_WORD_FIELD_TYPE] = {"the type of a filterable field",
                            "string, long, double, boolean, string_array",
                            {[PROXIMADB_FIELD_STRING] = "string",
                             [PROXIMADB_FIELD_LONG] = "long",
                             [PROXIMADB_FIELD_DOUBLE] = "double",
                             [PROXIMADB_FIELD_BOOLEAN] = "boolean",
                             [PROXIMADB_FIELD_STRING_ARRAY] = "string_array"}},
};

const char *px_word_of(enum px_vocabulary vocabulary, int value)
{
    if (value < 0 || value >= MOST_WORDS || vocabularies[vocabulary].words[value] == NULL)
        return "unknown";
    return vocabularies[vocabulary].words[value];
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static bool equals_ignoring_case(struct px_slice text, const char *word)
{
    if (text.size_bytes != strlen(word))
        return false;
    for (size_t i = 0; i < text.size_bytes; i++)
        if (lower(text.data[i]) != lower((uint8_t)word[i]))
            return false;
    return true;
}

int px_word_parse(enum px_vocabulary vocabulary, struct px_slice word, int *ret_value,
                  struct proximadb_error *reterr)
{
    for (int i = 0; i < MOST_WORDS; i++) {
        const char *known = vocabularies[vocabulary].words[i];
        if (known != NULL && equals_ignoring_case(word, known)) {
            *ret_value = i;
            return PROXIMADB_OK;
        }
    }
    int shown_bytes = word.size_bytes < 60 ? (int)word.size_bytes : 60;
    return px_fail(reterr, PROXIMADB_INVALID, "%s '%.*s' is none of %s",
                   vocabularies[vocabulary].what, shown_bytes,
                   shown_bytes > 0 ? (const char *)word.data : "", vocabularies[vocabulary].list);
}

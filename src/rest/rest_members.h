/*
 * rest_members: the members of a JSON object, taken by name and by type.
 *
 *      enum { K, FILTER, MEMBERS };
 *      struct px_rest_member members[MEMBERS] = {[K] = {"k"}, [FILTER] = {"filter"}};
 *      uint64_t k = 10;
 *      rc = px_rest_members_read(object, "the body", members, MEMBERS, reterr);
 *      if (rc == PROXIMADB_OK)
 *          rc = px_rest_member_u64(&members[K], &k, reterr);
 *
 * Nothing is ignored: a member that is not known, or is there twice, is an error, since a misspelt
 * "filter" that does nothing is worse than none. A null counts as absent.
 *
 * All errors of members are PROXIMADB_INVALID with a sentence that names the member.
 *
 * Threads: as the document.
 */
#ifndef PX_REST_REST_MEMBERS_H
#define PX_REST_REST_MEMBERS_H

#include "codec/json.h"

struct px_rest_member {
    const char *name;
    yyjson_val *value; /* a view into the document; NULL: absent */
};

/* Parses a text as one JSON document, within the memory that a request may cost; `what` names it in
 * messages ("the body"). *ret_doc is returned, free with yyjson_doc_free(). Besides
 * PROXIMADB_INVALID: PROXIMADB_RESOURCE_EXHAUSTED (millions of values), PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_rest_json_parse(struct px_slice text, const char *what, yyjson_doc **ret_doc,
                                     struct proximadb_error *reterr);

/* Fills in the values; `what` names the object in messages. */
PX_MUST_CHECK int px_rest_members_read(yyjson_val *object, const char *what,
                                       struct px_rest_member *members, size_t member_count,
                                       struct proximadb_error *reterr);

static inline bool px_rest_member_is_absent(const struct px_rest_member *member)
{
    return member->value == NULL || yyjson_is_null(member->value);
}

/* Each leaves *ret_value alone where the member is absent. Texts are views into the document. */
PX_MUST_CHECK int px_rest_member_bool(const struct px_rest_member *member, bool *ret_value,
                                      struct proximadb_error *reterr);
PX_MUST_CHECK int px_rest_member_u64(const struct px_rest_member *member, uint64_t *ret_value,
                                     struct proximadb_error *reterr);
PX_MUST_CHECK int px_rest_member_i64(const struct px_rest_member *member, int64_t *ret_value,
                                     struct proximadb_error *reterr);
PX_MUST_CHECK int px_rest_member_text(const struct px_rest_member *member,
                                      struct proximadb_text *ret_value,
                                      struct proximadb_error *reterr);

/* Likewise, as a string for C: one with a NUL in it is refused. */
PX_MUST_CHECK int px_rest_member_string(const struct px_rest_member *member, const char **ret_value,
                                        struct proximadb_error *reterr);

/* "a string", "an object" and so on, for messages. */
const char *px_rest_kind_of(yyjson_val *value);

/* "MEMBER must be WANTED, and is an array". */
int px_rest_member_fail(const struct px_rest_member *member, const char *wanted,
                        struct proximadb_error *reterr);

/* PROXIMADB_RESOURCE_EXHAUSTED: `what` would take more memory than a request may have. */
int px_rest_fail_memory(const char *what, struct proximadb_error *reterr);

/* The beginning of a text that a message may show, for "%.*s"; the text must be UTF-8. */
#define PX_REST_SHOWN(text) (int)px_rest_shown_bytes(text), (const char *)(text).data
size_t px_rest_shown_bytes(struct px_slice text);

#endif /* PX_REST_REST_MEMBERS_H */

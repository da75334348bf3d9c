#include "rest/rest_members.h"

#include "codec/utf8.h"

#include <stdio.h>

enum { SHOWN_BYTES = 60, DOCUMENT_BYTES = 256 << 20 };

size_t px_rest_shown_bytes(struct px_slice text)
{
    return px_utf8_cut(text, SHOWN_BYTES);
}

const char *px_rest_kind_of(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return "a boolean";
    case YYJSON_TYPE_NUM:
        return yyjson_is_real(value) ? "a number with a fraction or an exponent" : "an integer";
    case YYJSON_TYPE_RAW:
        return "a number out of range";
    case YYJSON_TYPE_STR:
        return "a string";
    case YYJSON_TYPE_ARR:
        return "an array";
    case YYJSON_TYPE_OBJ:
        return "an object";
    default:
        return "missing";
    }
}

int px_rest_member_fail(const struct px_rest_member *member, const char *wanted,
                        struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_INVALID, "%s must be %s, and is %s", member->name, wanted,
                   px_rest_kind_of(member->value));
}

int px_rest_fail_memory(const char *what, struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                   "%s takes more memory than a request may have; send less at a time", what);
}

/* ---- documents ----------------------------------------------------------------------------- */

static bool has_word(struct px_slice text, const char *word)
{
    size_t size = strlen(word);
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size_bytes;
    while ((size_t)(end - at) >= size && (at = memchr(at, word[0], (size_t)(end - at))) != NULL) {
        if ((size_t)(end - at) >= size && memcmp(at, word, size) == 0)
            return true;
        at++;
    }
    return false;
}

int px_rest_json_parse(struct px_slice text, const char *what, yyjson_doc **ret_doc,
                       struct proximadb_error *reterr)
{
    int rc = px_json_parse_limited(text, DOCUMENT_BYTES, ret_doc, reterr);
    if (rc != PROXIMADB_INVALID)
        return rc;
    /* What several languages write for numbers that JSON has not. */
    if (has_word(text, "NaN") || has_word(text, "Infinity"))
        px_error_context(reterr,
                         "%s has NaN or Infinity, which JSON does not know; vectors and "
                         "metadata are made of finite numbers",
                         what);
    else
        px_error_context(reterr, "%s", what);
    return rc;
}

/* ---- all members --------------------------------------------------------------------------- */

static struct px_rest_member *find(struct px_rest_member *members, size_t member_count,
                                   struct px_slice name)
{
    for (size_t i = 0; i < member_count; i++)
        if (px_slice_equal(name, px_slice_of_string(members[i].name)))
            return &members[i];
    return NULL;
}

static int fail_unknown(struct px_slice name, const char *what,
                        const struct px_rest_member *members, size_t member_count,
                        struct proximadb_error *reterr)
{
    char list[240] = "";
    size_t used = 0;
    for (size_t i = 0; i < member_count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "",
                                 members[i].name);
    return px_fail(reterr, PROXIMADB_INVALID, "%s has no member '%.*s'; it may have %s", what,
                   PX_REST_SHOWN(name), member_count > 0 ? list : "none");
}

int px_rest_members_read(yyjson_val *object, const char *what, struct px_rest_member *members,
                         size_t member_count, struct proximadb_error *reterr)
{
    if (!yyjson_is_obj(object))
        return px_fail(reterr, PROXIMADB_INVALID, "%s must be a JSON object, and is %s", what,
                       px_rest_kind_of(object));
    yyjson_obj_iter entries = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&entries)) != NULL;) {
        struct px_slice name = px_slice_of(yyjson_get_str(key), yyjson_get_len(key));
        struct px_rest_member *member = find(members, member_count, name);
        if (member == NULL)
            return fail_unknown(name, what, members, member_count, reterr);
        if (member->value != NULL)
            return px_fail(reterr, PROXIMADB_INVALID, "%s has the member '%s' twice", what,
                           member->name);
        member->value = yyjson_obj_iter_get_val(key);
    }
    return PROXIMADB_OK;
}

/* ---- one member ---------------------------------------------------------------------------- */

int px_rest_member_bool(const struct px_rest_member *member, bool *ret_value,
                        struct proximadb_error *reterr)
{
    if (px_rest_member_is_absent(member))
        return PROXIMADB_OK;
    if (!yyjson_is_bool(member->value))
        return px_rest_member_fail(member, "true or false", reterr);
    *ret_value = yyjson_get_bool(member->value);
    return PROXIMADB_OK;
}

int px_rest_member_u64(const struct px_rest_member *member, uint64_t *ret_value,
                       struct proximadb_error *reterr)
{
    if (px_rest_member_is_absent(member))
        return PROXIMADB_OK;
    if (yyjson_is_sint(member->value))
        return px_fail(reterr, PROXIMADB_INVALID, "%s must not be negative, and is %lld",
                       member->name, (long long)yyjson_get_sint(member->value));
    if (!yyjson_is_uint(member->value))
        return px_rest_member_fail(member, "an integer from 0 to 18446744073709551615", reterr);
    *ret_value = yyjson_get_uint(member->value);
    return PROXIMADB_OK;
}

int px_rest_member_i64(const struct px_rest_member *member, int64_t *ret_value,
                       struct proximadb_error *reterr)
{
    if (px_rest_member_is_absent(member))
        return PROXIMADB_OK;
    if (!yyjson_is_int(member->value) ||
        (yyjson_is_uint(member->value) && yyjson_get_uint(member->value) > INT64_MAX))
        return px_rest_member_fail(member, "a signed integer of 64 bits", reterr);
    *ret_value = yyjson_get_sint(member->value);
    return PROXIMADB_OK;
}

int px_rest_member_text(const struct px_rest_member *member, struct proximadb_text *ret_value,
                        struct proximadb_error *reterr)
{
    if (px_rest_member_is_absent(member))
        return PROXIMADB_OK;
    if (!yyjson_is_str(member->value))
        return px_rest_member_fail(member, "a string", reterr);
    *ret_value = (struct proximadb_text){.data = yyjson_get_str(member->value),
                                         .size_bytes = yyjson_get_len(member->value)};
    return PROXIMADB_OK;
}

int px_rest_member_string(const struct px_rest_member *member, const char **ret_value,
                          struct proximadb_error *reterr)
{
    struct proximadb_text text = {0};
    int rc = px_rest_member_text(member, &text, reterr);
    if (rc != PROXIMADB_OK || text.data == NULL)
        return rc;
    if (memchr(text.data, 0, text.size_bytes) != NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "%s has a NUL in it", member->name);
    *ret_value = text.data;
    return PROXIMADB_OK;
}

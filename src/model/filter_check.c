#include "model/collection.h"
#include "model/filter_internal.h"

static enum px_class class_of_type(enum proximadb_field_type type)
{
    switch (type) {
    case PROXIMADB_FIELD_STRING:
        return PX_CLASS_STRING;
    case PROXIMADB_FIELD_LONG:
    case PROXIMADB_FIELD_DOUBLE:
        return PX_CLASS_NUMBER;
    case PROXIMADB_FIELD_BOOLEAN:
        return PX_CLASS_BOOLEAN;
    default:
        return PX_CLASS_ARRAY;
    }
}

void px_filter__term_of_field(const struct px_collection *collection, struct px_slice name,
                              struct px_filter_term *term)
{
    const struct px_field *field =
        collection != NULL ? px_collection_find_field(collection, name) : NULL;
    term->operand.is_field = true;
    term->class = field != NULL ? class_of_type(field->type) : PX_CLASS_NULL;
    term->type_name = field != NULL ? px_field_type_name(field->type) : "unknown";
}

struct px_filter_term px_filter__term_of_value(const struct px_value *value, struct px_slice text)
{
    return (struct px_filter_term){
        .operand.constant = *value,
        .text = text,
        .class = px_value_class(value->kind),
        .type_name = px_value_kind_name(value->kind),
    };
}

int px_filter__check_comparable(const struct px_filter_lexer *lexer,
                                const struct px_filter_term *left,
                                const struct px_filter_term *right)
{
    char left_shown[PX_FILTER_SHOWN_BYTES], right_shown[PX_FILTER_SHOWN_BYTES];
    if (left->class == PX_CLASS_NULL || right->class == PX_CLASS_NULL ||
        left->class == right->class)
        return PROXIMADB_OK;
    return px_filter__fail(lexer, right->text, "%s (%s) can never compare with %s (%s)",
                           px_filter__shown(left->text, left_shown), left->type_name,
                           px_filter__shown(right->text, right_shown), right->type_name);
}

int px_filter__check_class(const struct px_filter_lexer *lexer, const struct px_filter_term *term,
                           enum px_class class, const char *rule)
{
    char shown[PX_FILTER_SHOWN_BYTES];
    if (term->class == PX_CLASS_NULL || term->class == class)
        return PROXIMADB_OK;
    return px_filter__fail(lexer, term->text, "%s, but %s is of type %s", rule,
                           px_filter__shown(term->text, shown), term->type_name);
}

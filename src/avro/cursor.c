#include "avro/cursor.h"

void px_cursor_fail(struct px_cursor *cursor, const char *fault)
{
    if (cursor->fault == NULL) {
        cursor->fault = fault;
        cursor->fault_offset = (size_t)(cursor->at - cursor->begin);
    }
    cursor->at = cursor->end;
}

int px_cursor_check(const struct px_cursor *cursor, int status, const char *what,
                    struct proximadb_error *reterr)
{
    if (cursor->fault == NULL)
        return PROXIMADB_OK;
    return px_fail(reterr, status, "not a valid %s: %s, at byte %zu", what, cursor->fault,
                   cursor->fault_offset);
}

int px_cursor_finish(struct px_cursor *cursor, int status, const char *what,
                     struct proximadb_error *reterr)
{
    if (cursor->at != cursor->end)
        px_cursor_fail(cursor, "bytes follow its end");
    return px_cursor_check(cursor, status, what, reterr);
}

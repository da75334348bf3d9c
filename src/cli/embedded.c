#include "cli/embedded.h"

#include <string.h>

int px_embedded_open(const char *data_dir, proximadb **ret_db, struct proximadb_error *reterr)
{
    int rc = proximadb_open(data_dir, NULL, ret_db, reterr);
    if (rc == PROXIMADB_UNAVAILABLE)
        px_error_context(reterr, "stop the server first, or work with it over the network; its "
                                 "files can be read beside it (docs/READING.md)");
    return rc;
}

int px_embedded_call(proximadb *db, int operation, const char *collection,
                     struct proximadb_buffer *payload, struct proximadb_buffer *ret_response,
                     struct proximadb_error *reterr)
{
    struct proximadb_request request = {.struct_size = sizeof request,
                                        .operation = operation,
                                        .collection = collection,
                                        .collection_size_bytes = strlen(collection)};
    if (payload != NULL) {
        request.payload = *payload;
        *payload = (struct proximadb_buffer){0};
    }
    return proximadb_call(db, &request, ret_response, reterr);
}

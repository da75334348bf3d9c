/*
 * copies_mutant: a copy of each payload on its way from the server to the engine, which the test of
 * tests/copies must find. The linker sends the server's calls of proximadb_submit here.
 */
#include <proximadb.h>
#include <stdlib.h>
#include <string.h>

void __real_proximadb_submit(proximadb *db, const struct proximadb_request *request,
                             proximadb_done *done, void *context);
void __wrap_proximadb_submit(proximadb *db, const struct proximadb_request *request,
                             proximadb_done *done, void *context);

void __wrap_proximadb_submit(proximadb *db, const struct proximadb_request *request,
                             proximadb_done *done, void *context)
{
    struct proximadb_request copied = *request;
    if (request->payload.size_bytes > 0) {
        void *data = malloc(request->payload.size_bytes);
        if (data == NULL)
            abort();
        memcpy(data, request->payload.data, request->payload.size_bytes);
        proximadb_buffer_release(&copied.payload);
        copied.payload = (struct proximadb_buffer){
            .data = data,
            .size_bytes = request->payload.size_bytes,
            .release = free,
            .context = data,
        };
    }
    __real_proximadb_submit(db, &copied, done, context);
}

#include "rpc/rpc.h"

#include "rpc/health.h"
#include "rpc/reflection.h"
#include "rpc/service.h"

#include <stdatomic.h>
#include <stdlib.h>

static const struct px_grpc_method *const other_methods[] = {
    &px_health_check,
    &px_health_watch,
    &px_reflection_v1,
    &px_reflection_v1alpha,
};
enum { OTHER_METHODS = sizeof other_methods / sizeof other_methods[0] };

int px_rpc_new(proximadb *db, size_t message_limit_bytes, struct px_rpc **ret_rpc,
               struct proximadb_error *reterr)
{
    size_t method_count = px_service_method_count + OTHER_METHODS;
    struct px_rpc *rpc = calloc(1, sizeof *rpc);
    const struct px_grpc_method **methods = calloc(method_count, sizeof(*methods));
    if (rpc == NULL || methods == NULL) {
        free(methods);
        free(rpc);
        return px_fail_no_memory(reterr);
    }
    memcpy(methods, px_service_methods, px_service_method_count * sizeof(*methods));
    memcpy(methods + px_service_method_count, other_methods, sizeof other_methods);
    rpc->db = db;
    rpc->server = (struct px_grpc_server){
        .methods = methods,
        .method_count = method_count,
        .message_limit_bytes =
            message_limit_bytes > 0 ? message_limit_bytes : PX_RPC_MESSAGE_LIMIT_BYTES,
        .context = rpc,
    };
    int rc = px_descriptors_init(&rpc->descriptors, px_descriptors_embedded(), reterr);
    if (rc == PROXIMADB_OK)
        rc = px_grpc_server_init(&rpc->server, reterr);
    if (rc != PROXIMADB_OK) {
        px_rpc_free(rpc);
        return rc;
    }
    *ret_rpc = rpc;
    return PROXIMADB_OK;
}

void px_rpc_free(struct px_rpc *rpc)
{
    if (rpc == NULL)
        return;
    px_grpc_server_release(&rpc->server);
    free((void *)(uintptr_t)rpc->server.methods);
    free(rpc);
}

void px_rpc_routes(struct px_rpc *rpc, struct px_route routes[PX_RPC_ROUTES])
{
    static const char *const prefixes[PX_RPC_ROUTES] = {
        "/", "/proximadb.v1.ProximaDB/", "/grpc.health.v1.Health/", "/grpc.reflection."};
    for (size_t i = 0; i < PX_RPC_ROUTES; i++)
        routes[i] = (struct px_route){
            .path = prefixes[i],
            .is_prefix = true,
            .handler = &px_grpc_handler,
            .context = &rpc->server,
        };
    routes[0].matches = px_grpc_matches;
}

/* "/proximadb.v1.ProximaDB/Flush" as labels; unknown methods share one. */
static void write_labels(const struct px_rpc *rpc, size_t index, struct px_buffer *text)
{
    if (index == rpc->server.method_count) {
        px_buffer_append_format(text, "grpc_service=\"\",grpc_method=\"unknown\"");
        return;
    }
    const char *path = rpc->server.methods[index]->path + 1;
    const char *slash = strchr(path, '/');
    px_buffer_append_format(text, "grpc_service=\"%.*s\",grpc_method=\"%s\"", (int)(slash - path),
                            path, slash + 1);
}

void px_rpc_write_metrics(const struct px_rpc *rpc, struct px_buffer *text)
{
    px_buffer_append_format(text, "# HELP grpc_server_handled_total gRPC calls that have ended, by "
                                  "method and status code.\n"
                                  "# TYPE grpc_server_handled_total counter\n");
    for (size_t i = 0; i <= rpc->server.method_count; i++) {
        for (int code = 0; code < PX_GRPC_CODE_COUNT; code++) {
            uint64_t count =
                atomic_load_explicit(&rpc->server.counters[i].ended[code], memory_order_relaxed);
            if (count == 0)
                continue;
            px_buffer_append_format(text, "grpc_server_handled_total{");
            write_labels(rpc, i, text);
            px_buffer_append_format(text, ",grpc_code=\"%s\"} %llu\n",
                                    px_grpc_code_name((enum px_grpc_code)code),
                                    (unsigned long long)count);
        }
    }
}

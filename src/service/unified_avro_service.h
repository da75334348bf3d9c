/*
 * unified_avro_service: the one entry of every protocol: Avro in, Avro out.
 *
 * A call comes with an operation and a payload in single-object encoding. The service looks at what
 * schema the operation takes, decodes and checks the payload, finds the collection, and hands the
 * operation to the coordinator (rows) or to the collection service (the catalogue). Who called,
 * over gRPC, REST or in process, makes no difference from here on.
 *
 * Calls run on three pools, so that a long search does not keep an insert waiting, nor the other
 * way round: reads, with the choosing of what a filter deletes; writes, which only decode here; and
 * the catalogue's own.
 *
 * Threads: any thread.
 */
#ifndef PX_SERVICE_UNIFIED_AVRO_SERVICE_H
#define PX_SERVICE_UNIFIED_AVRO_SERVICE_H

#include "service/collection_service.h"
#include "service/vector_storage_coordinator.h"

struct px_unified_avro_service {
    struct px_collection_service *collections;         /* kept */
    struct px_vector_storage_coordinator *coordinator; /* kept */
    struct px_workers *readers;                        /* kept */
    struct px_workers *writers;                        /* kept */
    void (*metrics)(void *context, struct px_buffer *text);
    void *metrics_context;
};

/* Takes a call and sees to it that it is finished. Returns at once. */
void px_unified_avro_service_submit(struct px_unified_avro_service *service, struct px_call *call);

#endif /* PX_SERVICE_UNIFIED_AVRO_SERVICE_H */

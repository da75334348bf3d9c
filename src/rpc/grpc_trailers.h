/*
 * grpc_trailers: how a gRPC call says how it ended.
 *
 *      grpc-status              the code, in decimal
 *      grpc-message             one sentence, percent-encoded
 *      grpc-status-details-bin  base64 of a google.rpc.Status, where there is more to say:
 *                               1: code; 2: the sentence; 3: google.protobuf.Any
 *                                  1: "type.googleapis.com/google.rpc.ErrorInfo"
 *                                  2: google.rpc.ErrorInfo
 *                                     1: reason, such as "DIMENSION"
 *                                     2: domain, "proximadb"
 *                                     3: metadata: row_index, expected, actual
 *
 * Threads: any thread. Memory: none; the struct holds all texts.
 */
#ifndef PX_RPC_GRPC_TRAILERS_H
#define PX_RPC_GRPC_TRAILERS_H

#include "http/headers.h"
#include "rpc/grpc_status.h"

#include <proximadb.h>

enum {
    PX_GRPC_TRAILERS_LIMIT = 3,
    PX_GRPC_DETAILS_BYTES = 768, /* the sentence of up to 400 bytes, and about 250 around it */
};

struct px_grpc_trailers {
    enum px_grpc_code code;
    struct px_header headers[PX_GRPC_TRAILERS_LIMIT];
    size_t count;

    /* Private: */
    char code_text[4];
    char message[3 * sizeof((struct proximadb_error *)0)->message];
    char details[PX_GRPC_DETAILS_BYTES * 4 / 3 + 4];
};

/* The trailers of a failure of ours, with details; NULL or a status of PROXIMADB_OK: of success. */
void px_grpc_trailers_of_error(struct px_grpc_trailers *trailers,
                               const struct proximadb_error *error);

/* The trailers of a failure that gRPC itself defines, without details. */
void px_grpc_trailers_of_code(struct px_grpc_trailers *trailers, enum px_grpc_code code,
                              const char *message);

#endif /* PX_RPC_GRPC_TRAILERS_H */

/*
 * descriptors: what the server knows of its own interface: the descriptor set that protoc made of
 * proto/ when the server was built.
 *
 * A FileDescriptorSet is a list of FileDescriptorProto messages
 * (google/protobuf/descriptor.proto). They are looked through when somebody asks, which is rare;
 * nothing is built in advance but the list of files.
 *
 * Threads: any thread. Memory: none; everything is a view into the set, which is kept.
 */
#ifndef PX_RPC_DESCRIPTORS_H
#define PX_RPC_DESCRIPTORS_H

#include "base/error.h"
#include "base/slice.h"

enum { PX_DESCRIPTOR_FILES_LIMIT = 16 };

struct px_descriptors {
    struct px_descriptor_file {
        struct px_slice bytes; /* the FileDescriptorProto */
        struct px_slice name;  /* "proximadb/v1/proximadb.proto" */
        struct px_slice package;
    } files[PX_DESCRIPTOR_FILES_LIMIT];
    size_t count;
};

/* The set that is part of the program. */
struct px_slice px_descriptors_embedded(void);

/* PROXIMADB_INTERNAL: no descriptor set, or one with too many files. */
PX_MUST_CHECK int px_descriptors_init(struct px_descriptors *descriptors, struct px_slice set,
                                      struct proximadb_error *reterr);

/* The file of that name, or that has that symbol ("package.Service", "package.Service.Method",
 * "package.Message", "package.Message.field", "package.Enum"); NULL where there is none. */
const struct px_descriptor_file *px_descriptors_find_file(const struct px_descriptors *descriptors,
                                                          struct px_slice name);
const struct px_descriptor_file *
px_descriptors_find_symbol(const struct px_descriptors *descriptors, struct px_slice symbol);

/* Sets the bits of `file` and of all it imports, by their place in the list. */
uint32_t px_descriptors_with_imports(const struct px_descriptors *descriptors,
                                     const struct px_descriptor_file *file);

/* Calls visit with the package and the name of each service. */
void px_descriptors_each_service(const struct px_descriptors *descriptors,
                                 void (*visit)(void *context, struct px_slice package,
                                               struct px_slice name),
                                 void *context);

#endif /* PX_RPC_DESCRIPTORS_H */

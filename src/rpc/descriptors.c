#include "rpc/descriptors.h"

#include "codec/protobuf.h"

/* Made of proto/ by the build. */
extern const unsigned char px_proto_descriptors[];
extern const size_t px_proto_descriptors_size_bytes;

enum { /* field numbers of google/protobuf/descriptor.proto */
       SET_FILE = 1,
       FILE_NAME = 1,
       FILE_PACKAGE = 2,
       FILE_DEPENDENCY = 3,
       FILE_MESSAGE = 4,
       FILE_ENUM = 5,
       FILE_SERVICE = 6,
       FILE_EXTENSION = 7,
       MESSAGE_FIELD = 2,
       MESSAGE_NESTED = 3,
       MESSAGE_ENUM = 4,
       MESSAGE_EXTENSION = 6,
       MESSAGE_ONEOF = 8,
       SERVICE_METHOD = 2,
       ANY_NAME = 1, /* of a message, an enum, a service, a field, a method */
};

/* What names may stand in, and so which fields of a descriptor have names to look through. */
enum scope { SCOPE_FILE, SCOPE_MESSAGE, SCOPE_SERVICE, SCOPE_LEAF };

struct px_slice px_descriptors_embedded(void)
{
    return px_slice_of(px_proto_descriptors, px_proto_descriptors_size_bytes);
}

/* The first bytes field of that number, or nothing. */
static struct px_slice first_field(struct px_slice message, uint32_t number)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    while (px_proto_next(&reader, &field))
        if (px_proto_is(&field, number, PX_PROTO_BYTES))
            return field.bytes;
    return (struct px_slice){0};
}

int px_descriptors_init(struct px_descriptors *descriptors, struct px_slice set,
                        struct proximadb_error *reterr)
{
    struct px_proto_reader reader = px_proto_reader_of(set);
    struct px_proto_field field;
    descriptors->count = 0;
    while (px_proto_next(&reader, &field)) {
        if (!px_proto_is(&field, SET_FILE, PX_PROTO_BYTES))
            continue;
        if (descriptors->count == PX_DESCRIPTOR_FILES_LIMIT)
            return px_fail(reterr, PROXIMADB_INTERNAL, "the descriptor set has over %d files",
                           PX_DESCRIPTOR_FILES_LIMIT);
        descriptors->files[descriptors->count++] = (struct px_descriptor_file){
            .bytes = field.bytes,
            .name = first_field(field.bytes, FILE_NAME),
            .package = first_field(field.bytes, FILE_PACKAGE),
        };
    }
    if (reader.damaged)
        return px_fail(reterr, PROXIMADB_INTERNAL, "the descriptor set is damaged");
    return PROXIMADB_OK;
}

const struct px_descriptor_file *px_descriptors_find_file(const struct px_descriptors *descriptors,
                                                          struct px_slice name)
{
    for (size_t i = 0; i < descriptors->count; i++)
        if (px_slice_equal(descriptors->files[i].name, name))
            return &descriptors->files[i];
    return NULL;
}

/* ---- symbols ------------------------------------------------------------------------------- */

/* What a field of a descriptor in `scope` names; false if it names nothing. */
static bool scope_of_field(enum scope scope, uint32_t number, enum scope *ret_inner)
{
    *ret_inner = SCOPE_LEAF;
    if (scope == SCOPE_FILE && number == FILE_SERVICE)
        *ret_inner = SCOPE_SERVICE;
    else if ((scope == SCOPE_FILE && number == FILE_MESSAGE) ||
             (scope == SCOPE_MESSAGE && number == MESSAGE_NESTED))
        *ret_inner = SCOPE_MESSAGE;
    else
        return (scope == SCOPE_FILE && (number == FILE_ENUM || number == FILE_EXTENSION)) ||
               (scope == SCOPE_MESSAGE &&
                (number == MESSAGE_FIELD || number == MESSAGE_ENUM || number == MESSAGE_EXTENSION ||
                 number == MESSAGE_ONEOF)) ||
               (scope == SCOPE_SERVICE && number == SERVICE_METHOD);
    return true;
}

/* Goes down one name: *descriptor and *scope become those of what it names. */
static bool enter(struct px_slice *descriptor, enum scope *scope, struct px_slice name)
{
    struct px_proto_reader reader = px_proto_reader_of(*descriptor);
    struct px_proto_field field;
    while (px_proto_next(&reader, &field)) {
        enum scope inner;
        if (field.wire == PX_PROTO_BYTES && scope_of_field(*scope, field.number, &inner) &&
            px_slice_equal(first_field(field.bytes, ANY_NAME), name)) {
            *descriptor = field.bytes;
            *scope = inner;
            return true;
        }
    }
    return false;
}

/* Cuts the first of the names that are joined by dots off. */
static struct px_slice cut_name(struct px_slice *names)
{
    const uint8_t *dot = memchr(names->data, '.', names->size_bytes);
    size_t size = dot != NULL ? (size_t)(dot - names->data) : names->size_bytes;
    struct px_slice name = px_slice_of(names->data, size);
    size_t skipped = dot != NULL ? size + 1 : size;
    *names = px_slice_of(names->data + skipped, names->size_bytes - skipped);
    return name;
}

static bool has_symbol(const struct px_descriptor_file *file, struct px_slice symbol)
{
    size_t package_bytes = file->package.size_bytes;
    if (package_bytes > 0) {
        if (symbol.size_bytes <= package_bytes + 1 || symbol.data[package_bytes] != '.' ||
            memcmp(symbol.data, file->package.data, package_bytes) != 0)
            return false;
        symbol =
            px_slice_of(symbol.data + package_bytes + 1, symbol.size_bytes - package_bytes - 1);
    }
    struct px_slice descriptor = file->bytes;
    enum scope scope = SCOPE_FILE;
    if (symbol.size_bytes == 0 || symbol.data[symbol.size_bytes - 1] == '.')
        return false;
    while (symbol.size_bytes > 0)
        if (!enter(&descriptor, &scope, cut_name(&symbol)))
            return false;
    return true;
}

const struct px_descriptor_file *
px_descriptors_find_symbol(const struct px_descriptors *descriptors, struct px_slice symbol)
{
    for (size_t i = 0; i < descriptors->count; i++)
        if (has_symbol(&descriptors->files[i], symbol))
            return &descriptors->files[i];
    return NULL;
}

/* ---- lists --------------------------------------------------------------------------------- */

static uint32_t bit_of(const struct px_descriptors *descriptors,
                       const struct px_descriptor_file *file)
{
    return UINT32_C(1) << (file - descriptors->files);
}

/* The bits of what a file imports itself. */
static uint32_t imports_of(const struct px_descriptors *descriptors,
                           const struct px_descriptor_file *file)
{
    struct px_proto_reader reader = px_proto_reader_of(file->bytes);
    struct px_proto_field field;
    uint32_t bits = 0;
    while (px_proto_next(&reader, &field)) {
        if (!px_proto_is(&field, FILE_DEPENDENCY, PX_PROTO_BYTES))
            continue;
        const struct px_descriptor_file *imported =
            px_descriptors_find_file(descriptors, field.bytes);
        if (imported != NULL)
            bits |= bit_of(descriptors, imported);
    }
    return bits;
}

uint32_t px_descriptors_with_imports(const struct px_descriptors *descriptors,
                                     const struct px_descriptor_file *file)
{
    uint32_t bits = bit_of(descriptors, file);
    uint32_t before;
    do {
        before = bits;
        for (size_t i = 0; i < descriptors->count; i++)
            if (bits & UINT32_C(1) << i)
                bits |= imports_of(descriptors, &descriptors->files[i]);
    } while (bits != before);
    return bits;
}

void px_descriptors_each_service(const struct px_descriptors *descriptors,
                                 void (*visit)(void *context, struct px_slice package,
                                               struct px_slice name),
                                 void *context)
{
    for (size_t i = 0; i < descriptors->count; i++) {
        const struct px_descriptor_file *file = &descriptors->files[i];
        struct px_proto_reader reader = px_proto_reader_of(file->bytes);
        struct px_proto_field field;
        while (px_proto_next(&reader, &field))
            if (px_proto_is(&field, FILE_SERVICE, PX_PROTO_BYTES))
                visit(context, file->package, first_field(field.bytes, ANY_NAME));
    }
}

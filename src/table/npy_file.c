#include "table/npy_file.h"

#include "base/bits.h"
#include "table/half_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC "\x93NUMPY"

enum { MAGIC_BYTES = 6, VERSION_AT = 6, SIZE_AT = 8, MOST_TEXT_BYTES = 4096 };

static int fail_damaged(struct proximadb_error *reterr)
{
    return px_fail(reterr, PROXIMADB_CORRUPT, "the head of the npy file makes no sense");
}

/* The text of the head, NUL-terminated; *ret_values is what follows. */
static int read_head(struct px_slice file, char text[MOST_TEXT_BYTES + 1],
                     struct px_slice *ret_values, struct proximadb_error *reterr)
{
    if (file.size_bytes < SIZE_AT + 4 || memcmp(file.data, MAGIC, MAGIC_BYTES) != 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it is not an npy file");
    unsigned major = file.data[VERSION_AT];
    size_t begin = major == 1 ? SIZE_AT + 2 : SIZE_AT + 4;
    size_t size = major == 1 ? (size_t)file.data[SIZE_AT] | (size_t)file.data[SIZE_AT + 1] << 8
                             : px_load_u32(file.data + SIZE_AT);
    if (major < 1 || major > 3)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "it has npy version %u; 1, 2 and 3 are read", major);
    if (size > MOST_TEXT_BYTES || size > file.size_bytes - begin)
        return fail_damaged(reterr);
    memcpy(text, file.data + begin, size);
    text[size] = '\0';
    *ret_values = px_slice_of(file.data + begin + size, file.size_bytes - begin - size);
    return PROXIMADB_OK;
}

/* What stands behind 'KEY': in the text, or NULL. */
static const char *find(const char *text, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s':", key);
    const char *at = strstr(text, quoted);
    if (at == NULL)
        return NULL;
    at += strlen(quoted);
    return at + strspn(at, " ");
}

/* How much of a value is shown in a message: to the quote or bracket that closes it, and printable
 * ASCII only. */
static int shown(const char *value, int most)
{
    char end = value[0] == '\'' ? '\'' : value[0] == '(' ? ')' : value[0] == '[' ? ']' : ',';
    int size = 0;
    while (size < most && value[size] >= ' ' && value[size] <= '~' &&
           (size == 0 || value[size] != end))
        size++;
    bool is_closed = size < most && value[size] == end && end != ',';
    return size + is_closed;
}

static unsigned item_bytes(const char *type)
{
    if (type == NULL || type[0] != '\'' || type[1] != '<' || type[2] != 'f' || type[4] != '\'')
        return 0;
    return type[3] == '2' || type[3] == '4' || type[3] == '8' ? (unsigned)(type[3] - '0') : 0;
}

/* "(1000, 384)": exactly two numbers. */
static bool read_shape(const char *text, uint64_t *ret_rows, uint64_t *ret_dims)
{
    int end = 0;
    return text != NULL && text[strspn(text, "(0123456789, ")] == ')' &&
           sscanf(text, "(%18" SCNu64 ", %18" SCNu64 ")%n", ret_rows, ret_dims, &end) == 2 &&
           end > 0;
}

int px_npy_open(struct px_slice file, struct px_npy *ret_npy, struct proximadb_error *reterr)
{
    char text[MOST_TEXT_BYTES + 1];
    struct px_npy npy = {0};
    int rc = read_head(file, text, &npy.values, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    const char *type = find(text, "descr"), *order = find(text, "fortran_order");
    const char *shape = find(text, "shape");
    if (type == NULL || order == NULL || shape == NULL)
        return fail_damaged(reterr);
    npy.item_bytes = item_bytes(type);
    if (npy.item_bytes == 0)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "its numbers are %.*s; read are '<f2', '<f4' and '<f8': save "
                       "array.astype(numpy.float32)",
                       shown(type, 40), type);
    if (strncmp(order, "False", 5) != 0)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "it is in Fortran order; save numpy.ascontiguousarray(array)");
    if (!read_shape(shape, &npy.row_count, &npy.dim_count) || npy.dim_count == 0)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "its shape is %.*s; read are two dimensions, (rows, dimensions)",
                       shown(shape, 60), shape);
    uint64_t row_bytes, size;
    if (__builtin_mul_overflow(npy.dim_count, npy.item_bytes, &row_bytes) ||
        __builtin_mul_overflow(npy.row_count, row_bytes, &size) || size != npy.values.size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the npy file is damaged or cut off: %zu bytes of numbers do not make %.*s",
                       npy.values.size_bytes, shown(shape, 60), shape);
    *ret_npy = npy;
    return PROXIMADB_OK;
}

void px_npy_row(const struct px_npy *npy, uint64_t row, float *floats)
{
    const uint8_t *at = npy->values.data + row * npy->dim_count * npy->item_bytes;
    if (npy->item_bytes == 4) {
        memcpy(floats, at, npy->dim_count * sizeof *floats);
        return;
    }
    for (uint64_t i = 0; i < npy->dim_count; i++)
        floats[i] =
            npy->item_bytes == 2 ? px_table__half(at + 2 * i) : (float)px_load_f64(at + 8 * i);
}

void px_npy_head(uint64_t row_count, uint64_t dim_count, uint8_t head[PX_NPY_HEAD_BYTES])
{
    enum { TEXT_AT = 10 };
    memset(head, ' ', PX_NPY_HEAD_BYTES);
    memcpy(head, MAGIC, MAGIC_BYTES);
    head[VERSION_AT] = 1;
    head[VERSION_AT + 1] = 0;
    head[SIZE_AT] = PX_NPY_HEAD_BYTES - TEXT_AT;
    head[SIZE_AT + 1] = 0;
    char text[PX_NPY_HEAD_BYTES - TEXT_AT];
    int size =
        snprintf(text, sizeof text,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRIu64 ", %" PRIu64 "), }",
                 row_count, dim_count);
    memcpy(head + TEXT_AT, text, (size_t)size);
    head[PX_NPY_HEAD_BYTES - 1] = '\n';
}

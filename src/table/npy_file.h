/*
 * npy_file: NumPy's format for one array, as far as rows of vectors can be made of it, and its
 * head for writing one.
 *
 *      OFFSET  SIZE  MEANING
 *      0       6     93 4e 55 4d 50 59 (\x93NUMPY)
 *      6       2     version: 1.0, 2.0 or 3.0
 *      8       2, 4  size of the text, little-endian; 4 bytes from version 2.0 on
 *      10, 12        {'descr': '<f4', 'fortran_order': False, 'shape': (1000, 384), }
 *      ...           rows x columns numbers
 *
 * Read are '<f2', '<f4' and '<f8' in C order, of two dimensions. Written is version 1.0, '<f4',
 * with a head of NPY_HEAD_BYTES whatever the shape is, so that it can be written last.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_TABLE_NPY_FILE_H
#define PX_TABLE_NPY_FILE_H

#include "base/error.h"
#include "base/slice.h"

enum { PX_NPY_HEAD_BYTES = 128 };

struct px_npy {
    uint64_t row_count;
    uint64_t dim_count;
    unsigned item_bytes;    /* 2, 4 or 8 */
    struct px_slice values; /* a view into the file */
};

/* `file` (kept) is all of a file. PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED (another type, order
 * or number of dimensions; the message says how to write it) */
PX_MUST_CHECK int px_npy_open(struct px_slice file, struct px_npy *ret_npy,
                              struct proximadb_error *reterr);

/* The row as floats; a double that no float holds becomes infinite. row < row_count. */
void px_npy_row(const struct px_npy *npy, uint64_t row, float *floats);

/* The head of a file of float32. */
void px_npy_head(uint64_t row_count, uint64_t dim_count, uint8_t head[PX_NPY_HEAD_BYTES]);

#endif /* PX_TABLE_NPY_FILE_H */

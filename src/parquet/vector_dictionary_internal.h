/*
 * vector_dictionary_internal: the dictionary page of a chunk of vectors, as it is read.
 *
 *      header  struct PageHeader (data_page_internal.h)
 *      body    PLAIN floats, 1 to 65,536 of them; compressed where the chunk is
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_VECTOR_DICTIONARY_INTERNAL_H
#define PX_PARQUET_VECTOR_DICTIONARY_INTERNAL_H

#include "parquet/vector_page_internal.h"

/* Its values are a view into the page, or stand behind the struct where the page is compressed. */
struct px_loaded_dictionary {
    struct px_vector_dictionary dictionary;
    uint8_t decompressed[];
};

/* Checks the page that is all of `page` and loads it. *ret_loaded: returned, free with free().
 * needs_crc: it must have a checksum. PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED,
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_vector_dictionary__load(struct px_slice page, enum px_parquet_codec codec,
                                             bool needs_crc,
                                             struct px_loaded_dictionary **ret_loaded,
                                             struct proximadb_error *reterr);

#endif /* PX_PARQUET_VECTOR_DICTIONARY_INTERNAL_H */

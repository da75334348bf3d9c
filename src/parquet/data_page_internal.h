/*
 * data_page_internal: a page: its header, its checksum, and the parts of its body.
 *
 *      header  struct PageHeader (Thrift): type DATA_PAGE, sizes, crc, struct DataPageHeader (of
 *              version 1)
 *      body    of the size that the header gives; compressed as a whole where the chunk is
 *        repetition levels  u32 size, levels (rle_internal.h)   only of lists
 *        definition levels  u32 size, levels                    only of optional columns and lists
 *        values             PLAIN: those that are not null, one after the other. Of a vector also
 *                           in other encodings (vector_page_internal.h)
 *
 * A dictionary page has the type DICTIONARY_PAGE, a struct DictionaryPageHeader, and a body of
 * PLAIN values without levels.
 *
 * The checksum is the CRC-32 of the body as it stands in the file.
 *
 * A plain vector's values are read in place, so they begin at a multiple of 64 bytes of the file,
 * the width of a cache line and of the widest registers. The header is made as long as that takes:
 * its last field is an extension (parquet_format_internal.h), "proximadb:align" and 0 to 63 zero
 * bytes, which other readers skip.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_DATA_PAGE_INTERNAL_H
#define PX_PARQUET_DATA_PAGE_INTERNAL_H

#include "base/buffer.h"
#include "parquet/parquet_format_internal.h"
#include "parquet/parquet_layout.h"

enum { PX_PAGE_ALIGNMENT = 64 };

struct px_data_page {
    enum px_parquet_encoding encoding; /* of the values; zeroed: PLAIN */
    uint32_t value_count;              /* with nulls */
    uint32_t uncompressed_bytes;
    bool has_crc;
    uint32_t crc;
    struct px_slice body; /* as it stands in the file */
};

/* Appends the header of a page; of `body` only the size is used. Failures mark the buffer. */
void px_data_page__encode(const struct px_data_page *page, struct px_buffer *buffer);

/* The same at `offset` of the file, so long that what stands levels_bytes behind it is aligned. */
void px_data_page__encode_aligned(const struct px_data_page *page, uint64_t offset,
                                  size_t levels_bytes, struct px_buffer *buffer);

/* The header of a dictionary page, whose values are PLAIN. */
void px_data_page__encode_dictionary(const struct px_data_page *page, struct px_buffer *buffer);

/* Reads the header of the page that is all of `bytes`, as the offset index gives it; *ret_page has
 * a view into them. The checksum is not looked at. `codec` is the chunk's. PROXIMADB_CORRUPT;
 * PROXIMADB_UNIMPLEMENTED: another kind of page, or another encoding than PLAIN, which is named. */
PX_MUST_CHECK int px_data_page__parse(struct px_slice bytes, enum px_parquet_codec codec,
                                      struct px_data_page *ret_page,
                                      struct proximadb_error *reterr);

/* The same of a page that must have another encoding. */
PX_MUST_CHECK int px_data_page__parse_encoded(struct px_slice bytes, enum px_parquet_codec codec,
                                              enum px_parquet_encoding encoding,
                                              struct px_data_page *ret_page,
                                              struct proximadb_error *reterr);

/* The same of a dictionary page. */
PX_MUST_CHECK int px_data_page__parse_dictionary(struct px_slice bytes, enum px_parquet_codec codec,
                                                 struct px_data_page *ret_page,
                                                 struct proximadb_error *reterr);

/* What a page's checksum says: PROXIMADB_CORRUPT where it does not match, or is missing although
 * needs_crc. */
PX_MUST_CHECK int px_data_page__verify(const struct px_data_page *page, bool needs_crc,
                                       struct proximadb_error *reterr);

/* What the data pages of a vector's chunk are encoded as. */
enum px_parquet_encoding px_data_page__encoding_of(enum px_parquet_vector_encoding encoding);

/* "PLAIN", "RLE_DICTIONARY"; "unknown" for what the format has not. */
const char *px_data_page__encoding_name(int64_t encoding);

/* The parts of an uncompressed body, views into it; levels without their size. */
struct px_page_parts {
    struct px_slice repetition;
    struct px_slice definition;
    struct px_slice values;
};

/* PROXIMADB_CORRUPT */
PX_MUST_CHECK int px_data_page__split(const struct px_parquet_column *column, struct px_slice body,
                                      struct px_page_parts *ret_parts,
                                      struct proximadb_error *reterr);

/* Appends levels with their size in front, the way they stand in a body. */
void px_data_page__put_levels(const uint8_t *levels, size_t count, unsigned most_level,
                              struct px_buffer *buffer);

/* The bits that a level of at most `most_level` (1 or 2) takes. */
static inline unsigned px_data_page__level_bits(unsigned most_level)
{
    return most_level > 1 ? 2 : 1;
}

#endif /* PX_PARQUET_DATA_PAGE_INTERNAL_H */

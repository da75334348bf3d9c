/*
 * parquet_format_internal: the numbers of the Parquet format that more than one file here needs.
 *
 * They stand in parquet.thrift of the project apache/parquet-format, under the same names.
 */
#ifndef PX_PARQUET_PARQUET_FORMAT_INTERNAL_H
#define PX_PARQUET_PARQUET_FORMAT_INTERNAL_H

#include <stdint.h>

#define PX_PARQUET_MAGIC "PAR1"

enum { PX_PARQUET_MAGIC_BYTES = 4, PX_PARQUET_TRAILER_BYTES = 8 /* footer's length, magic */ };

enum px_parquet_encoding {
    PX_PARQUET_PLAIN = 0,
    PX_PARQUET_RLE = 3,
    PX_PARQUET_BIT_PACKED = 4,
    PX_PARQUET_RLE_DICTIONARY = 8,
    PX_PARQUET_BYTE_STREAM_SPLIT = 9,
};

enum px_parquet_page_type { PX_PARQUET_DATA_PAGE = 0, PX_PARQUET_DICTIONARY_PAGE = 2 };

enum px_parquet_repetition {
    PX_PARQUET_REPETITION_REQUIRED = 0,
    PX_PARQUET_REPETITION_OPTIONAL = 1,
    PX_PARQUET_REPETITION_REPEATED = 2,
};

enum px_parquet_converted {
    PX_PARQUET_CONVERTED_UTF8 = 0,
    PX_PARQUET_CONVERTED_LIST = 3,
    PX_PARQUET_CONVERTED_TIMESTAMP_MILLIS = 9,
    PX_PARQUET_CONVERTED_JSON = 19,
};

/*
 * Any struct of the format may end in this binary field, which readers that do not know it skip
 * (BinaryProtocolExtensions.md). Its content begins with what tells ours from those of others.
 */
#define PX_PARQUET_EXTENSION_ID INT16_MAX

#endif /* PX_PARQUET_PARQUET_FORMAT_INTERNAL_H */

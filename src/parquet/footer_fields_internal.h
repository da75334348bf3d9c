/*
 * footer_fields_internal: the numbers of the footer's fields, which its writer and its reader
 * share.
 */
#ifndef PX_PARQUET_FOOTER_FIELDS_INTERNAL_H
#define PX_PARQUET_FOOTER_FIELDS_INTERNAL_H

#define PX_FOOTER_MARK "proximadb:crc32c"

enum { PX_FOOTER_MARK_BYTES = sizeof PX_FOOTER_MARK - 1, PX_FOOTER_EXTENSION_BYTES = 28 };

enum file_field {
    FILE_VERSION = 1,
    FILE_SCHEMA = 2,
    FILE_ROW_COUNT = 3,
    FILE_ROW_GROUPS = 4,
    FILE_KEY_VALUES = 5,
    FILE_CREATED_BY = 6,
    FILE_COLUMN_ORDERS = 7,
    FILE_ENCRYPTION = 8,
};

enum { ORDER_OF_TYPE = 1 }; /* the choice of union ColumnOrder */

enum key_value_field { KEY = 1, VALUE = 2 };

enum row_group_field {
    GROUP_COLUMNS = 1,
    GROUP_UNCOMPRESSED_SIZE = 2,
    GROUP_ROW_COUNT = 3,
    GROUP_OFFSET = 5,
    GROUP_SIZE = 6,
    GROUP_ORDINAL = 7,
};

enum column_chunk_field {
    CHUNK_FILE_PATH = 1,
    CHUNK_FILE_OFFSET = 2,
    CHUNK_META_DATA = 3,
    CHUNK_OFFSET_INDEX_OFFSET = 4,
    CHUNK_OFFSET_INDEX_SIZE = 5,
    CHUNK_COLUMN_INDEX_OFFSET = 6,
    CHUNK_COLUMN_INDEX_SIZE = 7,
    CHUNK_ENCRYPTION = 8,
};

enum meta_data_field {
    META_TYPE = 1,
    META_ENCODINGS = 2,
    META_PATH = 3,
    META_CODEC = 4,
    META_VALUE_COUNT = 5,
    META_UNCOMPRESSED_SIZE = 6,
    META_SIZE = 7,
    META_PAGES_OFFSET = 9,
    META_DICTIONARY_OFFSET = 11,
    META_STATISTICS = 12,
    META_ENCODING_STATS = 13,
    META_BLOOM_OFFSET = 14,
    META_BLOOM_SIZE = 15,
};

enum encoding_stats_field { STATS_PAGE_TYPE = 1, STATS_ENCODING = 2, STATS_COUNT = 3 };

enum statistics_field {
    STATISTICS_NULL_COUNT = 3,
    STATISTICS_MAX = 5,
    STATISTICS_MIN = 6,
    STATISTICS_MAX_IS_EXACT = 7,
    STATISTICS_MIN_IS_EXACT = 8,
};

#endif /* PX_PARQUET_FOOTER_FIELDS_INTERNAL_H */

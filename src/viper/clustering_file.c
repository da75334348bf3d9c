/* The centroid file (viper/clustering.h; docs/format/viper.md). */
#include "parquet/parquet_cursor.h"
#include "viper/clustering_internal.h"
#include "viper/kmeans_internal.h"
#include "viper/part_columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of lists and clusters, so that there is always room for more until the next file is written. */
#define MOST_NUMBER UINT32_C(4000000000)

enum file_column { CLUSTER, CENTROID, LIST, ROW_COUNT, EQUAL_ROWS, COLUMN_COUNT };

enum { NUMBER_BYTES = 32, KEY_COUNT = 6, VERSION_1_COLUMNS = 2 };

static const char key_list_rows[] = "proximadb.list_rows";
static const char key_next_list[] = "proximadb.next_list";
static const char key_next_cluster[] = "proximadb.next_cluster";
static const char key_built_recall[] = "proximadb.built_recall";

static const struct px_parquet_column columns[COLUMN_COUNT] = {
    [CLUSTER] = {.name = "cluster",
                 .shape = PX_PARQUET_REQUIRED,
                 .type = PX_PARQUET_INT32,
                 .field_id = 1,
                 .has_statistics = true},
    [CENTROID] = {.name = "centroid",
                  .shape = PX_PARQUET_VECTOR,
                  .type = PX_PARQUET_FLOAT,
                  .field_id = 2,
                  .element_field_id = 3},
    [LIST] = {.name = "list",
              .shape = PX_PARQUET_REQUIRED,
              .type = PX_PARQUET_INT64,
              .field_id = 4,
              .has_statistics = true},
    [ROW_COUNT] = {.name = "row_count",
                   .shape = PX_PARQUET_REQUIRED,
                   .type = PX_PARQUET_INT64,
                   .field_id = 5},
    [EQUAL_ROWS] = {.name = "equal_rows",
                    .shape = PX_PARQUET_REQUIRED,
                    .type = PX_PARQUET_INT64,
                    .field_id = 6},
};

/* ---- writing -------------------------------------------------------------------------------- */

static void append_list(struct px_parquet_writer *writer, const struct px_clustering *clustering,
                        size_t index)
{
    const struct px_clustering_list *list = &clustering->lists[index];
    px_parquet_append_i32(writer, CLUSTER, (int32_t)list->cluster);
    px_parquet_append_vectors(writer, CENTROID,
                              px_kmeans__row(&clustering->kmeans.centroids, index), 1);
    px_parquet_append_i64(writer, LIST, list->id);
    px_parquet_append_i64(writer, ROW_COUNT, (int64_t)list->row_count);
    px_parquet_append_i64(writer, EQUAL_ROWS, (int64_t)list->equal_rows);
}

static struct px_parquet_key_value key_value(const char *key, const char *value)
{
    return (struct px_parquet_key_value){px_slice_of_string(key), px_slice_of_string(value)};
}

static int finish(struct px_parquet_writer *writer, const struct px_clustering *clustering,
                  struct px_uuid collection_id, struct px_parquet_written *ret_written,
                  struct proximadb_error *reterr)
{
    char version[NUMBER_BYTES], id[PX_UUID_TEXT_BYTES], list_rows[NUMBER_BYTES];
    char next_list[NUMBER_BYTES], next_cluster[NUMBER_BYTES], recall[NUMBER_BYTES];
    snprintf(version, sizeof version, "%d", PX_CLUSTERING_FORMAT_VERSION);
    px_uuid_format(collection_id, id);
    snprintf(list_rows, sizeof list_rows, "%" PRIu32, clustering->list_rows);
    snprintf(next_list, sizeof next_list, "%" PRIu32, clustering->next_list);
    snprintf(next_cluster, sizeof next_cluster, "%" PRIu32, clustering->next_cluster);
    snprintf(recall, sizeof recall, "%.17g", clustering->built_recall);
    const struct px_parquet_key_value key_values[KEY_COUNT] = {
        key_value(px_part_key_format_version, version),
        key_value(px_part_key_collection_id, id),
        key_value(key_list_rows, list_rows),
        key_value(key_next_list, next_list),
        key_value(key_next_cluster, next_cluster),
        key_value(key_built_recall, recall),
    };
    return px_parquet_writer_finish(writer, key_values, KEY_COUNT, ret_written, reterr);
}

int px_clustering_write(const struct px_clustering *clustering, struct px_fs *fs, int fd,
                        struct px_uuid collection_id, struct px_parquet_written *ret_written,
                        struct proximadb_error *reterr)
{
    struct px_parquet_column with_dims[COLUMN_COUNT];
    struct px_parquet_writer *writer;
    memcpy(with_dims, columns, sizeof with_dims);
    with_dims[CENTROID].dim_count = (uint32_t)clustering->kmeans.centroids.dim_count;
    int rc = px_parquet_writer_open(fs, fd, with_dims, COLUMN_COUNT, &writer, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; i < clustering->list_count; i++)
        append_list(writer, clustering, i);
    rc = finish(writer, clustering, collection_id, ret_written, reterr);
    px_parquet_writer_free(writer);
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* A key's number from 1 on. */
static int read_number(const struct px_parquet_reader *reader, const char *key, uint32_t *ret_value,
                       struct proximadb_error *reterr)
{
    struct px_slice text = {0};
    uint64_t value = 0;
    bool good = px_parquet_reader_find_value(reader, key, &text) && text.size_bytes > 0 &&
                text.size_bytes <= 10;
    for (size_t i = 0; good && i < text.size_bytes; i++) {
        char digit = ((const char *)text.data)[i];
        good = digit >= '0' && digit <= '9';
        value = value * 10 + (uint64_t)(digit - '0');
    }
    if (!good || value == 0 || value > MOST_NUMBER)
        return px_fail(reterr, PROXIMADB_CORRUPT, "its key '%s' is no positive number", key);
    *ret_value = (uint32_t)value;
    return PROXIMADB_OK;
}

static int read_recall(const struct px_parquet_reader *reader, double *ret_recall,
                       struct proximadb_error *reterr)
{
    char copy[NUMBER_BYTES] = "", *end = copy;
    struct px_slice text = {0};
    double value = -1.0;
    if (px_parquet_reader_find_value(reader, key_built_recall, &text) &&
        text.size_bytes < sizeof copy) {
        memcpy(copy, text.data, text.size_bytes);
        value = strtod(copy, &end);
    }
    if (end == copy || *end != '\0' || !(value >= 0.0 && value <= 1.0))
        return px_fail(reterr, PROXIMADB_CORRUPT, "its key '%s' is not 0 to 1", key_built_recall);
    *ret_recall = value;
    return PROXIMADB_OK;
}

/* Checks what the file is, and says of which version. */
static int check_file(const struct px_parquet_reader *reader, uint32_t dim_count,
                      uint32_t *ret_version, struct proximadb_error *reterr)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    uint32_t version;
    int rc = read_number(reader, px_part_key_format_version, &version, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (version > PX_CLUSTERING_FORMAT_VERSION)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "it is of format version %" PRIu32 ", from a newer ProximaDB", version);
    size_t expected = version == 1 ? VERSION_1_COLUMNS : COLUMN_COUNT;
    if (layout->row_count == 0 || layout->row_count > UINT32_MAX)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has %" PRIu64 " lists", layout->row_count);
    if (layout->column_count != expected)
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has %zu columns", layout->column_count);
    for (size_t i = 0; i < expected; i++)
        if (layout->columns[i].shape != columns[i].shape ||
            layout->columns[i].type != columns[i].type ||
            strcmp(layout->columns[i].name, columns[i].name) != 0)
            return px_fail(reterr, PROXIMADB_CORRUPT, "its column %zu is not '%s'", i,
                           columns[i].name);
    if (layout->columns[CENTROID].dim_count != dim_count)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "its centroids have %" PRIu32 " dimensions, the collection has %" PRIu32,
                       layout->columns[CENTROID].dim_count, dim_count);
    *ret_version = version;
    return PROXIMADB_OK;
}

static int read_centroids(const struct px_parquet_reader *reader, struct px_clustering *clustering,
                          struct proximadb_error *reterr)
{
    struct px_kmeans *kmeans = &clustering->kmeans;
    for (size_t i = 0; i < clustering->list_count; i++) {
        const float *vector;
        int rc = px_parquet_reader_vector(reader, CENTROID, i, &vector, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        px_kmeans__set_centroid(kmeans, i, vector);
    }
    px_kmeans__pack(kmeans);
    return PROXIMADB_OK;
}

/* The values of a column of one row; those that the version does not have stay as they are. */
static int read_list(struct px_parquet_cursor *cursors, bool is_version_1, uint64_t row,
                     struct px_clustering_list *ret_list, struct proximadb_error *reterr)
{
    int64_t id = 0, row_count = 0, equal_rows = 0;
    int32_t cluster;
    int rc = px_parquet_cursor_get_i32(&cursors[CLUSTER], row, NULL, &cluster, reterr);
    if (rc == PROXIMADB_OK && is_version_1)
        id = cluster;
    if (rc == PROXIMADB_OK && !is_version_1)
        rc = px_parquet_cursor_get_i64(&cursors[LIST], row, NULL, &id, reterr);
    if (rc == PROXIMADB_OK && !is_version_1)
        rc = px_parquet_cursor_get_i64(&cursors[ROW_COUNT], row, NULL, &row_count, reterr);
    if (rc == PROXIMADB_OK && !is_version_1)
        rc = px_parquet_cursor_get_i64(&cursors[EQUAL_ROWS], row, NULL, &equal_rows, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (cluster < (is_version_1 ? 1 : 0) || id < 1 || id >= MOST_NUMBER || row_count < 0 ||
        equal_rows < 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "row %" PRIu64 " makes no sense", row);
    *ret_list = (struct px_clustering_list){.id = (uint32_t)id,
                                            .cluster = (uint32_t)cluster,
                                            .row_count = (uint64_t)row_count,
                                            .equal_rows = (uint64_t)equal_rows};
    return PROXIMADB_OK;
}

static int read_lists(const struct px_parquet_reader *reader, bool is_version_1,
                      struct px_clustering *clustering, struct proximadb_error *reterr)
{
    struct px_parquet_cursor cursors[COLUMN_COUNT] = {0};
    int rc = PROXIMADB_OK;
    size_t column_count = is_version_1 ? VERSION_1_COLUMNS : COLUMN_COUNT;
    for (size_t i = 0; i < column_count; i++)
        if (i != CENTROID)
            px_parquet_cursor_init(&cursors[i], reader, i);
    for (size_t i = 0; rc == PROXIMADB_OK && i < clustering->list_count; i++) {
        rc = read_list(cursors, is_version_1, i, &clustering->lists[i], reterr);
        if (rc == PROXIMADB_OK && i > 0 && clustering->lists[i].id <= clustering->lists[i - 1].id)
            rc = px_fail(reterr, PROXIMADB_CORRUPT, "its lists are not in order at row %zu", i);
    }
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        px_parquet_cursor_release(&cursors[i]);
    return rc;
}

static int read_keys(const struct px_parquet_reader *reader, struct px_clustering *clustering,
                     struct proximadb_error *reterr)
{
    int rc = read_number(reader, key_list_rows, &clustering->list_rows, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_number(reader, key_next_list, &clustering->next_list, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_number(reader, key_next_cluster, &clustering->next_cluster, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_recall(reader, &clustering->built_recall, reterr);
    return rc;
}

/* No list may have a number that is still to be given. */
static int check_numbers(const struct px_clustering *clustering, struct proximadb_error *reterr)
{
    for (size_t i = 0; i < clustering->list_count; i++)
        if (clustering->lists[i].id >= clustering->next_list ||
            clustering->lists[i].cluster >= clustering->next_cluster)
            return px_fail(reterr, PROXIMADB_CORRUPT,
                           "the list or the cluster of row %zu is not below the next one", i);
    return PROXIMADB_OK;
}

static int read_content(const struct px_parquet_reader *reader, uint32_t version,
                        struct px_clustering *clustering, struct proximadb_error *reterr)
{
    int rc = read_centroids(reader, clustering, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_lists(reader, version == 1, clustering, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (version > 1) {
        rc = read_keys(reader, clustering, reterr);
        return rc == PROXIMADB_OK ? check_numbers(clustering, reterr) : rc;
    }
    uint32_t last = clustering->lists[clustering->list_count - 1].id;
    clustering->list_rows = PX_CLUSTERING_LIST_ROWS;
    clustering->next_list = clustering->next_cluster = last + 1;
    return PROXIMADB_OK;
}

static int read_file(const struct px_parquet_reader *reader, enum proximadb_metric metric,
                     uint32_t dim_count, struct px_clustering *ret_clustering,
                     struct proximadb_error *reterr)
{
    uint32_t version = 0;
    struct px_kmeans kmeans;
    struct px_clustering made;
    size_t count = (size_t)px_parquet_reader_layout(reader)->row_count;
    int rc = check_file(reader, dim_count, &version, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_kmeans__make_room(&kmeans, px_kernels_get(), metric, count, dim_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_clustering__init(&made, &kmeans, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = read_content(reader, version, &made, reterr);
    if (rc == PROXIMADB_OK)
        *ret_clustering = made;
    else
        px_clustering_release(&made);
    return rc;
}

int px_clustering_read(struct px_clustering *clustering, enum proximadb_metric metric,
                       uint32_t dim_count, struct px_slice file, struct proximadb_error *reterr)
{
    struct px_parquet_reader *reader;
    int rc = px_parquet_reader_open(file, &reader, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = read_file(reader, metric, dim_count, clustering, reterr);
    px_parquet_reader_close(reader);
    return rc;
}

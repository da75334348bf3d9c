#include "viper/manifest.h"

#include "base/crc32c.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "os/file.h"
#include "os/file_replace.h"
#include "os/path.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LARGEST_FILE_BYTES ((size_t)1 << 30)

static const char crc_key[] = ",\n  \"crc32c\": \"";
enum { CRC_DIGITS = 8 };

void px_manifest_release(struct px_manifest *manifest)
{
    free(manifest->parts.items);
    free(manifest->deletes.items);
    px_buffer_release(&manifest->request_ids);
    *manifest = (struct px_manifest){0};
}

int px_manifest_add(struct px_manifest_files *files, const struct px_manifest_file *file,
                    struct proximadb_error *reterr)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity == 0 ? 8 : 2 * files->capacity;
        struct px_manifest_file *items = realloc(files->items, capacity * sizeof *items);
        if (items == NULL)
            return px_fail_no_memory(reterr);
        files->items = items;
        files->capacity = capacity;
    }
    files->items[files->count++] = *file;
    return PROXIMADB_OK;
}

const struct px_manifest_file *px_manifest_find(const struct px_manifest_files *files,
                                                const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->items[i].path, path) == 0)
            return &files->items[i];
    return NULL;
}

static int copy_files(const struct px_manifest_files *from, struct px_manifest_files *to,
                      struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    for (size_t i = 0; i < from->count && rc == PROXIMADB_OK; i++)
        rc = px_manifest_add(to, &from->items[i], reterr);
    return rc;
}

int px_manifest_copy(const struct px_manifest *manifest, struct px_manifest *copy,
                     struct proximadb_error *reterr)
{
    assert(copy->parts.items == NULL && copy->deletes.items == NULL);
    *copy = *manifest;
    copy->parts = copy->deletes = (struct px_manifest_files){0};
    copy->request_ids = (struct px_buffer){0};
    int rc = copy_files(&manifest->parts, &copy->parts, reterr);
    if (rc == PROXIMADB_OK)
        rc = copy_files(&manifest->deletes, &copy->deletes, reterr);
    if (rc == PROXIMADB_OK) {
        px_buffer_append_slice(&copy->request_ids, px_buffer_slice(&manifest->request_ids));
        rc = px_buffer_status(&copy->request_ids, reterr);
    }
    if (rc != PROXIMADB_OK)
        px_manifest_release(copy);
    return rc;
}

static void encode_file(const struct px_manifest_file *file, struct px_buffer *buffer)
{
    /* Paths are made by us of letters, digits, '_', '.' and '/'. */
    px_buffer_append_format(buffer,
                            "{\"path\": \"%s\", \"size_bytes\": %" PRIu64
                            ", \"crc32c\": \"%08" PRIx32 "\", \"row_count\": %" PRIu64
                            ", \"min_lsn\": %" PRId64 ", \"max_lsn\": %" PRId64
                            ", \"cluster\": %" PRIu32 "}",
                            file->path, file->size_bytes, file->crc32c, file->row_count,
                            file->min_lsn, file->max_lsn, file->cluster);
}

static void encode_files(const char *key, const struct px_manifest_files *files,
                         struct px_buffer *buffer)
{
    px_buffer_append_format(buffer, ",\n  \"%s\": [", key);
    for (size_t i = 0; i < files->count; i++) {
        px_buffer_append_format(buffer, "%s\n    ", i > 0 ? "," : "");
        encode_file(&files->items[i], buffer);
    }
    px_buffer_append_format(buffer, "%s]", files->count > 0 ? "\n  " : "");
}

void px_manifest_encode(const struct px_manifest *manifest, struct px_buffer *buffer)
{
    char id[PX_UUID_TEXT_BYTES];
    size_t begin = buffer->size_bytes;
    px_uuid_format(manifest->collection_id, id);
    px_buffer_append_format(buffer,
                            "{\n  \"format_version\": %d,\n  \"collection_id\": \"%s\",\n"
                            "  \"sequence\": %" PRIu64 ",\n  \"flushed_lsn\": %" PRId64
                            ",\n  \"live_row_count\": %" PRIu64 ",\n  \"clock_ms\": %" PRId64
                            ",\n  \"next_file_number\": %" PRIu32,
                            PX_MANIFEST_FORMAT_VERSION, id, manifest->sequence,
                            manifest->flushed_lsn, manifest->live_row_count, manifest->clock_ms,
                            manifest->next_file_number == 0 ? 1 : manifest->next_file_number);
    encode_files("parts", &manifest->parts, buffer);
    encode_files("deletes", &manifest->deletes, buffer);
    px_buffer_append_format(buffer, ",\n  \"centroids\": ");
    if (manifest->centroids.path[0] != '\0')
        encode_file(&manifest->centroids, buffer);
    else
        px_buffer_append_format(buffer, "null");
    px_buffer_append_format(buffer,
                            ",\n  \"bytes_accepted\": %" PRIu64 ",\n  \"bytes_flushed\": %" PRIu64
                            ",\n  \"bytes_compacted\": %" PRIu64,
                            manifest->bytes_accepted, manifest->bytes_flushed,
                            manifest->bytes_compacted);
    px_buffer_append_format(buffer, ",\n  \"request_ids\": \"");
    px_base64_append(buffer, px_buffer_slice(&manifest->request_ids));
    px_buffer_append_byte(buffer, '"');
    if (buffer->status != PROXIMADB_OK)
        return;
    uint32_t crc = px_crc32c(0, buffer->data + begin, buffer->size_bytes - begin);
    px_buffer_append_format(buffer, "%s%08" PRIx32 "\"\n}\n", crc_key, crc);
}

static bool parse_crc(struct px_slice text, uint32_t *ret_crc)
{
    char digits[CRC_DIGITS + 1];
    char *end;
    if (text.size_bytes < CRC_DIGITS)
        return false;
    memcpy(digits, text.data, CRC_DIGITS);
    digits[CRC_DIGITS] = '\0';
    unsigned long crc = strtoul(digits, &end, 16);
    *ret_crc = (uint32_t)crc;
    return *end == '\0';
}

/* Whether the text ends in its own checksum. */
static bool check_crc(struct px_slice json)
{
    size_t tail_bytes = sizeof crc_key - 1 + CRC_DIGITS + strlen("\"\n}\n");
    uint32_t crc;
    if (json.size_bytes < tail_bytes)
        return false;
    size_t body_bytes = json.size_bytes - tail_bytes;
    const uint8_t *tail = json.data + body_bytes;
    size_t digits_at = sizeof crc_key - 1;
    return memcmp(tail, crc_key, digits_at) == 0 &&
           parse_crc(px_slice_of(tail + digits_at, CRC_DIGITS), &crc) &&
           crc == px_crc32c(0, json.data, body_bytes);
}

/* A path of ours: relative, and without a way up. */
static bool is_own_path(struct px_slice path)
{
    if (path.size_bytes == 0 || path.size_bytes >= PX_MANIFEST_PATH_BYTES || path.data[0] == '/')
        return false;
    for (size_t i = 0; i < path.size_bytes; i++) {
        uint8_t byte = path.data[i];
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || byte == '_' ||
                     byte == '/' || byte == '.';
        if (!plain || (byte == '.' && i > 0 && path.data[i - 1] == '.'))
            return false;
    }
    return true;
}

static bool decode_file(yyjson_val *object, struct px_manifest_file *file)
{
    struct px_slice path, crc;
    uint64_t cluster;
    *file = (struct px_manifest_file){0};
    if (!px_json_get_string(object, "path", &path) || !is_own_path(path) ||
        !px_json_get_u64(object, "size_bytes", &file->size_bytes) ||
        !px_json_get_string(object, "crc32c", &crc) || !parse_crc(crc, &file->crc32c) ||
        !px_json_get_u64(object, "row_count", &file->row_count) || file->row_count > UINT32_MAX ||
        !px_json_get_i64(object, "min_lsn", &file->min_lsn) ||
        !px_json_get_i64(object, "max_lsn", &file->max_lsn) ||
        !px_json_get_u64(object, "cluster", &cluster) || cluster > UINT32_MAX)
        return false;
    memcpy(file->path, path.data, path.size_bytes);
    file->cluster = (uint32_t)cluster;
    return true;
}

static int compare_paths(const void *a, const void *b)
{
    const struct px_manifest_file *const *left = a, *const *right = b;
    return strcmp((*left)->path, (*right)->path);
}

/* Rows of a file that is listed twice would be there twice. */
static int check_distinct(const struct px_manifest_files *files, struct proximadb_error *reterr)
{
    const struct px_manifest_file **sorted = calloc(files->count + 1, sizeof(*sorted));
    int rc = sorted != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
    for (size_t i = 0; sorted != NULL && i < files->count; i++)
        sorted[i] = &files->items[i];
    if (sorted != NULL)
        qsort(sorted, files->count, sizeof(*sorted), compare_paths);
    for (size_t i = 1; rc == PROXIMADB_OK && i < files->count; i++)
        if (strcmp(sorted[i - 1]->path, sorted[i]->path) == 0)
            rc = px_fail(reterr, PROXIMADB_CORRUPT, "it lists '%s' twice", sorted[i]->path);
    free(sorted);
    return rc;
}

static int decode_files(yyjson_val *root, const char *key, struct px_manifest_files *files,
                        struct proximadb_error *reterr)
{
    yyjson_val *array = yyjson_obj_get(root, key);
    yyjson_val *object;
    size_t index, count;
    if (!yyjson_is_arr(array))
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has no list of '%s'", key);
    yyjson_arr_foreach(array, index, count, object)
    {
        struct px_manifest_file file;
        if (!decode_file(object, &file))
            return px_fail(reterr, PROXIMADB_CORRUPT, "entry %zu of '%s' makes no sense", index,
                           key);
        int rc = px_manifest_add(files, &file, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return check_distinct(files, reterr);
}

static int decode_head(yyjson_val *root, struct px_manifest *manifest,
                       struct proximadb_error *reterr)
{
    uint64_t version, next_file_number;
    struct px_slice id;
    char id_text[PX_UUID_TEXT_BYTES] = "";
    if (!px_json_get_u64(root, "format_version", &version))
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has no format_version");
    if (version > PX_MANIFEST_FORMAT_VERSION)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "the manifest has format %" PRIu64 ", this version reads up to %d; upgrade",
                       version, PX_MANIFEST_FORMAT_VERSION);
    if (px_json_get_string(root, "collection_id", &id) && id.size_bytes < sizeof id_text)
        memcpy(id_text, id.data, id.size_bytes);
    if (!px_uuid_parse(id_text, &manifest->collection_id) ||
        !px_json_get_u64(root, "sequence", &manifest->sequence) ||
        !px_json_get_i64(root, "flushed_lsn", &manifest->flushed_lsn) ||
        manifest->flushed_lsn < 0 ||
        !px_json_get_u64(root, "live_row_count", &manifest->live_row_count) ||
        !px_json_get_i64(root, "clock_ms", &manifest->clock_ms) ||
        !px_json_get_u64(root, "next_file_number", &next_file_number) ||
        next_file_number > UINT32_MAX)
        return px_fail(reterr, PROXIMADB_CORRUPT, "a key is missing or makes no sense");
    manifest->next_file_number = (uint32_t)next_file_number;
    return PROXIMADB_OK;
}

/* A key that older versions do not write. */
static bool decode_optional(yyjson_val *root, const char *key, uint64_t *ret_value)
{
    *ret_value = 0;
    return yyjson_obj_get(root, key) == NULL || px_json_get_u64(root, key, ret_value);
}

static int decode_rest(yyjson_val *root, struct px_manifest *manifest,
                       struct proximadb_error *reterr)
{
    struct px_slice request_ids;
    yyjson_val *centroids = yyjson_obj_get(root, "centroids");
    if (centroids != NULL && !yyjson_is_null(centroids) &&
        !decode_file(centroids, &manifest->centroids))
        return px_fail(reterr, PROXIMADB_CORRUPT, "'centroids' makes no sense");
    if (!decode_optional(root, "bytes_accepted", &manifest->bytes_accepted) ||
        !decode_optional(root, "bytes_flushed", &manifest->bytes_flushed) ||
        !decode_optional(root, "bytes_compacted", &manifest->bytes_compacted))
        return px_fail(reterr, PROXIMADB_CORRUPT, "what was written makes no sense");
    if (!px_json_get_string(root, "request_ids", &request_ids))
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has no 'request_ids'");
    return px_base64_decode(request_ids, &manifest->request_ids, reterr);
}

int px_manifest_decode(struct px_slice json, struct px_manifest *manifest,
                       struct proximadb_error *reterr)
{
    yyjson_doc *doc = NULL;
    if (!check_crc(json))
        return px_fail(reterr, PROXIMADB_CORRUPT, "its checksum is missing or wrong");
    int rc = px_json_parse(json, &doc, reterr);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (rc == PROXIMADB_OK)
        rc = decode_head(root, manifest, reterr);
    if (rc == PROXIMADB_OK)
        rc = decode_files(root, "parts", &manifest->parts, reterr);
    if (rc == PROXIMADB_OK)
        rc = decode_files(root, "deletes", &manifest->deletes, reterr);
    if (rc == PROXIMADB_OK)
        rc = decode_rest(root, manifest, reterr);
    yyjson_doc_free(doc);
    if (rc == PROXIMADB_INVALID) { /* of the JSON or the base64 in it */
        rc = PROXIMADB_CORRUPT;
        if (reterr != NULL)
            reterr->status = rc;
    }
    if (rc != PROXIMADB_OK)
        px_manifest_release(manifest);
    return rc;
}

static int manifest_path(const char *store_folder, struct px_path *ret_path,
                         struct proximadb_error *reterr)
{
    return px_path_format(ret_path, reterr, "%s/MANIFEST.json", store_folder);
}

int px_manifest_write(struct px_fs *fs, const char *store_folder, struct px_manifest *manifest,
                      bool *ret_unsure, struct proximadb_error *reterr)
{
    struct px_path path;
    struct px_buffer json = {0};
    *ret_unsure = false;
    int rc = manifest_path(store_folder, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    manifest->sequence++;
    px_manifest_encode(manifest, &json);
    rc = px_buffer_status(&json, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_file_replace(fs, path.text, px_buffer_slice(&json), ret_unsure, reterr);
    px_buffer_release(&json);
    return rc;
}

int px_manifest_read(struct px_fs *fs, const char *store_folder, struct px_manifest *manifest,
                     struct proximadb_error *reterr)
{
    struct px_path path;
    struct px_buffer json = {0};
    int rc = manifest_path(store_folder, &path, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct proximadb_error error;
    rc = px_file_read(fs, path.text, LARGEST_FILE_BYTES, &json, &error);
    if (rc == PROXIMADB_OK)
        rc = px_manifest_decode(px_buffer_slice(&json), manifest, &error);
    else if (rc == PROXIMADB_IO && error.os_errno == ENOENT)
        rc = px_fail(&error, PROXIMADB_CORRUPT,
                     "the file is missing; put it back, or replace the collection by "
                     "its backup (docs/BACKUP.md)");
    px_buffer_release(&json);
    if (rc != PROXIMADB_OK && reterr != NULL) {
        *reterr = error;
        px_error_context(reterr, "'%s' cannot be used", path.text);
    }
    return rc;
}

bool px_manifest_is_missing(struct px_fs *fs, const char *store_folder)
{
    struct px_path path;
    struct px_fs_info info;
    return manifest_path(store_folder, &path, NULL) == PROXIMADB_OK &&
           fs->info(fs, path.text, &info) != 0 && errno == ENOENT;
}

#include "api/backup_internal.h"

#include "base/crc32c.h"
#include "codec/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CRC_DIGITS = 8 };

static const char crc_key[] = ",\n  \"crc32c\": \"";
static const char crc_end[] = "\"\n}\n";

void px_backup_list__release(struct px_backup_list *list)
{
    free(list->files);
    free(list->entries);
    *list = (struct px_backup_list){0};
}

/* Room for one more item; false without memory. */
static bool grow(void **items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return true;
    size_t wanted = 2 * *capacity + 16;
    void *grown = realloc(*items, wanted * item_bytes);
    if (grown == NULL)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

int px_backup_list__add_file(struct px_backup_list *list, const char *path, uint64_t size_bytes,
                             uint32_t crc32c, struct proximadb_error *reterr)
{
    struct px_backup_file file = {.size_bytes = size_bytes, .crc32c = crc32c};
    if (strlen(path) >= sizeof file.path)
        return px_fail(reterr, PROXIMADB_INVALID, "the path '%s' is too long", path);
    memcpy(file.path, path, strlen(path) + 1);
    void *items = list->files;
    if (!grow(&items, list->file_count, &list->file_capacity, sizeof file))
        return px_fail_no_memory(reterr);
    list->files = items;
    list->files[list->file_count++] = file;
    return PROXIMADB_OK;
}

int px_backup_list__add_entry(struct px_backup_list *list, const struct px_backup_entry *entry,
                              struct proximadb_error *reterr)
{
    void *items = list->entries;
    if (!grow(&items, list->entry_count, &list->entry_capacity, sizeof *entry))
        return px_fail_no_memory(reterr);
    list->entries = items;
    list->entries[list->entry_count++] = *entry;
    return PROXIMADB_OK;
}

static int compare_files(const void *a, const void *b)
{
    const struct px_backup_file *left = a, *right = b;
    return strcmp(left->path, right->path);
}

static void sort_files(struct px_backup_list *list)
{
    if (list->file_count > 0)
        qsort(list->files, list->file_count, sizeof *list->files, compare_files);
}

const struct px_backup_file *px_backup_list__find_file(const struct px_backup_list *list,
                                                       const char *path)
{
    struct px_backup_file key = {0};
    if (list->file_count == 0 || strlen(path) >= sizeof key.path)
        return NULL;
    memcpy(key.path, path, strlen(path) + 1);
    return bsearch(&key, list->files, list->file_count, sizeof key, compare_files);
}

const struct px_backup_entry *px_backup_list__find_entry(const struct px_backup_list *list,
                                                         const char *name)
{
    for (size_t i = 0; i < list->entry_count; i++)
        if (strcmp(list->entries[i].name, name) == 0)
            return &list->entries[i];
    return NULL;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void encode_entry(const struct px_backup_entry *entry, struct px_buffer *buffer)
{
    char id[PX_UUID_TEXT_BYTES];
    px_uuid_format(entry->id, id);
    px_buffer_append_format(buffer,
                            "\n    {\"name\": \"%s\", \"id\": \"%s\", \"flushed_lsn\": %" PRId64
                            ", \"last_lsn\": %" PRId64 "}",
                            entry->name, id, entry->flushed_lsn, entry->last_lsn);
}

void px_backup_list__encode(struct px_backup_list *list, struct px_buffer *buffer)
{
    char created_at[PX_CLOCK_TEXT_BYTES];
    size_t begin = buffer->size_bytes;
    sort_files(list);
    px_clock_format(list->created_at_ms, created_at);
    px_buffer_append_format(buffer,
                            "{\n  \"format_version\": %d,\n  \"created_at\": \"%s\",\n"
                            "  \"created_by\": \"proximadb %s\",\n  \"collections\": [",
                            PX_BACKUP_FORMAT_VERSION, created_at, proximadb_version());
    for (size_t i = 0; i < list->entry_count; i++) {
        px_buffer_append_format(buffer, "%s", i > 0 ? "," : "");
        encode_entry(&list->entries[i], buffer);
    }
    px_buffer_append_format(buffer, "%s],\n  \"files\": [", list->entry_count > 0 ? "\n  " : "");
    for (size_t i = 0; i < list->file_count; i++)
        px_buffer_append_format(buffer,
                                "%s\n    {\"path\": \"%s\", \"size_bytes\": %" PRIu64
                                ", \"crc32c\": \"%08" PRIx32 "\"}",
                                i > 0 ? "," : "", list->files[i].path, list->files[i].size_bytes,
                                list->files[i].crc32c);
    px_buffer_append_format(buffer, "%s]", list->file_count > 0 ? "\n  " : "");
    if (buffer->status != PROXIMADB_OK)
        return;
    uint32_t crc = px_crc32c(0, buffer->data + begin, buffer->size_bytes - begin);
    px_buffer_append_format(buffer, "%s%08" PRIx32 "%s", crc_key, crc, crc_end);
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool parse_crc(struct px_slice text, uint32_t *ret_crc)
{
    char digits[CRC_DIGITS + 1];
    char *end;
    if (text.size_bytes != CRC_DIGITS)
        return false;
    memcpy(digits, text.data, CRC_DIGITS);
    digits[CRC_DIGITS] = '\0';
    *ret_crc = (uint32_t)strtoul(digits, &end, 16);
    return *end == '\0' && digits[0] != ' ' && digits[0] != '-' && digits[0] != '+';
}

/* Whether the text ends in its own checksum. */
static bool check_crc(struct px_slice json)
{
    size_t digits_at = sizeof crc_key - 1, end_bytes = sizeof crc_end - 1;
    size_t tail_bytes = digits_at + CRC_DIGITS + end_bytes;
    uint32_t crc;
    if (json.size_bytes < tail_bytes)
        return false;
    size_t body_bytes = json.size_bytes - tail_bytes;
    const uint8_t *tail = json.data + body_bytes;
    return memcmp(tail, crc_key, digits_at) == 0 &&
           memcmp(tail + digits_at + CRC_DIGITS, crc_end, end_bytes) == 0 &&
           parse_crc(px_slice_of(tail + digits_at, CRC_DIGITS), &crc) &&
           crc == px_crc32c(0, json.data, body_bytes);
}

static int decode_entry(yyjson_val *object, size_t index, struct px_backup_list *list,
                        struct proximadb_error *reterr)
{
    struct px_backup_entry entry = {0};
    struct px_slice name, id;
    char id_text[PX_UUID_TEXT_BYTES] = "";
    if (!px_json_get_string(object, "name", &name) ||
        px_collection_name_validate(name, NULL) != PROXIMADB_OK ||
        !px_json_get_string(object, "id", &id) || id.size_bytes >= sizeof id_text ||
        !px_json_get_i64(object, "flushed_lsn", &entry.flushed_lsn) || entry.flushed_lsn < 0 ||
        !px_json_get_i64(object, "last_lsn", &entry.last_lsn) || entry.last_lsn < entry.flushed_lsn)
        return px_fail(reterr, PROXIMADB_CORRUPT, "entry %zu of 'collections' makes no sense",
                       index);
    memcpy(id_text, id.data, id.size_bytes);
    memcpy(entry.name, name.data, name.size_bytes);
    if (!px_uuid_parse(id_text, &entry.id) || px_backup_list__find_entry(list, entry.name) != NULL)
        return px_fail(reterr, PROXIMADB_CORRUPT, "entry %zu of 'collections' makes no sense",
                       index);
    return px_backup_list__add_entry(list, &entry, reterr);
}

/* Whether `path` is FOLDER/NAME/ and something. */
static bool is_below(const char *path, const char *folder, const char *name)
{
    size_t folder_length = strlen(folder), name_length = strlen(name);
    return strncmp(path, folder, folder_length) == 0 &&
           strncmp(path + folder_length, name, name_length) == 0 &&
           path[folder_length + name_length] == '/' &&
           path[folder_length + name_length + 1] != '\0';
}

bool px_backup_list__is_of(const char *path, const char *name)
{
    char json[PX_BACKUP_PATH_BYTES];
    snprintf(json, sizeof json, "metadata/collections/%s.json", name);
    return strcmp(path, json) == 0 || is_below(path, "store/", name) ||
           is_below(path, "wal/", name);
}

/* Of plain bytes, relative, and without a way up. */
static bool is_plain(struct px_slice path)
{
    for (size_t i = 0; i < path.size_bytes; i++) {
        uint8_t byte = path.data[i];
        bool is_known = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                        (byte >= 'A' && byte <= 'Z') || byte == '_' || byte == '-' || byte == '/' ||
                        byte == '.';
        bool begins = i == 0 || path.data[i - 1] == '/';
        if (!is_known || (begins && (byte == '.' || byte == '/')))
            return false;
    }
    return path.size_bytes > 0;
}

static bool belongs(const struct px_backup_list *list, const char *path)
{
    bool found = strcmp(path, "proximadb.json") == 0;
    for (size_t i = 0; i < list->entry_count && !found; i++)
        found = px_backup_list__is_of(path, list->entries[i].name);
    return found;
}

static int decode_file(yyjson_val *object, size_t index, struct px_backup_list *list,
                       struct proximadb_error *reterr)
{
    struct px_slice path, crc;
    char text[PX_BACKUP_PATH_BYTES] = "";
    uint64_t size_bytes;
    uint32_t crc32c;
    if (px_json_get_string(object, "path", &path) && path.size_bytes < sizeof text &&
        is_plain(path))
        memcpy(text, path.data, path.size_bytes);
    if (!belongs(list, text) || !px_json_get_u64(object, "size_bytes", &size_bytes) ||
        !px_json_get_string(object, "crc32c", &crc) || !parse_crc(crc, &crc32c))
        return px_fail(reterr, PROXIMADB_CORRUPT, "entry %zu of 'files' makes no sense", index);
    return px_backup_list__add_file(list, text, size_bytes, crc32c, reterr);
}

typedef int decode_item(yyjson_val *object, size_t index, struct px_backup_list *list,
                        struct proximadb_error *reterr);

static int decode_items(yyjson_val *root, const char *key, decode_item *decode,
                        struct px_backup_list *list, struct proximadb_error *reterr)
{
    yyjson_val *array = yyjson_obj_get(root, key);
    yyjson_val *object;
    size_t index, count;
    int rc = PROXIMADB_OK;
    if (!yyjson_is_arr(array))
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has no list of '%s'", key);
    yyjson_arr_foreach(array, index, count, object)
    {
        if (rc == PROXIMADB_OK)
            rc = decode(object, index, list, reterr);
    }
    return rc;
}

static int decode_head(yyjson_val *root, struct px_backup_list *list,
                       struct proximadb_error *reterr)
{
    uint64_t version;
    struct px_slice created_at;
    char text[PX_CLOCK_TEXT_BYTES] = "";
    if (!px_json_get_u64(root, "format_version", &version))
        return px_fail(reterr, PROXIMADB_CORRUPT, "it has no format_version");
    if (version > PX_BACKUP_FORMAT_VERSION)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "the backup has format %" PRIu64 ", this version reads up to %d; upgrade",
                       version, PX_BACKUP_FORMAT_VERSION);
    if (px_json_get_string(root, "created_at", &created_at) && created_at.size_bytes < sizeof text)
        memcpy(text, created_at.data, created_at.size_bytes);
    list->created_at_ms = px_clock_parse(text);
    if (list->created_at_ms < 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "'created_at' makes no sense");
    return PROXIMADB_OK;
}

/* No file twice. */
static int check_files(const struct px_backup_list *list, struct proximadb_error *reterr)
{
    for (size_t i = 1; i < list->file_count; i++)
        if (strcmp(list->files[i - 1].path, list->files[i].path) == 0)
            return px_fail(reterr, PROXIMADB_CORRUPT, "it lists '%s' twice", list->files[i].path);
    return PROXIMADB_OK;
}

int px_backup_list__decode(struct px_slice json, struct px_backup_list *list,
                           struct proximadb_error *reterr)
{
    yyjson_doc *doc = NULL;
    assert(list->files == NULL && list->entries == NULL);
    if (!check_crc(json))
        return px_fail(reterr, PROXIMADB_CORRUPT, "its checksum is missing or wrong");
    int rc = px_json_parse(json, &doc, reterr);
    if (rc == PROXIMADB_INVALID) {
        rc = PROXIMADB_CORRUPT;
        if (reterr != NULL)
            reterr->status = rc;
    }
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (rc == PROXIMADB_OK)
        rc = decode_head(root, list, reterr);
    if (rc == PROXIMADB_OK)
        rc = decode_items(root, "collections", decode_entry, list, reterr);
    if (rc == PROXIMADB_OK)
        rc = decode_items(root, "files", decode_file, list, reterr);
    yyjson_doc_free(doc);
    sort_files(list);
    if (rc == PROXIMADB_OK)
        rc = check_files(list, reterr);
    if (rc != PROXIMADB_OK)
        px_backup_list__release(list);
    return rc;
}

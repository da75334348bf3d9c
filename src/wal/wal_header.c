#include "wal/wal_header.h"

#include "avro/container.h"
#include "avro/schemas.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static_assert((int)PX_WAL_SYNC_BYTES == (int)PX_CONTAINER_SYNC_BYTES, "one sync marker");

enum { NUMBER_TEXT_BYTES = 24 };

static const char key_version[] = "proximadb.format_version";
static const char key_collection[] = "proximadb.collection";
static const char key_collection_id[] = "proximadb.collection_id";
static const char key_first_lsn[] = "proximadb.first_lsn";
static const char key_previous_file[] = "proximadb.previous_file";
static const char key_previous_end[] = "proximadb.previous_end";

static struct px_container_entry entry(const char *key, const char *value)
{
    return (struct px_container_entry){.key = px_slice_of_string(key),
                                       .value = px_slice_of_string(value)};
}

void px_wal_header_encode(const struct px_wal_header *header, struct px_buffer *buffer)
{
    char version[NUMBER_TEXT_BYTES], id[PX_UUID_TEXT_BYTES];
    char first_lsn[NUMBER_TEXT_BYTES], previous_end[NUMBER_TEXT_BYTES];
    snprintf(version, sizeof version, "%d", PX_WAL_FORMAT_VERSION);
    px_uuid_format(header->collection_id, id);
    snprintf(first_lsn, sizeof first_lsn, "%" PRId64, header->first_lsn);
    snprintf(previous_end, sizeof previous_end, "%" PRIu64, header->previous_end);
    const struct px_container_entry entries[] = {
        entry(key_version, version),
        entry(key_collection, header->collection),
        entry(key_collection_id, id),
        entry(key_first_lsn, first_lsn),
        entry(key_previous_file, header->previous_file),
        entry(key_previous_end, previous_end),
    };
    px_container_header_write(buffer, px_schema_text(PX_SCHEMA_WAL_ENTRY), entries,
                              sizeof entries / sizeof entries[0], header->sync_marker);
}

/* The value of a key as a string of at most size - 1 plain characters: what goes into names, log
 * lines and JSON must not hold anything else. */
static bool find_text(const struct px_container_header *container, const char *key, char *text,
                      size_t size)
{
    struct px_slice value;
    if (!px_container_find(container, key, &value) || value.size_bytes >= size)
        return false;
    for (size_t i = 0; i < value.size_bytes; i++) {
        uint8_t byte = value.data[i];
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                     (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '_' || byte == '.';
        if (!plain)
            return false;
        text[i] = (char)byte;
    }
    text[value.size_bytes] = '\0';
    return true;
}

static bool find_number(const struct px_container_header *container, const char *key,
                        int64_t *ret_number)
{
    char text[NUMBER_TEXT_BYTES];
    char *end;
    if (!find_text(container, key, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return false;
    long long number = strtoll(text, &end, 10);
    if (*end != '\0' || number == INT64_MAX)
        return false;
    *ret_number = number;
    return true;
}

static bool find_all(const struct px_container_header *container, struct px_wal_header *header)
{
    char id[PX_UUID_TEXT_BYTES];
    int64_t previous_end;
    if (!find_text(container, key_collection, header->collection, sizeof header->collection) ||
        !find_text(container, key_collection_id, id, sizeof id) ||
        !px_uuid_parse(id, &header->collection_id) ||
        !find_number(container, key_first_lsn, &header->first_lsn) || header->first_lsn < 1 ||
        !find_text(container, key_previous_file, header->previous_file,
                   sizeof header->previous_file) ||
        !find_number(container, key_previous_end, &previous_end))
        return false;
    header->previous_end = (uint64_t)previous_end;
    memcpy(header->sync_marker, container->sync, sizeof header->sync_marker);
    return true;
}

int px_wal_header_decode(struct px_slice file, struct px_wal_header *ret_header,
                         size_t *ret_size_bytes, struct proximadb_error *reterr)
{
    struct px_container_header container;
    struct px_wal_header header = {0};
    int64_t version;
    int rc = px_container_header_read(file, &container, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (!find_number(&container, key_version, &version))
        return px_fail(reterr, PROXIMADB_CORRUPT, "the file is no log of ours: it has no '%s'",
                       key_version);
    if (version > PX_WAL_FORMAT_VERSION)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "the log was written in format %lld, this version reads up to %d; upgrade",
                       (long long)version, PX_WAL_FORMAT_VERSION);
    if (!find_all(&container, &header))
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the log's header lacks a key that starts with 'proximadb.', or its value "
                       "makes no sense");
    *ret_header = header;
    *ret_size_bytes = container.size_bytes;
    return PROXIMADB_OK;
}

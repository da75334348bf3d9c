#include "avro/schemas.h"

#include "avro/fingerprint.h"
#include "base/bits.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static const uint8_t marker[2] = {0xc3, 0x01};

#define SCHEMAS(ITEM)                                          \
    ITEM(PX_SCHEMA_VECTOR_BATCH, VectorBatch)                  \
    ITEM(PX_SCHEMA_UPDATE_BATCH, UpdateBatch)                  \
    ITEM(PX_SCHEMA_DELETE_BATCH, DeleteBatch)                  \
    ITEM(PX_SCHEMA_SEARCH_REQUEST, SearchRequest)              \
    ITEM(PX_SCHEMA_GET_REQUEST, GetRequest)                    \
    ITEM(PX_SCHEMA_SCAN_REQUEST, ScanRequest)                  \
    ITEM(PX_SCHEMA_COUNT_REQUEST, CountRequest)                \
    ITEM(PX_SCHEMA_COMPACT_REQUEST, CompactRequest)            \
    ITEM(PX_SCHEMA_REBUILD_INDEX_REQUEST, RebuildIndexRequest) \
    ITEM(PX_SCHEMA_COLLECTION_SPEC, CollectionSpec)            \
    ITEM(PX_SCHEMA_COLLECTION_CHANGE, CollectionChange)        \
    ITEM(PX_SCHEMA_WRITE_RESULT, WriteResult)                  \
    ITEM(PX_SCHEMA_SEARCH_RESULT, SearchResult)                \
    ITEM(PX_SCHEMA_RECORD_BATCH, RecordBatch)                  \
    ITEM(PX_SCHEMA_COUNT_RESULT, CountResult)                  \
    ITEM(PX_SCHEMA_COMPACT_RESULT, CompactResult)              \
    ITEM(PX_SCHEMA_COLLECTION_INFO, CollectionInfo)            \
    ITEM(PX_SCHEMA_COLLECTION_LIST, CollectionList)            \
    ITEM(PX_SCHEMA_WAL_ENTRY, WalEntry)

/* What cmake/Embed.cmake makes of each schemas/proximadb.v1.NAME.avsc. */
#define DECLARE(schema, name)                                   \
    extern const unsigned char px_schema_proximadb_v1_##name[]; \
    extern const size_t px_schema_proximadb_v1_##name##_size_bytes;
SCHEMAS(DECLARE)

static const struct {
    const char *name;
    const unsigned char *text;
    const size_t *size_bytes;
} schemas[PX_SCHEMA_TOTAL] = {
#define DESCRIBE(schema, name) \
    [schema] = {#name, px_schema_proximadb_v1_##name, &px_schema_proximadb_v1_##name##_size_bytes},
    SCHEMAS(DESCRIBE)};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards: the filling of fingerprints */
static uint64_t fingerprints[PX_SCHEMA_TOTAL];           /* constant once `filled` was seen true */
static atomic_bool filled;

const char *px_schema_name(enum px_schema schema)
{
    assert(schema < PX_SCHEMA_TOTAL);
    return schemas[schema].name;
}

struct px_slice px_schema_text(enum px_schema schema)
{
    assert(schema < PX_SCHEMA_TOTAL);
    return px_slice_of(schemas[schema].text, *schemas[schema].size_bytes);
}

static int fill_locked(struct proximadb_error *reterr)
{
    for (int i = 0; i < PX_SCHEMA_TOTAL; i++) {
        int rc = px_fingerprint_schema(px_schema_text((enum px_schema)i), &fingerprints[i], reterr);
        assert(rc == PROXIMADB_OK || rc == PROXIMADB_NO_MEMORY);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    atomic_store_explicit(&filled, true, memory_order_release);
    return PROXIMADB_OK;
}

/* Not pthread_once(), because a call that found no memory must leave it to the next one. */
static int fill(struct proximadb_error *reterr)
{
    if (atomic_load_explicit(&filled, memory_order_acquire))
        return PROXIMADB_OK;
    pthread_mutex_lock(&lock);
    int rc = PROXIMADB_OK;
    if (!atomic_load_explicit(&filled, memory_order_relaxed))
        rc = fill_locked(reterr);
    pthread_mutex_unlock(&lock);
    return rc;
}

int px_schema_fingerprint(enum px_schema schema, uint64_t *ret_fingerprint,
                          struct proximadb_error *reterr)
{
    assert(schema < PX_SCHEMA_TOTAL);
    int rc = fill(reterr);
    if (rc == PROXIMADB_OK)
        *ret_fingerprint = fingerprints[schema];
    return rc;
}

/* All payload schemas with their fingerprints, or as many as a message has room for. */
static int fail_unknown(uint64_t fingerprint, struct proximadb_error *reterr)
{
    enum { LIST_BYTES = 290 };
    char list[LIST_BYTES + 64];
    size_t used = 0;
    int listed = 0;
    while (listed < PX_SCHEMA_WAL_ENTRY && used < LIST_BYTES - 40) {
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s %016llx",
                                 listed > 0 ? ", " : "", schemas[listed].name,
                                 (unsigned long long)fingerprints[listed]);
        listed++;
    }
    if (listed < PX_SCHEMA_WAL_ENTRY)
        snprintf(list + used, sizeof list - used, " and %d more", PX_SCHEMA_WAL_ENTRY - listed);
    return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                   "no schema has the fingerprint %016llx; this version knows %s",
                   (unsigned long long)fingerprint, list);
}

int px_schema_find(uint64_t fingerprint, enum px_schema *ret_schema, struct proximadb_error *reterr)
{
    int rc = fill(reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (int i = 0; i < PX_SCHEMA_TOTAL; i++)
        if (fingerprints[i] == fingerprint) {
            *ret_schema = (enum px_schema)i;
            return PROXIMADB_OK;
        }
    return fail_unknown(fingerprint, reterr);
}

int px_payload_open(struct px_slice payload, enum px_schema *ret_schema, struct px_slice *ret_datum,
                    struct proximadb_error *reterr)
{
    if (payload.size_bytes < PX_PAYLOAD_HEADER_BYTES ||
        memcmp(payload.data, marker, sizeof marker) != 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the payload is not in Avro's single-object encoding, which begins with "
                       "C3 01 and the 8 bytes of the schema's fingerprint");
    int rc = px_schema_find(px_load_u64(payload.data + sizeof marker), ret_schema, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    *ret_datum = px_slice_of(payload.data + PX_PAYLOAD_HEADER_BYTES,
                             payload.size_bytes - PX_PAYLOAD_HEADER_BYTES);
    return PROXIMADB_OK;
}

int px_payload_expect(struct px_slice payload, enum px_schema expected, struct px_slice *ret_datum,
                      struct proximadb_error *reterr)
{
    enum px_schema schema;
    struct px_slice datum;
    int rc = px_payload_open(payload, &schema, &datum, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (schema != expected)
        return px_fail(reterr, PROXIMADB_INVALID, "the payload is a %s; a %s is needed here",
                       px_schema_name(schema), px_schema_name(expected));
    *ret_datum = datum;
    return PROXIMADB_OK;
}

void px_payload_begin(struct px_buffer *buffer, enum px_schema schema)
{
    uint64_t fingerprint = 0;
    int rc = px_schema_fingerprint(schema, &fingerprint, NULL);
    if (rc != PROXIMADB_OK && buffer->status == PROXIMADB_OK)
        buffer->status = rc;
    px_buffer_append(buffer, marker, sizeof marker);
    px_buffer_append(buffer, &fingerprint, sizeof fingerprint);
}

/*
 * proximadb: an embeddable vector database for BERT-style embeddings. This is the one installed
 * header of libproximadb; whatever the server can do, a program that includes it can do too.
 *
 *      #include <proximadb.h>
 *
 *      proximadb *db;
 *      struct proximadb_error error;
 *      if (proximadb_open("data", NULL, &db, &error) != PROXIMADB_OK)
 *          fprintf(stderr, "%s\n", error.message);
 *
 * How it holds together
 *
 *   Every operation is a request with a payload: bytes in Avro single-object encoding by one of the
 *   schemas in schemas/, the same bytes that travel over gRPC. proximadb_submit() takes a request
 *   and never blocks; the answer, again an Avro payload, comes to a callback on an engine thread.
 *   proximadb_call() is submit and wait. Builders (proximadb_batch_*, proximadb_encode_*) make
 *   payloads from C values and readers (proximadb_reader_*) take results apart, so no caller needs
 *   to know Avro.
 *
 * Errors    Fallible functions return an enum proximadb_status as int, and fill in the last
 *           parameter, which may be NULL. Results are written only on PROXIMADB_OK.
 * Memory    "borrowed" is for the call only; "taken" is released by the library, whatever the
 *           outcome; "returned, free with F" is the caller's.
 * Threads   A proximadb handle may be used by any number of threads. Builders and readers belong
 *           to one thread at a time.
 * Versions  Structs whose first member is struct_size may grow at the end; set it to sizeof.
 */
#ifndef PROXIMADB_H
#define PROXIMADB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PROXIMADB_VERSION "0.1.0"

#if defined(__GNUC__)
#define PROXIMADB_API        __attribute__((visibility("default")))
#define PROXIMADB_MUST_CHECK __attribute__((warn_unused_result))
#else
#define PROXIMADB_API
#define PROXIMADB_MUST_CHECK
#endif

/* ---- outcomes ------------------------------------------------------------------------------ */

/* The numbers are part of the ABI and of the wire: never reused or renumbered, only added to. */
enum proximadb_status {
    PROXIMADB_OK = 0,
    PROXIMADB_INVALID = 1,   /* the caller's argument; nothing was changed */
    PROXIMADB_NO_MEMORY = 2, /* an allocation failed; nothing was changed */
    PROXIMADB_IO = 3,        /* the system refused; os_errno says how */
    PROXIMADB_CORRUPT = 4,   /* bytes on disk or wire that do not follow the format */
    PROXIMADB_COLLECTION_NOT_FOUND = 5,
    PROXIMADB_COLLECTION_EXISTS = 6,
    PROXIMADB_VECTOR_NOT_FOUND = 7,    /* an update names an unknown id */
    PROXIMADB_VECTOR_EXISTS = 8,       /* an insert names an id that is taken */
    PROXIMADB_DIMENSION = 9,           /* a vector's length; `expected` and `actual` say how */
    PROXIMADB_VERSION_MISMATCH = 10,   /* expected_version is not the row's version */
    PROXIMADB_RESOURCE_EXHAUSTED = 11, /* disk full, memory budget or a limit; try again later */
    PROXIMADB_READ_ONLY = 12,          /* damage was found; the collection refuses writes */
    PROXIMADB_UNAVAILABLE = 13,        /* closing, or another process holds the directory */
    PROXIMADB_DEADLINE_EXCEEDED = 14,
    PROXIMADB_CANCELLED = 15,
    PROXIMADB_UNIMPLEMENTED = 16,   /* an unknown schema fingerprint, a feature to come */
    PROXIMADB_OUTCOME_UNKNOWN = 17, /* the device failed while syncing: written or not */
    PROXIMADB_UNAUTHENTICATED = 18,
    PROXIMADB_PERMISSION_DENIED = 19,
    PROXIMADB_SNAPSHOT_EXPIRED = 20, /* a scan was not continued for 10 minutes */
    PROXIMADB_INTERNAL = 21,         /* a fault of ours; please report the message */
    PROXIMADB_TOO_LARGE = 22,        /* more than one request or answer holds; ask for less */
    PROXIMADB_STATUS_COUNT = 23
};

/* Why a call failed. Plain data, owned by the caller, no allocation inside: copy it freely. */
struct proximadb_error {
    int status;        /* enum proximadb_status */
    int os_errno;      /* errno when status is PROXIMADB_IO, otherwise 0 */
    int64_t row_index; /* 0-based row of the batch the error is about, or -1 */
    int64_t expected;  /* for PROXIMADB_DIMENSION and PROXIMADB_VERSION_MISMATCH */
    int64_t actual;    /*   likewise */
    char message[400]; /* one English sentence, UTF-8, always NUL-terminated */
};

/* The name of a status in capitals, such as "COLLECTION_NOT_FOUND"; "UNKNOWN" for other numbers.
 * Clients see it as the `reason` of a gRPC error and the `code` of a REST problem. */
PROXIMADB_API const char *proximadb_status_name(int status);

/* The library's version, "MAJOR.MINOR.PATCH". */
PROXIMADB_API const char *proximadb_version(void);

/* ---- buffers ------------------------------------------------------------------------------- */

/* Bytes with an owner. release may be NULL (nothing to free); it may be called on any thread. */
struct proximadb_buffer {
    const void *data;
    size_t size_bytes;
    void (*release)(void *context);
    void *context;
};

/* Calls release, if any, and zeroes the struct. Accepts a zeroed one. */
PROXIMADB_API void proximadb_buffer_release(struct proximadb_buffer *buffer);

/* ---- opening ------------------------------------------------------------------------------- */

typedef struct proximadb proximadb;

enum proximadb_log_level {
    PROXIMADB_LOG_ERROR = 0,
    PROXIMADB_LOG_WARNING = 1,
    PROXIMADB_LOG_INFO = 2,
    PROXIMADB_LOG_DEBUG = 3
};

/* Zero in a member means its default. */
struct proximadb_options {
    size_t struct_size;

    /* Called with one line without its newline, on any engine thread, possibly on several at once.
     * NULL: the library is silent. It never prints by itself. */
    void (*log)(void *context, int level, const char *line);
    void *log_context;

    uint32_t worker_count;         /* threads for reads; default the number of cores */
    uint32_t committer_count;      /* threads that write the log; default 2 */
    uint64_t memtable_limit_bytes; /* rows in memory before a flush; default 64 MiB */
    uint64_t wal_file_limit_bytes; /* a log file is closed at this size; default 256 MiB */
    uint64_t wal_rotate_ms;        /* ... and at this age if it was written; default 30 min */
    uint64_t wal_idle_ms;          /* an unused log file is closed after; default 60 s */
    uint64_t expiry_sweep_ms;      /* how often expired rows are looked for; default 60 s */
    uint64_t snapshot_limit_ms;    /* a scan must continue within; default 10 min */
};

/*
 * Opens the database in the folder `data_dir`, which is made if its parent exists. One process at a
 * time may hold a folder. Recovery runs here: when it returns, every acknowledged write is
 * readable. A damaged collection does not fail the call, and is logged: one whose log is damaged
 * refuses writes, one of which a file is missing or damaged answers everything with what is wrong.
 *
 *   options  borrowed; NULL for the defaults
 *   ret_db   returned, free with proximadb_close()
 *
 * PROXIMADB_UNAVAILABLE  another process holds the folder; the message names it.
 * PROXIMADB_INVALID      the path is no folder, or was written by a newer version.
 * PROXIMADB_CORRUPT      the file that says the folder's format makes no sense.
 * PROXIMADB_RESOURCE_EXHAUSTED  the disk is full, or the system has no more threads.
 * PROXIMADB_IO, PROXIMADB_NO_MEMORY
 */
PROXIMADB_API PROXIMADB_MUST_CHECK int proximadb_open(const char *data_dir,
                                                      const struct proximadb_options *options,
                                                      proximadb **ret_db,
                                                      struct proximadb_error *reterr);

/* Finishes the requests under way, stops the threads, closes the files. Accepts NULL. Requests
 * must not be submitted during or after it. */
PROXIMADB_API void proximadb_close(proximadb *db);

/* ---- requests ------------------------------------------------------------------------------ */

/* Each operation with the schema of its payload and of its answer (schemas/proximadb.v1.*.avsc).
 * Numbers are pinned. */
enum proximadb_operation {
    PROXIMADB_INSERT = 1,             /* VectorBatch -> WriteResult; an existing id fails it */
    PROXIMADB_UPSERT = 2,             /* VectorBatch -> WriteResult; replaces whole rows */
    PROXIMADB_UPDATE = 3,             /* UpdateBatch -> WriteResult; an unknown id fails it */
    PROXIMADB_DELETE = 4,             /* DeleteBatch -> WriteResult; by ids or by filter */
    PROXIMADB_GET = 5,                /* GetRequest -> RecordBatch; unknown ids are left out */
    PROXIMADB_SEARCH = 6,             /* SearchRequest -> SearchResult */
    PROXIMADB_SCAN = 7,               /* ScanRequest -> RecordBatch, with a cursor to go on */
    PROXIMADB_COUNT = 8,              /* CountRequest -> CountResult */
    PROXIMADB_FLUSH = 9,              /* no payload -> no payload; memory to VIPER now */
    PROXIMADB_COMPACT = 10,           /* CompactRequest or none -> CompactResult */
    PROXIMADB_CREATE_COLLECTION = 11, /* CollectionSpec -> CollectionInfo */
    PROXIMADB_GET_COLLECTION = 12,    /* no payload -> CollectionInfo */
    PROXIMADB_LIST_COLLECTIONS = 13,  /* no collection, no payload -> CollectionList */
    PROXIMADB_UPDATE_COLLECTION = 14, /* CollectionChange -> CollectionInfo */
    PROXIMADB_DELETE_COLLECTION = 15, /* no payload -> no payload */
    PROXIMADB_METRICS = 16,           /* no collection, no payload -> Prometheus text, not Avro */
    /* Compaction in the background, of a collection or, without one, of all that there are; what is
     * asked for by PROXIMADB_COMPACT runs all the same. Forgotten when the database closes. */
    PROXIMADB_PAUSE_COMPACTION = 17,  /* no payload -> no payload */
    PROXIMADB_RESUME_COMPACTION = 18, /* no payload -> no payload */
    /* Builds a collection's index anew, in the background, with the memory profile that is asked
     * for; the present one is used until then. PROXIMADB_INVALID where there is none to build. */
    PROXIMADB_REBUILD_INDEX = 19 /* RebuildIndexRequest or none -> no payload */
};

typedef struct proximadb_cancel proximadb_cancel;

/* Where a request runs. A short search is one query, for 100 rows at most (16 with metadata or
 * vectors), a recall of at most 0.99 and without a filter, that a graph answers: some tens of
 * microseconds, less than it takes to wake another thread and to be woken by it. Everything else
 * runs on threads of the engine, whatever is asked. */
enum proximadb_thread {
    PROXIMADB_ENGINE_THREAD = 0,
    /* A short search runs in proximadb_submit(), which then calls `done`. */
    PROXIMADB_THIS_THREAD = 1,
    /* The same, but only while all threads of the engine that it could run on are busy. */
    PROXIMADB_THIS_THREAD_IF_BUSY = 2
};

struct proximadb_request {
    size_t struct_size;
    int operation;                   /* enum proximadb_operation */
    const char *collection;          /* borrowed until submit returns; NULL where not needed */
    size_t collection_size_bytes;    /* without a NUL; the name may not be terminated */
    struct proximadb_buffer payload; /* taken; read in place, so it costs no copy */
    int64_t deadline_ms;             /* on proximadb_now_ms()'s clock; 0 for none */
    proximadb_cancel *cancel;        /* borrowed (the engine takes a reference); may be NULL */
    int thread;                      /* enum proximadb_thread; unknown values count as 0 */
};

/*
 * Receives the outcome, exactly once for each submitted request: on an engine thread, or within
 * proximadb_submit() where the request is refused at once or runs there, so a caller must hold no
 * lock that it takes. It must not block, and must not call proximadb_call() or proximadb_close().
 *
 *   response  taken by the callee when status is PROXIMADB_OK: release it with
 *             proximadb_buffer_release(). Zeroed otherwise.
 *   error     borrowed; never NULL; its status is `status`
 */
typedef void proximadb_done(void *context, int status, struct proximadb_buffer *response,
                            const struct proximadb_error *error);

/* Starts a request and returns at once, before or after `done` was called. A write is acknowledged
 * (status PROXIMADB_OK) when it is on the device and visible to every request submitted later. */
PROXIMADB_API void proximadb_submit(proximadb *db, const struct proximadb_request *request,
                                    proximadb_done *done, void *context);

/* Submits and waits; a short search runs on this thread, whatever request->thread says.
 * ret_response (may be NULL) is returned, free with proximadb_buffer_release(). */
PROXIMADB_API PROXIMADB_MUST_CHECK int proximadb_call(proximadb *db,
                                                      const struct proximadb_request *request,
                                                      struct proximadb_buffer *ret_response,
                                                      struct proximadb_error *reterr);

/* Milliseconds on the monotonic clock that deadlines are set on. */
PROXIMADB_API int64_t proximadb_now_ms(void);

/* A token that any thread may fire while requests that carry it run. They then end soon with
 * PROXIMADB_CANCELLED, unless they are already past the point where they can be stopped.
 * proximadb_cancel_new returns NULL without memory. Free accepts NULL. */
PROXIMADB_API proximadb_cancel *proximadb_cancel_new(void);
PROXIMADB_API void proximadb_cancel_fire(proximadb_cancel *cancel);
PROXIMADB_API void proximadb_cancel_free(proximadb_cancel *cancel);

/* ---- collections --------------------------------------------------------------------------- */

enum proximadb_metric { PROXIMADB_COSINE = 0, PROXIMADB_L2 = 1, PROXIMADB_DOT = 2 };
enum proximadb_index_type { PROXIMADB_HNSW = 0, PROXIMADB_IVF = 1, PROXIMADB_FLAT = 2 };
/* What an index may take of memory for a vector. HNSW: LEAN (the default), about 600 bytes at 384
 * dimensions, or FAST, about 1,100, for a higher speed at recalls of 0.99 and above. IVF: about 430
 * bytes, mapped, so that the system may take them back (LEAN), or in memory of its own (FAST). */
enum proximadb_index_memory { PROXIMADB_INDEX_LEAN = 0, PROXIMADB_INDEX_FAST = 1 };
/* What is kept of a vector. BALANCED and COMPACT_STORAGE round each component to 7 or 4 bits of
 * mantissa when its row is accepted: docs/format/rounding.md. EXACT keeps every bit. */
enum proximadb_storage {
    PROXIMADB_BALANCED = 0,
    PROXIMADB_EXACT = 1,
    PROXIMADB_COMPACT_STORAGE = 2
};
/* How vectors stand in the files: COMPRESSED (the default), or, with EXACT only, PLAIN: as they are
 * in memory, larger, and quicker to scan. */
enum proximadb_layout {
    PROXIMADB_LAYOUT_DEFAULT = 0,
    PROXIMADB_LAYOUT_COMPRESSED = 1,
    PROXIMADB_LAYOUT_PLAIN = 2
};
enum proximadb_field_type {
    PROXIMADB_FIELD_STRING = 0,
    PROXIMADB_FIELD_LONG = 1,
    PROXIMADB_FIELD_DOUBLE = 2,
    PROXIMADB_FIELD_BOOLEAN = 3,
    PROXIMADB_FIELD_STRING_ARRAY = 4
};

/* A metadata field that gets a column of its own. */
struct proximadb_filterable {
    const char *name; /* [A-Za-z_][A-Za-z0-9_]{0,63}, unique ignoring case */
    int type;         /* enum proximadb_field_type */
};

/* What a collection is made from. */
struct proximadb_collection_spec {
    size_t struct_size;
    const char *name;   /* [A-Za-z0-9][A-Za-z0-9_-]{0,127} */
    uint32_t dim_count; /* 1 to 65,536 */
    int metric;         /* enum proximadb_metric */
    int index_type;     /* enum proximadb_index_type */
    int storage;        /* enum proximadb_storage */
    const struct proximadb_filterable *filterable;
    size_t filterable_count; /* at most 64 */
    bool exist_ok;           /* an equal collection of that name is no error */
    int layout;              /* enum proximadb_layout */
    int index_memory;        /* enum proximadb_index_memory; changed by PROXIMADB_REBUILD_INDEX */
};

/* What is known of a collection. Strings are views into the reader that gave it. Of one whose
 * description is damaged, which only a list tells, that is the name and read_only_reason:
 * spec.dim_count is 0. */
struct proximadb_collection_info {
    struct proximadb_collection_spec spec;
    const char *id;          /* uuid, 36 characters */
    int64_t created_at_ms;   /* since 1970, UTC */
    uint64_t vector_count;   /* live rows; expired ones count until they are swept */
    uint64_t part_count;     /* Parquet files of vectors */
    uint64_t disk_bytes;     /* parts and delete files */
    uint64_t memtable_bytes; /* rows that are in the log and in memory only */
    uint64_t wal_bytes;      /* size of the log files */
    int64_t last_version;    /* the highest version given to a row; 0 for none */

    uint64_t fresh_part_count; /* of the parts: not clustered yet */
    uint64_t dead_row_count;   /* rows of the parts that are deleted or superseded */
    uint64_t bytes_accepted;   /* written since it was created: rows, each stored once */
    uint64_t bytes_written; /* all that flushes and compactions wrote; divided by the former it is
                                * the write amplification */
    /* "idle"; "running": parts are being rewritten; "paused"; "behind": so much waits to be
     * compacted that writes are slowed down. */
    const char *compaction_state;
    uint64_t compaction_rows_done; /* of the step that runs; 0 if none does */
    uint64_t compaction_row_count; /* likewise: how many it writes */

    /* "none": every search compares all rows, because the index type is FLAT, there are too few of
     * them, or (IVF) no compaction has put them into lists yet; "building": the first index, or one
     * to take the present one's place; "ready". */
    const char *index_state;
    uint64_t index_row_count;     /* rows that the index has */
    uint64_t index_lag;           /* rows that it should have; searches compare them one by one */
    uint64_t index_file_bytes;    /* 0: there is no file yet */
    uint64_t index_memory_bytes;  /* with what finds its rows */
    uint64_t index_rows_done;     /* of the build under way */
    uint64_t index_rebuild_count; /* since the database was opened */
    const char *index_rebuild_reason; /* of the last one; "": there was none */

    bool read_only; /* damage was found; read_only_reason says what */
    const char *read_only_reason;
    uint32_t mantissa_bits; /* kept of each component: 7, 4, or 23, which is all of them */
    double relative_error;  /* at most so much of a component, or of the usual size of its vector's
                               components where that is more, is lost: 2^-8, 2^-5, or 0 */
};

/* ---- metadata values ----------------------------------------------------------------------- */

enum proximadb_value_kind {
    PROXIMADB_VALUE_NULL = 0,
    PROXIMADB_VALUE_BOOLEAN = 1,
    PROXIMADB_VALUE_LONG = 2,
    PROXIMADB_VALUE_DOUBLE = 3,
    PROXIMADB_VALUE_STRING = 4,
    PROXIMADB_VALUE_STRING_ARRAY = 5
};

/* UTF-8 text that need not be NUL-terminated. */
struct proximadb_text {
    const char *data;
    size_t size_bytes;
};

struct proximadb_value {
    int kind; /* enum proximadb_value_kind, which says the member that holds */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct proximadb_text string;
        struct {
            const struct proximadb_text *items;
            size_t count;
        } strings;
    } as;
};

/* One metadata entry, or one filter parameter. */
struct proximadb_field {
    struct proximadb_text name;
    struct proximadb_value value;
};

/* ---- building payloads --------------------------------------------------------------------- */

/* A row to insert, upsert or update. For an update every absent part stays as it is. */
struct proximadb_row {
    size_t struct_size;
    struct proximadb_text id; /* 1 to 512 bytes of UTF-8 without NUL */
    const float *vector;      /* dim_count floats, any alignment; NULL: absent */
    size_t dim_count;
    const struct proximadb_field *fields; /* metadata; in an update a NULL value removes the key */
    size_t field_count;
    const char *document; /* the text the vector came from; NULL: absent */
    size_t document_size_bytes;
    const int64_t *timestamp_ms;     /* NULL: the time of the write */
    const int64_t *expires_at_ms;    /* NULL: never */
    const int64_t *expected_version; /* update only; NULL: any */
    bool clear_document;             /* update only */
    bool clear_expires_at;           /* update only */
};

typedef struct proximadb_batch proximadb_batch;

/*
 * Starts a payload for PROXIMADB_INSERT, PROXIMADB_UPSERT or PROXIMADB_UPDATE. request_id (16 bytes)
 * makes a retry safe: a repeat of it is answered with the first outcome; NULL: a random one.
 * Returned, free with proximadb_batch_free(); NULL without memory.
 */
PROXIMADB_API proximadb_batch *proximadb_batch_new(int operation, const uint8_t *request_id);
PROXIMADB_API void proximadb_batch_free(proximadb_batch *batch);

/* Appends a row, which is borrowed. PROXIMADB_INVALID if a string is not UTF-8 or a part does not
 * fit the operation; the batch is then as before. PROXIMADB_NO_MEMORY */
PROXIMADB_API PROXIMADB_MUST_CHECK int proximadb_batch_add(proximadb_batch *batch,
                                                           const struct proximadb_row *row,
                                                           struct proximadb_error *reterr);

/* Gives the payload (returned, or taken by a request) and empties the batch for the next one, with
 * a new random request id. PROXIMADB_NO_MEMORY */
PROXIMADB_API PROXIMADB_MUST_CHECK int proximadb_batch_take(proximadb_batch *batch,
                                                            struct proximadb_buffer *ret_payload,
                                                            struct proximadb_error *reterr);

/* A filter with its parameters: "price < $max AND category = 'net'"; docs/FILTERS.md has the
 * language. text NULL: no filter. */
struct proximadb_filter {
    const char *text;
    size_t text_size_bytes;
    const struct proximadb_field *params;
    size_t param_count;
};

struct proximadb_search_options {
    size_t struct_size;
    const float *queries; /* query_count * dim_count floats, row by row */
    size_t query_count;   /* 1 or more */
    size_t dim_count;
    uint64_t k; /* 1 to 10,000 */
    struct proximadb_filter filter;
    bool include_vectors;
    bool include_metadata; /* and the document */
    /* HNSW: 1 to 10,000 candidates of a walk; IVF: that are compared by their stored vectors, at
     * least. 0: by target_recall. */
    uint32_t ef;
    /* IVF: a search looks at the nearest blocks of rows, as many as 1 to 65,536 lists have in the
     * mean; HNSW: no meaning. 0: likewise. */
    uint32_t nprobe;
    bool exact;           /* compare with every row */
    double target_recall; /* share of the k nearest wanted in the mean, below 1; 0: 0.95 */
};

struct proximadb_scan_options {
    size_t struct_size;
    struct proximadb_filter filter;
    uint32_t batch_size; /* rows of one answer; 0: 1,000 */
    bool include_vectors;
    const char *cursor; /* NULL: from the start; otherwise of the answer before */
    size_t cursor_size_bytes;
};

/* Each makes one payload (returned, or taken by a request); arguments are borrowed.
 * PROXIMADB_INVALID, PROXIMADB_NO_MEMORY */
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_encode_search(const struct proximadb_search_options *options,
                        struct proximadb_buffer *ret_payload, struct proximadb_error *reterr);
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_encode_scan(const struct proximadb_scan_options *options,
                      struct proximadb_buffer *ret_payload, struct proximadb_error *reterr);
PROXIMADB_API PROXIMADB_MUST_CHECK int proximadb_encode_get(const struct proximadb_text *ids,
                                                            size_t id_count, bool include_vectors,
                                                            struct proximadb_buffer *ret_payload,
                                                            struct proximadb_error *reterr);
/* By ids, or by filter when ids is NULL. request_id as in proximadb_batch_new(). */
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_encode_delete(const uint8_t *request_id, const struct proximadb_text *ids,
                        size_t id_count, const struct proximadb_filter *filter,
                        struct proximadb_buffer *ret_payload, struct proximadb_error *reterr);
PROXIMADB_API PROXIMADB_MUST_CHECK int proximadb_encode_count(const struct proximadb_filter *filter,
                                                              struct proximadb_buffer *ret_payload,
                                                              struct proximadb_error *reterr);
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_encode_collection(const struct proximadb_collection_spec *spec,
                            struct proximadb_buffer *ret_payload, struct proximadb_error *reterr);
/* New filterable fields for an existing collection: the whole new list, old names included. */
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_encode_collection_change(const struct proximadb_filterable *filterable,
                                   size_t filterable_count, struct proximadb_buffer *ret_payload,
                                   struct proximadb_error *reterr);
/* cluster_count 0: chosen from the bytes of the rows, so that a cluster fills a part of useful
 * size. */
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_encode_compact(uint32_t cluster_count, struct proximadb_buffer *ret_payload,
                         struct proximadb_error *reterr);
/* index_memory: an enum proximadb_index_memory, or -1 for the present one. */
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_encode_rebuild_index(int index_memory, struct proximadb_buffer *ret_payload,
                               struct proximadb_error *reterr);

/* ---- reading answers ----------------------------------------------------------------------- */

/* Of an insert, upsert, update or delete. */
struct proximadb_write_result {
    uint64_t row_count;    /* rows of the batch */
    int64_t first_version; /* row i has version first_version + i */
    uint64_t affected;     /* rows written; for a delete, rows that existed */
    bool repeated;         /* the request id was known: this is the first outcome again */
};

struct proximadb_compact_result {
    uint64_t row_count;     /* live rows written */
    uint64_t cluster_count; /* clusters they are in */
    uint64_t bytes_read;
    uint64_t bytes_written;
};

PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_decode_write_result(const struct proximadb_buffer *response,
                              struct proximadb_write_result *ret_result,
                              struct proximadb_error *reterr);
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_decode_count(const struct proximadb_buffer *response, uint64_t *ret_count,
                       struct proximadb_error *reterr);
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_decode_compact_result(const struct proximadb_buffer *response,
                                struct proximadb_compact_result *ret_result,
                                struct proximadb_error *reterr);

/* A row of an answer. Everything in it is a view into the reader, valid until its next call. */
struct proximadb_hit {
    uint32_t query_index; /* of a search: 0-based; otherwise 0 */
    struct proximadb_text id;
    int64_t version;    /* the log sequence number of the write that made the row */
    double score;       /* of a search: higher is nearer */
    double distance;    /*   lower is nearer */
    const void *vector; /* little-endian floats, any alignment; NULL: not asked for */
    size_t dim_count;
    const struct proximadb_field *fields;
    size_t field_count;
    const char *document; /* NULL: none; not NUL-terminated */
    size_t document_size_bytes;
    int64_t timestamp_ms;         /* 0 in a search's answer */
    const int64_t *expires_at_ms; /* NULL: never */
};

typedef struct proximadb_reader proximadb_reader;

/* Reads a SearchResult, RecordBatch, CollectionInfo or CollectionList. The response is taken.
 * ret_reader is returned, free with proximadb_reader_free(). PROXIMADB_CORRUPT,
 * PROXIMADB_UNIMPLEMENTED (another schema), PROXIMADB_NO_MEMORY */
PROXIMADB_API PROXIMADB_MUST_CHECK int proximadb_reader_new(struct proximadb_buffer *response,
                                                            proximadb_reader **ret_reader,
                                                            struct proximadb_error *reterr);
PROXIMADB_API void proximadb_reader_free(proximadb_reader *reader);

/* Queries answered by a SearchResult; 1 for a RecordBatch. */
PROXIMADB_API uint32_t proximadb_reader_query_count(const proximadb_reader *reader);

/* The next row: true and *ret_hit, or false at the end (or, with reterr->status set, on damage). */
PROXIMADB_API bool proximadb_reader_next(proximadb_reader *reader, struct proximadb_hit *ret_hit,
                                         struct proximadb_error *reterr);

/* The next collection, likewise. */
PROXIMADB_API bool proximadb_reader_next_collection(proximadb_reader *reader,
                                                    struct proximadb_collection_info *ret_info,
                                                    struct proximadb_error *reterr);

/* The cursor to go on with behind the last row of a RecordBatch; size 0: the scan is at its end. */
PROXIMADB_API struct proximadb_text proximadb_reader_cursor(const proximadb_reader *reader);

/* ---- looking at files ---------------------------------------------------------------------- */

/* Receives text piece by piece; return false to stop. */
typedef bool proximadb_sink(void *context, const char *text, size_t size_bytes);

enum proximadb_inspect_kind {
    PROXIMADB_INSPECT_WAL = 1,        /* path: a *.wal file */
    PROXIMADB_INSPECT_PARQUET = 2,    /* path: a *.parquet file */
    PROXIMADB_INSPECT_COLLECTION = 3, /* path: the data folder; collection: its name */
    PROXIMADB_INSPECT_SQL = 4         /* likewise: a SELECT of the live rows, for DuckDB */
};

/*
 * Describes a file or a collection as JSON lines (one object a line, each with its "kind"; for SQL:
 * the statement). Read-only; beside a running server too: a collection is described as of its last
 * flush, plus what its log holds.
 *
 * PROXIMADB_CORRUPT      damage; what could be read was given to the sink all the same.
 * PROXIMADB_CANCELLED    the sink stopped it.
 * PROXIMADB_UNAVAILABLE  a running server changes the collection faster than it can be read.
 * PROXIMADB_INVALID, PROXIMADB_UNIMPLEMENTED (a newer format), PROXIMADB_IO, PROXIMADB_NO_MEMORY,
 * PROXIMADB_COLLECTION_NOT_FOUND
 */
PROXIMADB_API PROXIMADB_MUST_CHECK int proximadb_inspect(int kind, const char *path,
                                                         const char *collection,
                                                         proximadb_sink *sink, void *context,
                                                         struct proximadb_error *reterr);

/*
 * Verifies every checksum of every file below `data_dir`, which no server may hold, and changes
 * nothing. Each finding goes to the sink as a JSON line with severity ("note", "warning" or
 * "damage"), file and what; the last line is a summary with the counts of each. What a crash leaves
 * is a note.
 *
 * PROXIMADB_OK           there is no damage.
 * PROXIMADB_CORRUPT      there is; the sink has where.
 * PROXIMADB_UNAVAILABLE  a process holds the folder; the message names it.
 * PROXIMADB_CANCELLED    the sink stopped it.
 * PROXIMADB_INVALID (no data folder), PROXIMADB_IO, PROXIMADB_NO_MEMORY
 */
PROXIMADB_API PROXIMADB_MUST_CHECK int proximadb_check(const char *data_dir, proximadb_sink *sink,
                                                       void *context,
                                                       struct proximadb_error *reterr);

/* ---- backups ------------------------------------------------------------------------------- */

/* Zero in a member means its default. Borrowed for the call. */
struct proximadb_backup_options {
    size_t struct_size;
    const char *const *collections; /* names; for a restore also "NAME:NEWNAME" */
    size_t collection_count;        /* 0: all collections */
    bool copy;                      /* copy every file; default: hard links where possible */

    /* Receives a JSON line for each collection, and a summary as the last one. False stops. */
    proximadb_sink *sink;
    void *sink_context;

    /* Of a backup: read all of it once it is made, as restoring does first. Restoring always does. */
    bool verify;
};

/*
 * Makes a backup of a data folder, in the new or empty folder `backup_dir` outside of it, also while
 * this or another process has the data folder open and writes. Everything that was acknowledged
 * before the call is in it, whole batches only; each collection is as of a moment of its own. Parts
 * are linked, not copied, where both folders are on one file system; they never change, so the
 * backup stays what it is, whatever is written, compacted or dropped. What is linked is not read, so
 * that a damaged part is found with `verify`, or by restoring. On failure nothing is left in
 * `backup_dir`; what a crash leaves, without a BACKUP.json, is refused by proximadb_restore().
 *
 * PROXIMADB_INVALID      no data folder; the backup's folder is not empty or in the data folder.
 * PROXIMADB_COLLECTION_NOT_FOUND  one that was named.
 * PROXIMADB_CORRUPT      a collection is damaged; the message names it and the file.
 * PROXIMADB_UNAVAILABLE  a collection is changed faster than it can be copied; try again later.
 * PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_IO, PROXIMADB_CANCELLED (the sink),
 * PROXIMADB_UNIMPLEMENTED (files of a newer format), PROXIMADB_NO_MEMORY
 */
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_backup(const char *data_dir, const char *backup_dir,
                 const struct proximadb_backup_options *options, struct proximadb_error *reterr);

/*
 * Restores a backup, all of it or the collections that are named, after every checksum of it was
 * verified. `data_dir` is a new or empty folder, or a data folder that no process has open; into one
 * that has collections, one collection at a time is restored, under a name that is free there.
 * Whatever the moment of a crash, either nothing is restored or all that was asked for, and the call
 * can be repeated. A restored collection keeps its id and the versions of its rows.
 *
 * PROXIMADB_CORRUPT      the backup is damaged or was never finished; the message names the file.
 *                        The data folder was not touched.
 * PROXIMADB_INVALID      no backup; the folder is neither empty nor a data folder.
 * PROXIMADB_COLLECTION_NOT_FOUND, PROXIMADB_COLLECTION_EXISTS
 * PROXIMADB_UNAVAILABLE  a process holds the data folder; the message names it.
 * PROXIMADB_RESOURCE_EXHAUSTED (disk full), PROXIMADB_IO, PROXIMADB_CANCELLED (the sink),
 * PROXIMADB_UNIMPLEMENTED (a newer format), PROXIMADB_NO_MEMORY
 */
PROXIMADB_API PROXIMADB_MUST_CHECK int
proximadb_restore(const char *backup_dir, const char *data_dir,
                  const struct proximadb_backup_options *options, struct proximadb_error *reterr);

#ifdef __cplusplus
}
#endif
#endif /* PROXIMADB_H */

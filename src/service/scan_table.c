#include "service/scan_table.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOKEN_DIGITS = 32 };

struct scan {
    char token[TOKEN_DIGITS + 1]; /* "": free */
    struct px_shard *shard;       /* a reference */
    struct px_snapshot snapshot;
    int64_t due_ms; /* monotonic: when it is forgotten */
};

struct px_scan_table {
    const struct px_clock *clock;
    uint64_t limit_ms;
    pthread_mutex_t lock; /* guards: scans */
    struct scan scans[PX_MOST_SCANS];
};

int px_scan_table_new(const struct px_clock *clock, uint64_t limit_ms,
                      struct px_scan_table **ret_table, struct proximadb_error *reterr)
{
    struct px_scan_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return px_fail_no_memory(reterr);
    table->clock = clock;
    table->limit_ms = limit_ms;
    pthread_mutex_init(&table->lock, NULL);
    *ret_table = table;
    return PROXIMADB_OK;
}

static void forget(struct scan *scan)
{
    px_snapshot_release(&scan->snapshot);
    px_shard_unref(scan->shard);
    *scan = (struct scan){0};
}

void px_scan_table_free(struct px_scan_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < PX_MOST_SCANS; i++)
        if (table->scans[i].token[0] != '\0')
            forget(&table->scans[i]);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

static void copy_snapshot(const struct px_snapshot *from, struct px_snapshot *to)
{
    *to = *from;
    (void)px_view_ref(to->view);
}

static struct scan *find_free(struct px_scan_table *table)
{
    for (size_t i = 0; i < PX_MOST_SCANS; i++)
        if (table->scans[i].token[0] == '\0')
            return &table->scans[i];
    return NULL;
}

static struct scan *find_token(struct px_scan_table *table, const char *token)
{
    for (size_t i = 0; i < PX_MOST_SCANS; i++)
        if (memcmp(table->scans[i].token, token, TOKEN_DIGITS) == 0)
            return &table->scans[i];
    return NULL;
}

static void make_token(char token[TOKEN_DIGITS + 1])
{
    uint64_t random[2];
    px_random_bytes(random, sizeof random);
    snprintf(token, TOKEN_DIGITS + 1, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
}

int px_scan_table_start(struct px_scan_table *table, struct px_shard *shard,
                        char cursor[PX_CURSOR_BYTES], struct px_snapshot *ret_snapshot,
                        struct proximadb_error *reterr)
{
    px_scan_table_sweep(table, NULL);
    pthread_mutex_lock(&table->lock);
    struct scan *scan = find_free(table);
    if (scan == NULL) {
        pthread_mutex_unlock(&table->lock);
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "%d scans are under way; finish some of them, or try again later",
                       PX_MOST_SCANS);
    }
    make_token(scan->token);
    scan->shard = px_shard_ref(shard);
    px_shard_snapshot(shard, &scan->snapshot);
    scan->due_ms = table->clock->monotonic_ms(table->clock) + (int64_t)table->limit_ms;
    copy_snapshot(&scan->snapshot, ret_snapshot);
    memcpy(cursor, scan->token, sizeof scan->token);
    pthread_mutex_unlock(&table->lock);
    px_scan_cursor_move(cursor, (struct px_scan_position){0});
    return PROXIMADB_OK;
}

static int parse_cursor(struct px_slice cursor, char token[TOKEN_DIGITS + 1],
                        struct px_scan_position *position, struct proximadb_error *reterr)
{
    char text[PX_CURSOR_BYTES];
    int length = 0;
    if (cursor.size_bytes < sizeof text) {
        memcpy(text, cursor.data, cursor.size_bytes);
        text[cursor.size_bytes] = '\0';
        if (sscanf(text, "%32[0-9a-f]-%" SCNu32 "-%" SCNu32 "%n", token, &position->source_index,
                   &position->row, &length) == 3 &&
            strlen(token) == TOKEN_DIGITS && (size_t)length == cursor.size_bytes)
            return PROXIMADB_OK;
    }
    return px_fail(reterr, PROXIMADB_INVALID,
                   "the cursor is none of ours; pass on the one of the page before, unchanged");
}

int px_scan_table_continue(struct px_scan_table *table, const struct px_shard *shard,
                           struct px_slice cursor, struct px_snapshot *ret_snapshot,
                           struct px_scan_position *ret_position, struct proximadb_error *reterr)
{
    char token[TOKEN_DIGITS + 1];
    int rc = parse_cursor(cursor, token, ret_position, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_scan_table_sweep(table, NULL);
    pthread_mutex_lock(&table->lock);
    struct scan *scan = find_token(table, token);
    if (scan == NULL || scan->shard != shard) {
        rc = px_fail(reterr, PROXIMADB_SNAPSHOT_EXPIRED,
                     "the scan was not continued for %llu seconds, or the server was restarted; "
                     "begin it again",
                     (unsigned long long)table->limit_ms / 1000);
    } else if (ret_position->source_index > scan->snapshot.view->source_count) {
        rc = px_fail(reterr, PROXIMADB_INVALID,
                     "the cursor was changed; pass on the one of the page before, unchanged");
    } else {
        scan->due_ms = table->clock->monotonic_ms(table->clock) + (int64_t)table->limit_ms;
        copy_snapshot(&scan->snapshot, ret_snapshot);
    }
    pthread_mutex_unlock(&table->lock);
    return rc;
}

void px_scan_cursor_move(char cursor[PX_CURSOR_BYTES], struct px_scan_position position)
{
    snprintf(cursor + TOKEN_DIGITS, PX_CURSOR_BYTES - TOKEN_DIGITS, "-%" PRIu32 "-%" PRIu32,
             position.source_index, position.row);
}

void px_scan_table_forget(struct px_scan_table *table, const char cursor[PX_CURSOR_BYTES])
{
    pthread_mutex_lock(&table->lock);
    struct scan *scan = find_token(table, cursor);
    if (scan != NULL)
        forget(scan);
    pthread_mutex_unlock(&table->lock);
}

void px_scan_table_finish(struct px_scan_table *table, const char cursor[PX_CURSOR_BYTES])
{
    pthread_mutex_lock(&table->lock);
    struct scan *scan = find_token(table, cursor);
    if (scan != NULL)
        scan->due_ms = table->clock->monotonic_ms(table->clock) + PX_SCAN_GRACE_MS;
    pthread_mutex_unlock(&table->lock);
}

void px_scan_table_sweep(struct px_scan_table *table, const struct px_shard *shard)
{
    int64_t now_ms = table->clock->monotonic_ms(table->clock);
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < PX_MOST_SCANS; i++) {
        struct scan *scan = &table->scans[i];
        if (scan->token[0] != '\0' &&
            (now_ms >= scan->due_ms || (shard != NULL && scan->shard == shard)))
            forget(scan);
    }
    pthread_mutex_unlock(&table->lock);
}

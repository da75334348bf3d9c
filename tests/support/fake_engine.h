/*
 * fake_engine: stands in for the engine behind proximadb_submit(), so that the server can be tested
 * without one. It answers on a thread of its own, keeps collections in memory, honours deadlines and
 * cancel tokens, and counts what lives. Payloads are built and read by the real src/api.
 *
 * Operations on rows are answered with their own payload (the very buffer, so a test sees that
 * nothing was copied), PROXIMADB_COUNT with 42. The collection's name says how it behaves:
 *
 *      NAME            BEHAVIOUR
 *      slow-MS...      answers after MS milliseconds
 *      never...        answers only when it is cancelled or its deadline has passed
 *      stuck-MS...     likewise after MS milliseconds, and cannot be cancelled
 *      fail-STATUS...  fails with that status, row 3, expected 384, actual 128
 *      big-BYTES...    answers with so many bytes of "0123456789..."
 */
#ifndef PX_FAKE_ENGINE_H
#define PX_FAKE_ENGINE_H

#include <proximadb.h>

struct fake_engine_counts {
    uint64_t submitted;
    uint64_t live;          /* not answered yet */
    uint64_t cancelled;     /* ended by their token */
    uint64_t late;          /* ended by their deadline */
    uint64_t payload_bytes; /* of all requests */
};

/* Returned, free with fake_engine_close(), which waits for what is live. */
proximadb *fake_engine_open(void);
void fake_engine_close(proximadb *db);

void fake_engine_counts(proximadb *db, struct fake_engine_counts *ret_counts);

/* From now on every row operation that succeeds is answered with a copy of these bytes (kept) instead
 * of its own payload; NULL: with that again. */
void fake_engine_answer_with(proximadb *db, const void *answer, size_t size_bytes);

/* The last row operation's collection and payload, for tests in the same process: copied, cut at
 * the size of the arrays. */
struct fake_engine_last {
    int operation;
    char collection[200];
    uint8_t payload[200];
    size_t payload_bytes;
    const void *payload_at;
    int64_t deadline_ms;
};
void fake_engine_last(proximadb *db, struct fake_engine_last *ret_last);

#endif /* PX_FAKE_ENGINE_H */

/*
 * engine_call: one request to the engine on behalf of an exchange.
 *
 * The engine answers on a thread of its own, at a time when the exchange may long be closed. A call
 * takes care of that: it holds the exchange, carries the answer back to the exchange's I/O thread,
 * and when the exchange was closed meanwhile it drops the answer instead.
 *
 *      I/O thread                          engine thread
 *      px_engine_call_start() -----------> ...
 *                                          keeps the answer, posts
 *      done(call)  <----------------------
 *
 * An answer is counted in the server's budget of answers until its last byte is sent, or nobody
 * wants it. A read that finds no room there is refused before it is started, or when it is done:
 * clients that ask and do not take their answers hold no more memory than that. Writes are not
 * refused.
 *
 * A call is part of its exchange's state: struct my_state { struct px_engine_call call; ... }.
 *
 * Threads: the exchange's I/O thread.
 */
#ifndef PX_BRIDGE_ENGINE_CALL_H
#define PX_BRIDGE_ENGINE_CALL_H

#include "http/exchange.h"

#include <proximadb.h>

struct px_engine_call {
    /* The answer, when done is called: error.status is its status, and response is zeroed unless
     * that is PROXIMADB_OK. done takes the response by zeroing it here; what it leaves is released
     * when it returns. It must be taken before the call is started again. */
    struct proximadb_buffer response;
    struct proximadb_error error;

    /* Private: */
    struct px_task answered;
    struct px_exchange *exchange; /* held while the call is under way */
    proximadb_cancel *cancel;
    void (*done)(struct px_exchange *exchange, struct px_engine_call *call);
    bool is_read; /* refused while clients leave too many answers with the server */
    bool is_under_way;
    bool is_unwanted;
};

/*
 * Submits a request. deadline_ms and cancel of the request are filled in here, the deadline from
 * the exchange's; everything else as proximadb_submit() wants it, and so is what happens to it.
 *
 *   call  kept, in the state of the exchange; zeroed, or done
 *   done  is called once on the exchange's thread, not before this returns, unless the call was
 *         cancelled or the exchange closed before
 */
void px_engine_call_start(struct px_engine_call *call, proximadb *db, struct px_exchange *exchange,
                          struct proximadb_request *request,
                          void (*done)(struct px_exchange *exchange, struct px_engine_call *call));

/* Nobody wants the answer any more: fires the cancel token; done will not be called. Does nothing
 * to a call that is not under way. Handlers call it from on_close and on_deadline. */
void px_engine_call_cancel(struct px_engine_call *call);

#endif /* PX_BRIDGE_ENGINE_CALL_H */

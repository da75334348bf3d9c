#include "api/struct_copy.h"
#include "base/buffer.h"
#include "os/fs.h"
#include "service/engine.h"

#include <pthread.h>
#include <stdlib.h>

struct proximadb {
    struct px_engine *engine;
};

int proximadb_open(const char *data_dir, const struct proximadb_options *options,
                   proximadb **ret_db, struct proximadb_error *reterr)
{
    struct px_engine_options engine_options = {.fs = &px_fs_posix, .clock = &px_clock_system};
    int rc = PROXIMADB_OK;
    if (data_dir == NULL || data_dir[0] == '\0')
        return px_fail(reterr, PROXIMADB_INVALID, "the data folder's path is empty; name a folder");
    if (options != NULL)
        rc = px_struct_copy(&engine_options.public_options, sizeof engine_options.public_options,
                            options, "proximadb_options", reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    proximadb *db = calloc(1, sizeof *db);
    if (db == NULL)
        return px_fail_no_memory(reterr);
    rc = px_engine_open(data_dir, &engine_options, &db->engine, reterr);
    if (rc != PROXIMADB_OK) {
        free(db);
        return rc;
    }
    *ret_db = db;
    return PROXIMADB_OK;
}

void proximadb_close(proximadb *db)
{
    if (db == NULL)
        return;
    px_engine_close(db->engine);
    free(db);
}

static void submit(proximadb *db, const struct proximadb_request *request, bool waits,
                   proximadb_done *done, void *context)
{
    struct proximadb_request copy;
    struct proximadb_error error;
    struct proximadb_buffer empty = {0};
    int rc = px_struct_copy(&copy, sizeof copy, request, "proximadb_request", &error);
    if (rc == PROXIMADB_OK) {
        if (waits)
            copy.thread = PROXIMADB_THIS_THREAD;
        px_engine_submit(db->engine, &copy, done, context);
        return;
    }
    if (request != NULL) { /* its first members are the same in every version */
        struct proximadb_buffer payload = request->payload;
        proximadb_buffer_release(&payload);
    }
    done(context, rc, &empty, &error);
}

void proximadb_submit(proximadb *db, const struct proximadb_request *request, proximadb_done *done,
                      void *context)
{
    submit(db, request, false, done, context);
}

/* A thread that waits for one call. */
struct waiter {
    pthread_mutex_t lock; /* guards: the rest */
    pthread_cond_t done;
    bool is_done;
    int status;
    struct proximadb_buffer response;
    struct proximadb_error error;
};

static void wake(void *context, int status, struct proximadb_buffer *response,
                 const struct proximadb_error *error)
{
    struct waiter *waiter = context;
    pthread_mutex_lock(&waiter->lock);
    waiter->status = status;
    waiter->response = *response;
    waiter->error = *error;
    waiter->is_done = true;
    /* Under the lock: the waiter is gone as soon as it has seen is_done. */
    pthread_cond_signal(&waiter->done);
    pthread_mutex_unlock(&waiter->lock);
}

int proximadb_call(proximadb *db, const struct proximadb_request *request,
                   struct proximadb_buffer *ret_response, struct proximadb_error *reterr)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    submit(db, request, true, wake, &waiter);
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.is_done)
        pthread_cond_wait(&waiter.done, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    pthread_mutex_destroy(&waiter.lock);
    pthread_cond_destroy(&waiter.done);
    if (waiter.status != PROXIMADB_OK) {
        if (reterr != NULL)
            *reterr = waiter.error;
        return waiter.status;
    }
    if (ret_response != NULL)
        *ret_response = waiter.response;
    else
        px_public_buffer_release(&waiter.response);
    return PROXIMADB_OK;
}

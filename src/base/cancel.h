/*
 * cancel: a flag that says that nobody waits for an answer any more, held by everyone it concerns.
 *
 * Threads: any thread.
 */
#ifndef PX_BASE_CANCEL_H
#define PX_BASE_CANCEL_H

#include <proximadb.h>

/* One reference; NULL without memory. */
proximadb_cancel *px_cancel_new(void);
proximadb_cancel *px_cancel_ref(proximadb_cancel *cancel);
void px_cancel_unref(proximadb_cancel *cancel); /* accepts NULL */

void px_cancel_fire(proximadb_cancel *cancel);
bool px_cancel_is_fired(const proximadb_cancel *cancel);

#endif /* PX_BASE_CANCEL_H */

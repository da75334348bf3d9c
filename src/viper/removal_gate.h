/*
 * removal_gate: lets files of a store be removed by their path, as long as the path is still that
 * store's.
 *
 * A part that compaction has replaced is removed when its last reader is done, and a reader may be
 * slower than anything else: meanwhile its collection may have been dropped and another one of the
 * same name created, whose own file has that path now. So whoever removes late asks here, and a
 * drop closes the gate before it gives the folder away.
 *
 * Threads: any thread. The lock is held while a file is removed.
 */
#ifndef PX_VIPER_REMOVAL_GATE_H
#define PX_VIPER_REMOVAL_GATE_H

#include "base/error.h"
#include "os/fs.h"

struct px_removal_gate;

/* An open gate. ret_gate: one reference. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_removal_gate_new(struct px_removal_gate **ret_gate,
                                      struct proximadb_error *reterr);
struct px_removal_gate *px_removal_gate_ref(struct px_removal_gate *gate);
void px_removal_gate_unref(struct px_removal_gate *gate); /* accepts NULL */

/* Nothing is removed through it once this returns. */
void px_removal_gate_close(struct px_removal_gate *gate);

/* Removes a file, unless the gate is closed. A failure leaves it to the next opening's sweep. */
void px_removal_gate_remove(struct px_removal_gate *gate, struct px_fs *fs, const char *path);

#endif /* PX_VIPER_REMOVAL_GATE_H */

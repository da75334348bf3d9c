/*
 * render: JSON lines of the engine's inspecting functions as text for people, or as they are.
 *
 *      {"kind":"part","path":"vectors/a.parquet","size_bytes":8192,"row_count":1000}
 *      part         path=vectors/a.parquet size=8.0 KiB row_count=1,000
 *
 *      {"kind":"finding","severity":"damage","file":"/data/a.parquet","what":"..."}
 *      damage       /data/a.parquet: ...
 *
 * A line becomes its kind and then its members: sizes with their unit, counts with commas, texts
 * with blanks in them as JSON. What is no JSON line stays as it is, so that nothing is ever lost.
 * With as_json lines are passed on untouched.
 *
 * Threads: one.
 */
#ifndef PX_CLI_RENDER_H
#define PX_CLI_RENDER_H

#include "base/buffer.h"

#include <stdio.h>

struct px_render {
    FILE *stream;
    bool as_json;
    struct px_buffer rest; /* a line that has not ended yet */
    bool cannot_write;
};

/* A proximadb_sink; context is a struct px_render. */
bool px_render_sink(void *context, const char *text, size_t size_bytes);

/* Writes what is left, releases, and gives the outcome of a call whose sink it was: `status`, or
 * PROXIMADB_IO where something could not be written. */
PX_MUST_CHECK int px_render_end(struct px_render *render, int status,
                                struct proximadb_error *reterr);

/* Appends a line (without its newline) as text with a newline. */
void px_render_line(struct px_slice line, struct px_buffer *text);

#endif /* PX_CLI_RENDER_H */

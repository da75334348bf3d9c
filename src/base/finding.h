/*
 * finding: what a check has to say about a file.
 *
 * A check goes on after it has found something, so what it finds is no error that is returned but a
 * line that is reported, to whoever prints or counts them.
 *
 * Threads: the function that is given says for itself.
 */
#ifndef PX_BASE_FINDING_H
#define PX_BASE_FINDING_H

#include "base/error.h"

/* In rising order. */
enum px_severity {
    PX_NOTE,    /* normal, and good to know: what a crash left, and what will become of it */
    PX_WARNING, /* nothing is lost, but somebody should look */
    PX_DAMAGE,  /* what is there is not what was written */
};

struct px_findings {
    void (*report)(void *context, enum px_severity severity, const char *path, const char *what);
    void *context;
};

/* Reports one finding about the file or folder at `path`; a sentence, cut at 1,000 bytes. findings
 * may be NULL. */
void px_finding_report(const struct px_findings *findings, enum px_severity severity,
                       const char *path, const char *format, ...) PX_PRINTF(4, 5);

/* "note", "warning" or "damage". */
const char *px_severity_name(enum px_severity severity);

#endif /* PX_BASE_FINDING_H */

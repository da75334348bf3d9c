#include "base/finding.h"

#include <stdarg.h>
#include <stdio.h>

enum { LONGEST_SENTENCE_BYTES = 1000 };

void px_finding_report(const struct px_findings *findings, enum px_severity severity,
                       const char *path, const char *format, ...)
{
    if (findings == NULL || findings->report == NULL)
        return;
    char what[LONGEST_SENTENCE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    findings->report(findings->context, severity, path, what);
}

const char *px_severity_name(enum px_severity severity)
{
    static const char *const names[] = {"note", "warning", "damage"};
    return names[severity];
}

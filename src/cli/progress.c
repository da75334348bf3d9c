#include "cli/progress.h"

#include "base/clock.h"
#include "cli/quantity.h"

#include <stdio.h>
#include <unistd.h>

enum { SHOW_NS = 200000000 };

void px_progress_begin(struct px_progress *progress, const char *what, uint64_t total)
{
    int64_t now = px_clock_now_ns();
    *progress = (struct px_progress){.what = what,
                                     .total = total,
                                     .is_shown = isatty(STDERR_FILENO) == 1,
                                     .begin_ns = now,
                                     .shown_ns = now};
}

void px_progress_update(struct px_progress *progress, uint64_t rows)
{
    char done[PX_QUANTITY_TEXT_BYTES], total[PX_QUANTITY_TEXT_BYTES], rate[PX_QUANTITY_TEXT_BYTES];
    if (!progress->is_shown)
        return;
    int64_t now = px_clock_now_ns();
    if (now - progress->shown_ns < SHOW_NS)
        return;
    progress->shown_ns = now;
    double seconds = (double)(now - progress->begin_ns) / 1e9;
    px_quantity_format_count(rows, done);
    px_quantity_format_count(progress->total, total);
    px_quantity_format_count((uint64_t)((double)rows / seconds), rate);
    fprintf(stderr, "\r\033[K%s: %s%s%s rows, %s rows/s", progress->what, done,
            progress->total > 0 ? " of " : "", progress->total > 0 ? total : "", rate);
    fflush(stderr);
}

double px_progress_end(struct px_progress *progress)
{
    if (progress->is_shown)
        fprintf(stderr, "\r\033[K");
    return (double)(px_clock_now_ns() - progress->begin_ns) / 1e9;
}

/*
 * quantity: sizes, times and counts as people write and read them.
 *
 *      64MiB  1GiB  10kB  4096    bytes: KiB, MiB, GiB, TiB are powers of 1,024, and kB, MB, GB, TB
 *                                 of 1,000; B or none means bytes
 *      500ms  30s  30m  12h  7d   times: a unit is needed
 *
 * Units are read in any case.
 *
 * Threads: any.
 */
#ifndef PX_CLI_QUANTITY_H
#define PX_CLI_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

enum { PX_QUANTITY_TEXT_BYTES = 32 };

/* Each is false, and *ret untouched, for a text that is none, or too large for 64 bits. */
bool px_quantity_parse_size(const char *text, uint64_t *ret_bytes);
bool px_quantity_parse_time(const char *text, uint64_t *ret_ms);
bool px_quantity_parse_count(const char *text, uint64_t *ret_count);

/* "512 B", "64.0 MiB"; "1,234,567". */
void px_quantity_format_size(uint64_t bytes, char text[PX_QUANTITY_TEXT_BYTES]);
void px_quantity_format_count(uint64_t count, char text[PX_QUANTITY_TEXT_BYTES]);

#endif /* PX_CLI_QUANTITY_H */

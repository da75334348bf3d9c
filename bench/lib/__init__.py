"""What the measurements of bench/ share.

In reading order: `options`, `workspace` (paths, folders), `rows` (what is inserted), `server` (the
process that is measured), `procfs` (its memory and writes), `stats` (percentiles, medians),
`checks` (right answers), `calibration` (what the machine can do), `report` (table and JSON),
`loader` (a second client), `postgres` and `copy_format` (the peer).
"""

"""What the measurements of bench/ share.

In reading order: `options`, `workspace` (paths, folders), `rows` (what is inserted), `server` (the
process that is measured), `load` (rows into it, from here or from a second process), `procfs` (its
memory and writes), `stats` (percentiles, medians), `rounding` (what is stored of a vector), `checks`
(right answers), `calibration` (what the machine can do), `report` (table and JSON), `postgres` and `copy_format` (the peer).
"""

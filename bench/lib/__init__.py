"""What the measurements of bench/ share.

In reading order: `options`, `workspace` (paths, folders), `rows` (what is inserted), `sets` (all
rows of a data set), `server` (the process that is measured), `load` (rows into it, from here or
from a second process), `procfs` (its memory, writes and CPU time), `spinner` (a process that burns
CPU time), `stats` (percentiles, medians), `rounding` (what is stored of a vector), `checks` (right
answers), `recall` and `errors` (what profiles change), `disk` and `access` (bytes, random rows),
`calibration` (what the machine can do), `report` (table and JSON), `postgres`, `copy_format` and
`stores` (the peers), `contest` (the indexes of contenders/, in turn).
"""

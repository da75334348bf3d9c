"""Data sets for benchmarks and tests: real texts and vectors from packages of apt and pip.

In reading order: `__main__` (options), `texts`, `minilm`, `text1m`, `sift1m` (one set each),
`sources` and `prose` (where texts come from), `vector_set` (files of a set, ground truth), `debian`
and `model` (downloads), `work` (what a stopped run keeps).
"""

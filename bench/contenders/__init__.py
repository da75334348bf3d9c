"""Indexes that bench/ann compares: one adapter each, all called one query per call.

Reading order: contender (what an adapter is), registry (their names), the adapters; then cache (an
index is built once and kept), worker (the process that holds one index), curve (recall and rate).
They run in the Python of `tools/setup bench-ann`, each in a process of its own.
"""

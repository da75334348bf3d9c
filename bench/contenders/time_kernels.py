"""Times the kernels of SimSIMD and NumKong, for bench/kernels.

    python -m contenders.time_kernels DIMS QUERIES ROUNDS

Several queries go into a call where the rows are few, so that the call's own cost is spread; ours
are called in C, where a call costs nothing to speak of. JSON: a list of library, kernel, place and
ns for a row and a query.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numkong
import numpy as np
import simsimd

from contenders.contender import Vectors

L1_BYTES, L2_BYTES, DRAM_BYTES = 24 << 10, 768 << 10, 256 << 20
PAIRS_PER_CALL = 8_192  # or more, where the rows are more
SEED = 7
LIBRARIES = {"simsimd": simsimd, "numkong": numkong}
KERNELS = (
    ("dot f32", np.float32, "dot"),
    ("l2 f32", np.float32, "sqeuclidean"),
    ("dot int8", np.int8, "dot"),
    ("hamming 1 bit", np.uint8, "hamming"),
)


def _rows(dtype: Any, count: int, width: int) -> Any:
    random = np.random.default_rng(SEED)
    if dtype is np.float32:
        return random.random((count, width), np.float32)
    return random.integers(0, 127, (count, width)).astype(dtype)


def _ns_a_row(call: Callable[[], Any], calls: int, rows: int, rounds: int) -> float:
    found = []
    call()
    for _ in range(rounds):
        began = time.perf_counter_ns()
        for _ in range(calls):
            call()
        found.append((time.perf_counter_ns() - began) / calls / rows)
    return float(np.median(found))


def _compare(library: Any, query: Vectors, rows: Vectors, metric: str) -> Callable[[], Any]:
    """One query against all rows."""
    if metric == "hamming":
        return lambda: library.cdist(query, rows, metric=metric, dtype="bin8")
    return lambda: library.cdist(query, rows, metric=metric)


def main(dims: str, queries: str, rounds: str) -> None:
    """Prints the list; a kernel that a library lacks is left out."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    places = (
        ("L1", L1_BYTES, int(queries)),
        ("L2", L2_BYTES, int(queries) // 10 + 1),
        ("DRAM", DRAM_BYTES, 1),
    )
    found = []
    for name, library in LIBRARIES.items():
        for kernel, dtype, metric in KERNELS:
            width = int(dims) // 8 if metric == "hamming" else int(dims)
            row_bytes = width * np.dtype(dtype).itemsize
            for place, size_bytes, calls in places:
                rows = _rows(dtype, size_bytes // row_bytes, width)
                together = max(1, PAIRS_PER_CALL // len(rows))
                call = _compare(library, _rows(dtype, together, width), rows, metric)
                try:
                    ns = _ns_a_row(call, calls // together + 1, len(rows) * together, int(rounds))
                except (TypeError, ValueError, LookupError, AttributeError) as error:
                    print(f"{name} {kernel}: {error}", file=sys.stderr)
                    break
                found.append({"level": name, "kernel": kernel, "place": place, "ns": ns})
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

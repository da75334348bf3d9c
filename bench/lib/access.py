"""How long the vectors of random rows take: from the files, in process, and through the SDK."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np
import proximadb
import pyarrow.parquet as pq

from lib.disk import part_paths
from lib.load import COLLECTION
from lib.rows import Rows, Vectors
from lib.sets import row_numbers
from lib.stats import Run, percentile
from lib.workspace import BenchError, program

READ_ROWS = 1_000
OF_ROWS = 200_000
ROUNDS = 25
SEED = 7


def sdk_get_us(client: proximadb.ProximaDBClient, rows: Rows, rounds: int = ROUNDS) -> float:
    """A row's share of a get() of 1,000 random rows, with all they have; the median."""
    random = np.random.default_rng(SEED)
    times_s = []
    for _ in range(rounds):
        ids = [rows.ids[row] for row in random.permutation(len(rows))[:READ_ROWS]]
        began = time.perf_counter()
        got = client.get(COLLECTION, ids)
        times_s.append(time.perf_counter() - began)
        if [record.id for record in got] != ids:
            raise BenchError("a get did not give the rows it was asked for")
    return percentile(times_s, 50) * 1e6 / len(ids)


def file_access(data: Path, stored: Vectors, scratch: Path) -> Run:
    """One run of bench_rows over the parts, whose vectors must be the stored ones."""
    paths, out = part_paths(data), scratch / "rows.bin"
    for path in paths:
        path.read_bytes()  # they are in the page cache from here on
    numbers = [str(number) for number in (OF_ROWS, READ_ROWS, ROUNDS)]
    lines = _bench_rows("parts", out, *numbers, *paths)
    _check(out, paths, stored)
    us_row = {kind: _us_row(lines, kind) for kind in ("first", "all", "random")}
    return {
        "random_us": us_row["random"],
        "thousand_ms": us_row["random"] * READ_ROWS / 1e3,
        "first_us": us_row["first"],
        "in_order_us": us_row["all"],
    }


def process_get_us(data: Path, rows: Rows, scratch: Path) -> float:
    """A row's share of a get of 1,000 random rows in process, with all they have; the median."""
    chosen = np.random.default_rng(SEED).permutation(len(rows))[:READ_ROWS]
    ids = scratch / "ids.txt"
    ids.write_text("".join(f"{rows.ids[row]}\n" for row in chosen))
    return _us_row(_bench_rows("get", data, COLLECTION, ids, str(ROUNDS)), "get")


def _bench_rows(*words: str | Path) -> list[list[str]]:
    done = subprocess.run(
        [program("bench_rows"), *words], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(done.stderr.strip())
    return [line.split() for line in done.stdout.splitlines()]


def _us_row(lines: list[list[str]], kind: str) -> float:
    """The median of the lines of that kind: kind, rows, nanoseconds."""
    times = [int(line[2]) / int(line[1]) for line in lines if line[0] == kind]
    return percentile(times, 50) / 1e3


def _check(out: Path, paths: list[Path], stored: Vectors) -> None:
    """BenchError unless the rows that bench_rows has written are those that the server gave."""
    layout = np.dtype([("row", "<i8"), ("vector", "<f4", stored.shape[1])])
    read = np.fromfile(out, layout)
    ids = [id_ for path in paths for id_ in pq.read_table(path, columns=["id"])["id"].to_pylist()]
    expected = stored[row_numbers([ids[row] for row in read["row"]])]
    if len(read) != READ_ROWS or not np.array_equal(
        read["vector"].view(np.uint32), expected.view(np.uint32)
    ):
        raise BenchError("the parts hold other vectors than the server gave")

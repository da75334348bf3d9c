"""bench/search_exact: exact search in process and through the SDK, beside the speed of memory.

The rows are loaded through a server and flushed. Queries come through the SDK first; then the
server is stopped, and the C program bench_search asks the same ones of the same folder through
libproximadb. An exact search reads every vector once, so it cannot take less than the vectors'
bytes divided by the rate at which one thread reads memory: the scan limit, beside each run. That is
with storage "exact" and layout "plain"; beside it stands "balanced", the default, whose vectors are
decoded on the way.
"""

from __future__ import annotations

import subprocess
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import proximadb

from lib.calibration import read_rate_gb_s
from lib.checks import BruteForce, ScoredId, check_count, scored
from lib.load import COLLECTION, create, insert_all
from lib.options import Measurement, run_program
from lib.report import Column, Report
from lib.rows import DIM_COUNT, Rows, load_rows
from lib.server import Server
from lib.stats import Run, spread_ms
from lib.workspace import BenchError, program, scratch_folder

FLOAT_BYTES = 4
COLUMNS = (
    Column("way", "way", "s"),
    Column("p50_ms", "p50 ms", ".3f"),
    Column("p99_ms", "p99 ms", ".3f"),
    Column("max_ms", "max ms", ".2f"),
    Column("queries_s", "queries/s", ",.1f"),
    Column("limit_ms", "scan limit ms", ".3f"),
    Column("times_limit", "p50 / limit", ".2f"),
)
PROFILES = (("exact", "plain"), ("balanced", None))  # storage, layout
Answers = list[tuple[float, list[ScoredId]]]  # seconds and hits of each query, in their order


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--queries", type=int, default=100, help="of each run; %(default)s")
    parser.add_argument("--k", type=int, default=10, help="default %(default)s")
    parser.add_argument(
        "--threads", type=int, default=0, help="workers of the engine in process; 0: its default"
    )


MEASUREMENT = Measurement(
    "search_exact",
    "Exact search, cosine, one query at a time, in process and through the Python SDK",
    runs=5,
    rows=100_000,
    more=_options,
)


def _through_sdk(client: proximadb.ProximaDBClient, rows: Rows, k: int) -> Answers:
    answers: Answers = []
    for query in rows.queries:
        began = time.perf_counter()
        hits = client.search(COLLECTION, query, k=k, exact=True)
        answers.append((time.perf_counter() - began, scored(hits)))
    return answers


def _serve_and_ask(
    rows: Rows, data: Path, options: Namespace, storage: str, layout: str | None
) -> list[Answers]:
    """Loads and flushes the rows, and asks all queries through the SDK in each run."""
    with Server(data) as server, server.client() as client:
        create(client, storage, layout)
        insert_all(client, rows)
        client.flush(COLLECTION)
        check_count(client, COLLECTION, len(rows))
        _through_sdk(client, rows, options.k)  # maps the files
        return [_through_sdk(client, rows, options.k) for _ in range(options.runs)]


def _in_process(rows: Rows, data: Path, options: Namespace) -> list[Answers]:
    """The same through bench_search."""
    queries = data.with_name("queries.f32")
    queries.write_bytes(rows.queries.tobytes())
    numbers = [DIM_COUNT, options.k, options.runs, options.threads]
    command: list[str | Path] = [
        program("bench_search"),
        data,
        COLLECTION,
        queries,
        *map(str, numbers),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(done.stderr.strip())
    lines = [line.split() for line in done.stdout.splitlines()]
    return [
        [_answer(words) for words in lines if int(words[0]) == number]
        for number in range(options.runs)
    ]


def _answer(words: list[str]) -> tuple[float, list[ScoredId]]:
    """A line of bench_search: round, query, nanoseconds, then ids and scores."""
    hits = [ScoredId(words[i], float(words[i + 1])) for i in range(3, len(words), 2)]
    return int(words[2]) / 1e9, hits


def _check(rows: Rows, answers: Answers, truth: BruteForce, k: int) -> None:
    if len(answers) != len(rows.queries):
        raise BenchError(f"{len(answers)} of {len(rows.queries)} queries were answered")
    for query, (_, hits) in zip(rows.queries, answers, strict=True):
        truth.check(query, hits, k)


def _figures(way: str, answers: Answers, limit_ms: float) -> Run:
    """One run's."""
    times_s = [seconds for seconds, _ in answers]
    spread = spread_ms(times_s)
    return {
        "way": way,
        **spread,
        "queries_s": len(times_s) / sum(times_s),
        "limit_ms": limit_ms,
        "times_limit": spread["p50_ms"] / limit_ms,
    }


def measure(options: Namespace) -> None:
    """Both ways, checked against numpy."""
    rows = load_rows(options.datasets, options.rows).with_queries(options.queries)
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    size_bytes = len(rows) * DIM_COUNT * FLOAT_BYTES
    limit_ms = size_bytes / report.calibration.dram_gb_s / 1e6
    own_rate = read_rate_gb_s(size_bytes)
    runs: list[Run] = []
    for storage, layout in PROFILES:
        with scratch_folder(options.folder, "search") as scratch:
            data = scratch / "data"
            ways = {
                "Python SDK": _serve_and_ask(rows, data, options, storage, layout),
                "in process": _in_process(rows, data, options),
            }
        truth = BruteForce(rows, storage)
        for way, ways_runs in ways.items():
            for answers in ways_runs:
                _check(rows, answers, truth, options.k)
                runs.append(_figures(f"{way}, {storage}", answers, limit_ms))
    report.note("rows", f"{len(rows):,} x {DIM_COUNT} float32, k = {options.k}; {rows.origin}")
    report.note("checked", f"{len(rows.queries)} answers of each run are numpy's")
    report.note(
        "limit",
        f"{size_bytes / 1e6:.1f} MB at {report.calibration.dram_gb_s:.1f} GB/s = {limit_ms:.3f} ms "
        f"(a buffer of just that size is read at {own_rate:.1f} GB/s)",
    )
    report.runs(COLUMNS, runs, kind=["way"])
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

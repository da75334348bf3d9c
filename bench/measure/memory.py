"""bench/memory: what the server holds in memory after loading, flushing, searching and compacting.

RssAnon is memory of the process alone. RSS has the pages of mapped Parquet files in it, which the
system drops when it needs room; an exact search touches all of them. The first figure of each is at
the end of a phase, the peak within it.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import proximadb

from lib.checks import check_collection
from lib.load import COLLECTION, create, insert_all
from lib.options import Measurement, run_program
from lib.procfs import MIB, Sampler
from lib.report import Column, Report
from lib.rows import Rows, load_rows
from lib.server import Server
from lib.stats import Run
from lib.workspace import scratch_folder

K = 10
KIND = ("rows", "phase")
COLUMNS = (
    Column("rows", "rows", ",.0f"),
    Column("phase", "phase", "s"),
    Column("anon_mib", "RssAnon MiB", ",.1f"),
    Column("anon_peak_mib", "peak", ",.1f"),
    Column("rss_mib", "RSS MiB", ",.1f"),
    Column("rss_peak_mib", "peak", ",.1f"),
    Column("anon_bytes_row", "RssAnon B/row", ",.0f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--small-rows", type=int, default=100_000, help="measured before --rows; %(default)s"
    )
    parser.add_argument("--searches", type=int, default=100, help="of a phase; %(default)s")


MEASUREMENT = Measurement(
    "memory",
    "Memory of the server after loading and during search",
    runs=5,
    rows=1_000_000,
    more=_options,
)


def _search(client: proximadb.ProximaDBClient, rows: Rows, count: int) -> None:
    for query in islice(cycle(rows.queries), count):
        client.search(COLLECTION, query, k=K, exact=True)


def _phases(
    client: proximadb.ProximaDBClient, rows: Rows, search_count: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """What happens, in order."""
    yield "started", lambda: create(client)
    yield "loaded", lambda: insert_all(client, rows)
    yield "flushed", lambda: client.flush(COLLECTION)
    yield "searched", lambda: _search(client, rows, search_count)
    yield "compacted", lambda: client.compact(COLLECTION)
    yield "searched again", lambda: _search(client, rows, search_count)


def _watch(server: Server, phase: str, work: Callable[[], object], row_count: int) -> Run:
    with Sampler(lambda: [server.pid]) as sampler:
        work()
    return {
        "rows": row_count,
        "phase": phase,
        "anon_mib": sampler.last.anon / MIB,
        "anon_peak_mib": sampler.peak.anon / MIB,
        "rss_mib": sampler.last.rss / MIB,
        "rss_peak_mib": sampler.peak.rss / MIB,
        "anon_bytes_row": sampler.last.anon / row_count,
    }


def _one_run(rows: Rows, folder: Path, search_count: int) -> list[Run]:
    """All phases of one server."""
    with (
        scratch_folder(folder, "memory") as scratch,
        Server(scratch / "data") as server,
        server.client() as client,
    ):
        phases = [
            _watch(server, phase, work, len(rows))
            for phase, work in _phases(client, rows, search_count)
        ]
        check_collection(client, COLLECTION, rows)
        return phases


def measure(options: Namespace) -> None:
    """Both sizes."""
    rows = load_rows(options.datasets, options.rows)
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    report.note("rows", rows.origin)
    runs: list[Run] = []
    for count in sorted({min(options.small_rows, options.rows), options.rows}):
        for _ in range(options.runs):
            runs += _one_run(rows.head(count), options.folder, options.searches)
    report.note("checked", "each run: rows counted, 1,000 read back, 5 searches equal to numpy's")
    report.medians(COLUMNS, runs, KIND, Column("anon_mib", "RssAnon of each run", ".1f"))
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

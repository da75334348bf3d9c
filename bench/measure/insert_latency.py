"""bench/insert_latency: how long one row takes while a second client loads and flushes run.

Each run has a server of its own. First rows are inserted one by one with nothing else at work; then
for some seconds beside a client in a process of its own that inserts 10,000 rows a second and
flushes them every half second; then beside the same client without any pause, so that memory is
flushed to Parquet again and again. The next row is sent when the last is acknowledged.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

import proximadb

from lib.checks import check_count, check_records
from lib.load import COLLECTION, STORAGE, BackgroundLoader, create, insert
from lib.options import Measurement, run_program
from lib.report import Column, Report
from lib.rows import Batch, Rows, load_rows, row_id
from lib.server import Server
from lib.stats import Run, spread_ms
from lib.workspace import BenchError, scratch_folder

WARM_UP_INSERTS = 100
PACE_ROWS_S = 10_000
GET_ROWS = 1_000
COLUMNS = (
    Column("beside", "beside", "s"),
    Column("inserts", "inserts", ",.0f"),
    Column("p50_ms", "p50 ms", ".3f"),
    Column("p99_ms", "p99 ms", ".3f"),
    Column("max_ms", "max ms", ".2f"),
    Column("loaded_rows_s", "loaded rows/s", ",.0f"),
    Column("flushes", "flushes", ".0f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--inserts", type=int, default=2_000, help="with nothing else at work; %(default)s"
    )
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="beside the second client; %(default)s"
    )


MEASUREMENT = Measurement(
    "insert_latency",
    "One-row insert through the Python SDK while a second client loads and flushes run",
    runs=5,
    rows=100_000,
    more=_options,
)


@dataclass
class OneByOne:
    """A client that inserts single rows, and remembers which."""

    client: proximadb.ProximaDBClient
    rows: Rows
    inserted: int = 0

    def insert(self) -> float:
        """The next row; the seconds it took."""
        batch = self._batch(self.inserted, self.inserted + 1)
        self.inserted += 1
        return insert(self.client, batch)

    def check(self) -> None:
        """BenchError unless all of them can be read back as they were."""
        for first in range(0, self.inserted, GET_ROWS):
            batch = self._batch(first, min(first + GET_ROWS, self.inserted))
            check_records(self.client.get(COLLECTION, batch.ids), batch, STORAGE)

    def _batch(self, first: int, end: int) -> Batch:
        """Rows of ours: those of the data set over and over, under ids of their own."""
        positions = [number % len(self.rows) for number in range(first, end)]
        return Batch(
            [row_id(number, "one") for number in range(first, end)],
            self.rows.vectors[positions],
            [self.rows.metadata[position] for position in positions],
            [self.rows.documents[position] for position in positions],
        )


def _flushed_parts(data: Path) -> set[str]:
    """The files that flushes have written."""
    return {path.name for path in data.glob(f"store/{COLLECTION}/vectors/cluster_000/*.parquet")}


def _alone(inserter: OneByOne, count: int) -> Run:
    times_s = [inserter.insert() for _ in range(WARM_UP_INSERTS + count)][WARM_UP_INSERTS:]
    return {"beside": "nothing", "inserts": len(times_s), **spread_ms(times_s)}


def _beside_loader(
    inserter: OneByOne, loader: BackgroundLoader, data: Path, seconds: float, pace: int
) -> tuple[Run, int]:
    """One run, and the rows that the second client has inserted in it."""
    parts_before = _flushed_parts(data)
    loader.begin(pace)
    deadline = time.perf_counter() + seconds
    times_s = []
    while time.perf_counter() < deadline:
        times_s.append(inserter.insert())
    flushes = len(_flushed_parts(data) - parts_before)
    loaded_rows, loaded_s = loader.end()
    if flushes == 0:
        raise BenchError("no flush ran beside the inserts; give more --seconds")
    figures: Run = {
        "beside": "bulk load" if pace == 0 else f"{pace:,} rows/s",
        "inserts": len(times_s),
        **spread_ms(times_s),
        "loaded_rows_s": loaded_rows / loaded_s,
        "flushes": flushes,
    }
    return figures, loaded_rows


def _one_run(rows: Rows, options: Namespace) -> list[Run]:
    with (
        scratch_folder(options.folder, "latency") as scratch,
        Server(scratch / "data") as server,
        server.client() as client,
        BackgroundLoader(server.address, options.datasets, len(rows)) as loader,
    ):
        create(client)
        inserter = OneByOne(client, rows)
        alone = _alone(inserter, options.inserts)
        paced, paced_rows = _beside_loader(
            inserter, loader, server.data, options.seconds, PACE_ROWS_S
        )
        bulk, bulk_rows = _beside_loader(inserter, loader, server.data, options.seconds, 0)
        check_count(client, COLLECTION, inserter.inserted + paced_rows + bulk_rows)
        inserter.check()
        return [alone, paced, bulk]


def measure(options: Namespace) -> None:
    """All runs."""
    rows = load_rows(options.datasets, options.rows)
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    report.note("rows", f"{len(rows):,} over and over under new ids; {rows.origin}")
    runs: list[Run] = []
    for _ in range(options.runs):
        runs += _one_run(rows, options)
    report.note("checked", "each run: all rows counted, every single row read back bit by bit")
    report.runs(COLUMNS, runs, kind=["beside"])
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

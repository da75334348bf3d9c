"""bench/ingest: durable ingest through the SDK, and the same rows into PostgreSQL with pgvector.

A row is acknowledged when it is on the device. The clock starts before the first batch is encoded;
"acked" ends with the last acknowledgement, "flushed" when all rows are in Parquet (for the peer:
when a checkpoint has written its table). Batches follow each other without pause, from one client.
"""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import psycopg

from lib import postgres
from lib.checks import check_collection, sample_batch
from lib.load import BATCH_ROWS, COLLECTION, create, insert_all
from lib.options import Measurement, run_program
from lib.procfs import MIB, Sampler, with_children
from lib.report import Column, Report
from lib.rows import Rows, load_rows
from lib.server import Server
from lib.stats import Run, spread_ms
from lib.workspace import scratch_folder, tree_bytes

PEER_SAMPLE_ROWS = 1_000
COLUMNS = (
    Column("system", "system", "s"),
    Column("acked_rows_s", "acked rows/s", ",.0f"),
    Column("flushed_rows_s", "flushed rows/s", ",.0f"),
    Column("batch_p50_ms", "batch p50 ms", ".2f"),
    Column("batch_p99_ms", "p99 ms", ".2f"),
    Column("batch_max_ms", "max ms", ".1f"),
    Column("peak_anon_mib", "peak RssAnon MiB", ",.0f"),
    Column("peak_rss_mib", "peak RSS MiB", ",.0f"),
    Column("written_bytes_row", "written B/row", ",.0f"),
    Column("disk_bytes_row", "disk B/row", ",.0f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--batch", type=int, default=BATCH_ROWS, help="rows of a call; %(default)s")
    parser.add_argument("--peer", choices=["pgvector"], help="run it in turn, in the same run")


MEASUREMENT = Measurement(
    "ingest",
    "Durable ingest through the Python SDK, fsync and flush on, one client",
    rows=1_000_000,
    runs=5,
    more=_options,
)


def _run(
    system: str,
    sampler: Sampler,
    batches_s: list[float],
    times_s: tuple[float, float],
    rows: Rows,
    disk_bytes: int,
) -> Run:
    """One run's figures. `times_s`: until the last acknowledgement, until all is flushed."""
    acked_s, flushed_s = times_s
    return {
        "system": system,
        "acked_s": acked_s,
        "flushed_s": flushed_s,
        "acked_rows_s": len(rows) / acked_s,
        "flushed_rows_s": len(rows) / flushed_s,
        **spread_ms(batches_s, "batch_"),
        "peak_anon_mib": sampler.peak.anon / MIB,
        "peak_rss_mib": sampler.peak.rss / MIB,
        "written_bytes_row": sampler.written_bytes / len(rows),
        "disk_bytes_row": disk_bytes / len(rows),
    }


def _proximadb(rows: Rows, folder: Path, batch_rows: int) -> tuple[Run, str]:
    """One run of ours, and what was checked."""
    os.sync()  # what is left of a run before must not be written during this one
    with (
        scratch_folder(folder, "ingest") as scratch,
        Server(scratch / "data") as server,
        server.client() as client,
    ):
        create(client)
        with Sampler(lambda: [server.pid]) as sampler:
            began = time.perf_counter()
            batches_s = insert_all(client, rows, batch_rows)
            acked_s = time.perf_counter() - began
            client.flush(COLLECTION)
            flushed_s = time.perf_counter() - began
        checked = check_collection(client, COLLECTION, rows)
        disk_bytes = tree_bytes(server.data)
    return _run("proximadb", sampler, batches_s, (acked_s, flushed_s), rows, disk_bytes), checked


def _copy_all(
    connection: psycopg.Connection[Any], rows: Rows, batch_rows: int
) -> tuple[list[float], tuple[float, float]]:
    began = time.perf_counter()
    batches_s = [postgres.copy_batch(connection, batch) for batch in rows.batches(batch_rows)]
    acked_s = time.perf_counter() - began
    connection.execute("CHECKPOINT")
    return batches_s, (acked_s, time.perf_counter() - began)


def _pgvector(rows: Rows, folder: Path, batch_rows: int) -> tuple[Run, str]:
    """One run of the peer, and what it is."""
    os.sync()
    with (
        scratch_folder(folder, "ingest-peer") as scratch,
        postgres.Postgres(scratch) as cluster,
        cluster.connect() as connection,
    ):
        postgres.create_table(connection)
        with Sampler(lambda: with_children(cluster.pid)) as sampler:
            batches_s, times_s = _copy_all(connection, rows, batch_rows)
        sample = sample_batch(rows, min(PEER_SAMPLE_ROWS, len(rows)))
        postgres.check_rows(connection, len(rows), sample)
        disk_bytes = tree_bytes(cluster.data)
        description = postgres.describe(connection)
    return _run("pgvector", sampler, batches_s, times_s, rows, disk_bytes), description


def measure(options: Namespace) -> None:
    """All runs, ours and the peer's in turn."""
    rows = load_rows(options.datasets, options.rows)
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    report.note("rows", f"{len(rows):,} in batches of {options.batch:,}; {rows.origin}")
    runs: list[Run] = []
    checked = peer = ""
    for _ in range(options.runs):
        figures, checked = _proximadb(rows, options.folder, options.batch)
        runs.append(figures)
        if options.peer is not None:
            figures, peer = _pgvector(rows, options.folder, options.batch)
            runs.append(figures)
    report.note("checked", f"each run: {checked}")
    if peer:
        report.note("peer", f"{peer}; primary key on id, COPY BINARY, one commit per batch")
    report.runs(COLUMNS, runs, kind=["system"])
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

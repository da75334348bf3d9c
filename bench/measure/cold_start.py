"""bench/cold_start: from starting the server to the first right answer.

The clock starts before the process does and stops when an exact search, the first call of a client
that tries until the port is open, has answered. Measured for a collection as flushes leave it and
for one that was compacted into clusters, each

    behind SIGTERM
    behind SIGKILL, with rows in the log that no flush has written; the search is for the last of
    them, so that the answer is right only if the log was replayed to its end

and with its files in the page cache, and out of it as after a reboot (but for the program itself).
"""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from proximadb.types import Hit, VersionArray

from lib.checks import BruteForce, check_collection, check_count, scored
from lib.load import COLLECTION, STORAGE, create, insert_all
from lib.options import Measurement, run_program
from lib.report import Column, Report
from lib.rows import Rows, Vectors, load_rows
from lib.server import Server
from lib.stats import Run
from lib.workspace import BenchError, scratch_folder

K = 10
KIND = ("layout", "ended", "cache")
COLUMNS = (
    Column("layout", "layout", "s"),
    Column("ended", "ended by", "s"),
    Column("cache", "page cache", "s"),
    Column("answer_ms", "to answer ms", ".1f"),
    Column("port_ms", "to open port ms", ".1f"),
    Column("tail_rows", "tail rows", ",.0f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tail", type=int, default=5_000, help="rows in the log alone when killed; %(default)s"
    )


MEASUREMENT = Measurement(
    "cold_start",
    "Server start to the first right answer, after a clean stop and after SIGKILL",
    runs=5,
    rows=100_000,
    more=_options,
)


class Folder:
    """A data folder with rows in Parquet, whose server is started, ended and started again.

    All but the last `tail_count` rows are flushed. Those are the tail, which is written anew before
    each SIGKILL.
    """

    def __init__(self, data: Path, rows: Rows, tail_count: int) -> None:
        self._server = Server(data)
        self._flushed = rows.head(len(rows) - tail_count)
        self._tail = rows.part(len(rows) - tail_count, len(rows))
        self._all = rows

    def load(self, is_compacted: bool) -> None:
        """Inserts and flushes all but the tail."""
        with self._server as server, server.client() as client:
            create(client)
            insert_all(client, self._flushed)
            client.flush(COLLECTION)
            if is_compacted:
                client.compact(COLLECTION)
            check_collection(client, COLLECTION, self._flushed)

    def after_stop(self, drop_cache: bool) -> Run:
        """A timed start behind a clean stop, before there is a tail."""
        hits, figures = self._timed_start(self._flushed, self._flushed.queries[0], drop_cache)
        BruteForce(self._flushed, STORAGE).check(self._flushed.queries[0], scored(hits), K)
        return figures

    def after_kill(self, drop_cache: bool) -> Run:
        """A timed start behind SIGKILL, with the tail in the log alone."""
        versions = self._write_tail_and_kill()
        query = self._tail.vectors[-1]
        hits, figures = self._timed_start(self._all, query, drop_cache)
        BruteForce(self._all, STORAGE).check(query, scored(hits), K)
        last = [hit.version for hit in hits if hit.id == self._tail.ids[-1]]
        if last != [int(versions[-1])]:
            raise BenchError("SIGKILL took a row that was acknowledged")
        return {**figures, "tail_rows": len(self._tail.ids)}

    def _write_tail_and_kill(self) -> VersionArray:
        """Flushes what is there, upserts the tail, kills; the versions of the tail's rows."""
        self._server.start()
        with self._server.client() as client:
            client.flush(COLLECTION)
            result = client.upsert(
                COLLECTION,
                self._tail.vectors,
                ids=self._tail.ids,
                metadata=self._tail.metadata,
                documents=self._tail.documents,
            )
            unflushed = client.get_collection(COLLECTION).memtable_bytes
        self._server.kill()
        if unflushed < self._tail.vectors.nbytes:
            raise BenchError("the tail was flushed before the server was killed; use a shorter one")
        return result.versions

    def _timed_start(self, rows: Rows, query: Vectors, drop_cache: bool) -> tuple[list[Hit], Run]:
        """Starts, searches, counts and stops; the first answer and when it came."""
        if drop_cache:
            _drop_from_page_cache(self._server.data)
        began = time.perf_counter()
        with self._server as server, server.client() as client:
            port_s = time.perf_counter() - began
            hits = client.search(COLLECTION, query, k=K, exact=True)
            answer_s = time.perf_counter() - began
            check_count(client, COLLECTION, len(rows))
        return hits, {"answer_ms": answer_s * 1e3, "port_ms": port_s * 1e3}


def _drop_from_page_cache(folder: Path) -> None:
    """Lets the system forget the files' pages, as a reboot would."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)  # only what is on the device can be dropped
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def _starts(folder: Folder, layout: str, run_count: int) -> Iterator[Run]:
    """All starts of one folder. Clean stops come first."""
    for ended, timed_start in (("SIGTERM", folder.after_stop), ("SIGKILL", folder.after_kill)):
        for drop_cache in (False, True):
            kind = {"layout": layout, "ended": ended, "cache": "empty" if drop_cache else "warm"}
            for _ in range(run_count):
                yield {**kind, **timed_start(drop_cache)}


def measure(options: Namespace) -> None:
    """All kinds of starts, of both layouts."""
    rows = load_rows(options.datasets, options.rows + options.tail)
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    report.note("rows", f"{options.rows:,} in Parquet; {rows.origin}")
    runs: list[Run] = []
    for layout in ("flushed", "compacted"):
        with scratch_folder(options.folder, "cold") as scratch:
            folder = Folder(scratch / "data", rows, options.tail)
            folder.load(is_compacted=layout == "compacted")
            runs += _starts(folder, layout, options.runs)
    report.note(
        "checked",
        "each start: the answer is numpy's, the count exact; behind SIGKILL the nearest row is the "
        "last that was acknowledged, at its version",
    )
    report.medians(COLUMNS, runs, KIND, Column("answer_ms", "to answer, each run", ".0f"))
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

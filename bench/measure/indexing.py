"""bench/indexing: what building an index costs those who search meanwhile.

One server has an indexed collection, which one client searches by its index, k = 10:

    beside nothing      nothing is left to be indexed
    beside a build      of a second collection, whose rows were all inserted just before
    beside a spinner    a process of the lowest priority burns as much CPU time as the build did

The goal is about build / spinner, as the median of the runs' ratios: what is above 1 is what a
build costs by its memory, its locks and its device beyond its CPU time.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from itertools import cycle

import proximadb

from lib.checks import check_count
from lib.load import COLLECTION, create, insert_all
from lib.options import Measurement, run_program
from lib.procfs import BackgroundCpu
from lib.report import Column, Goal, Report
from lib.rows import Rows, load_rows
from lib.server import Server
from lib.spinner import Spinner
from lib.stats import Run, median_run, percentile, spread_ms
from lib.workspace import BenchError, scratch_folder
from measure.to_indexed import rows_to_index, wait_until_indexed

K = 10
BUILT = "built"
WARM_UP_SEARCHES = 200
LEAST_SHARE = 0.05  # of a core: less is no build beside which to measure
NOTHING, BUILD, SPINNER = "nothing", "build", "spinner"
P99_MOST = 2.0
COLUMNS = (
    Column("beside", "beside", "s"),
    Column("searches", "searches", ",.0f"),
    Column("p50_ms", "p50 ms", ".3f"),
    Column("p95_ms", "p95 ms", ".3f"),
    Column("p99_ms", "p99 ms", ".3f"),
    Column("max_ms", "max ms", ".2f"),
    Column("cpu_percent", "background CPU %", ".1f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=10.0, help="of each search; %(default)s")
    parser.add_argument(
        "--built-rows", type=int, default=200_000, help="of the other one; %(default)s"
    )


MEASUREMENT = Measurement(
    "indexing",
    "Searches by an index while another index is built",
    runs=5,
    rows=100_000,
    more=_options,
)


class Bench:
    """A server with both collections, and a client of it."""

    def __init__(
        self, server: Server, client: proximadb.ProximaDBClient, rows: Rows, options: Namespace
    ) -> None:
        self._server, self._client = server, client
        self._searched, self._built = rows.head(options.rows), rows.head(options.built_rows)
        self._seconds: float = options.seconds
        self._queries = cycle(rows.queries)

    def load(self) -> None:
        """The collection that is searched, and its index."""
        create(self._client, index_type="HNSW")
        insert_all(self._client, self._searched)
        self._client.flush(COLLECTION)
        wait_until_indexed(self._client, COLLECTION)
        check_count(self._client, COLLECTION, len(self._searched))

    def run(self) -> list[Run]:
        """All three."""
        for _ in range(WARM_UP_SEARCHES):
            self._search()
        nothing = self._search_beside(NOTHING)
        create(self._client, name=BUILT, index_type="HNSW")
        insert_all(self._client, self._built, name=BUILT)
        build = self._search_beside(BUILD)
        left = rows_to_index(self._client.get_collection(BUILT))
        self._client.delete_collection(BUILT)
        share = build["cpu_percent"] / 100
        if left == 0 or share < LEAST_SHARE:
            raise BenchError(
                "the build did not last as long as the searches; give more --built-rows"
            )
        with Spinner(share) as spinner:
            times_s = self._search_for()
        return [nothing, build, _search_run(SPINNER, times_s, spinner.share)]

    def _search(self) -> float:
        query = next(self._queries)
        began = time.perf_counter()
        hits = self._client.search(COLLECTION, query, k=K)
        took_s = time.perf_counter() - began
        if len(hits) != K:
            raise BenchError(f"a search for {K} rows gave {len(hits)}")
        return took_s

    def _search_for(self) -> list[float]:
        deadline = time.perf_counter() + self._seconds
        times_s = []
        while time.perf_counter() < deadline:
            times_s.append(self._search())
        return times_s

    def _search_beside(self, beside: str) -> Run:
        with BackgroundCpu(self._server.pid) as cpu:
            times_s = self._search_for()
        return _search_run(beside, times_s, cpu.share)


def _search_run(beside: str, times_s: list[float], share: float) -> Run:
    return {
        "beside": beside,
        "searches": len(times_s),
        **spread_ms(times_s),
        "p95_ms": percentile(times_s, 95) * 1e3,
        "cpu_percent": share * 100,
    }


def ratios(runs: list[Run]) -> list[Run]:
    """Of each run: how many times longer searches take beside a build than beside a spinner."""
    beside = {kind: [run for run in runs if run["beside"] == kind] for kind in (BUILD, SPINNER)}
    return [
        {name: build[name] / control[name] for name in ("p50_ms", "p95_ms", "p99_ms")}
        for build, control in zip(beside[BUILD], beside[SPINNER], strict=True)
    ]


def measure(options: Namespace) -> None:
    """All runs in one server."""
    rows = load_rows(options.datasets, max(options.rows, options.built_rows))
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    runs: list[Run] = []
    with (
        scratch_folder(options.folder, "indexing") as scratch,
        Server(scratch / "data") as server,
        server.client() as client,
    ):
        bench = Bench(server, client, rows, options)
        bench.load()
        for _ in range(options.runs):
            runs += bench.run()
    of_control = ratios(runs)
    report.note(
        "rows", f"{options.rows:,} searched, {options.built_rows:,} indexed a run; {rows.origin}"
    )
    report.runs(COLUMNS, runs, kind=["beside"])
    for key in ("p50_ms", "p95_ms", "p99_ms"):
        each = " ".join(f"{run[key]:.2f}" for run in of_control)
        text = f"build / spinner: {median_run(of_control)[key]:.2f} ({each})"
        report.note(f"{key.removesuffix('_ms')} ratio", text)
    p99 = median_run(of_control)["p99_ms"]
    report.goals([Goal("search p99 of the control's", p99, P99_MOST, is_least=False)])
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

"""bench/background: what compaction in the background costs those who are served meanwhile.

One server has two collections. In each run the first, 100,000 rows, is searched by one client,
exactly,

    beside nothing      compaction is paused
    beside compaction   of the second collection, which is large and not clustered yet; it is paused
                        at the end, which leaves the collection as it was for the next run
    beside a spinner    compaction is paused, and a process of the lowest priority burns as much CPU
                        time as compaction did; what compaction costs beyond that it costs by its
                        memory, its locks and its device

and then rows are inserted into a new collection, once with compaction paused, and once with it at
work on both the new collection and the large one; which of the two comes first changes from run to
run.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from itertools import count, cycle

import proximadb

from lib.checks import BruteForce, check_count, scored
from lib.load import BALANCED, COLLECTION, PROFILES, Profile, create, insert_all
from lib.options import Measurement, run_program
from lib.procfs import BackgroundCpu
from lib.report import Column, Goal, Report
from lib.rows import Rows, load_rows
from lib.server import Server
from lib.spinner import Spinner
from lib.stats import Run, median_run, percentile, spread_ms
from lib.workspace import BenchError, scratch_folder

K = 10
LARGE = "large"
INGESTED = "ingested"
CHECKED_SEARCHES = 5
LEAST_SHARE = 0.02  # of a core: less is no work beside which to measure
LEAST_OF_HALVES = 0.25  # the second half's work, of the first's: else it has ended meanwhile
WARM_UP_SEARCHES = 50
NOTHING, COMPACTION, SPINNER = "nothing", "compaction", "spinner"
P95_MOST, P99_MOST, INGEST_LEAST = 1.5, 2.0, 0.7
SEARCH = (
    Column("beside", "beside", "s"),
    Column("searches", "searches", ",.0f"),
    Column("p50_ms", "p50 ms", ".3f"),
    Column("p95_ms", "p95 ms", ".3f"),
    Column("p99_ms", "p99 ms", ".3f"),
    Column("max_ms", "max ms", ".2f"),
    Column("cpu_percent", "background CPU %", ".1f"),
)
INGEST = (
    Column("run", "run", "s"),
    Column("paused_rows_s", "paused rows/s", ",.0f"),
    Column("compacting_rows_s", "compacting rows/s", ",.0f"),
    Column("kept", "kept", ".3f"),
    Column("cpu_percent", "background CPU %", ".1f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=10.0, help="of each search; %(default)s")
    parser.add_argument(
        "--searched-rows", type=int, default=100_000, help="of the first; %(default)s"
    )
    parser.add_argument(
        "--ingest-rows", type=int, default=200_000, help="inserted by each run; %(default)s"
    )
    names = [profile.name for profile in PROFILES]
    parser.add_argument(
        "--profile", choices=names, default=BALANCED.name, help="of all; %(default)s"
    )


MEASUREMENT = Measurement(
    "background",
    "Searches and inserts beside compaction in the background",
    runs=5,
    rows=500_000,
    more=_options,
)


class Bench:
    """A server with both collections, and a client of it."""

    def __init__(
        self, server: Server, client: proximadb.ProximaDBClient, rows: Rows, options: Namespace
    ) -> None:
        self._server, self._client, self._rows = server, client, rows
        self._profile = profile_named(options.profile)
        self._searched = rows.head(options.searched_rows)
        self._ingested = rows.head(options.ingest_rows)
        self._seconds: float = options.seconds
        self._queries = cycle(rows.queries)
        self._numbers = count()

    def load(self) -> None:
        """Both collections: the first compacted, the large one as flushes leave it."""
        for name, rows in ((COLLECTION, self._searched), (LARGE, self._rows)):
            self._create(name)
            self._client.pause_compaction(name)
            insert_all(self._client, rows, name=name)
            self._client.flush(name)
        self._client.compact(COLLECTION)
        self.check()

    def check(self) -> None:
        """BenchError unless all rows are there, and found by searches."""
        check_count(self._client, COLLECTION, len(self._searched))
        check_count(self._client, LARGE, len(self._rows))
        truth = BruteForce(self._searched, self._profile.storage)
        for query in self._rows.queries[:CHECKED_SEARCHES]:
            hits = self._client.search(COLLECTION, query, k=K, exact=True)
            truth.check(query, scored(hits), K)

    def searches(self) -> list[Run]:
        """One run of all three."""
        for _ in range(WARM_UP_SEARCHES):
            self._search()
        nothing = self._search_beside(NOTHING)
        self._client.resume_compaction(LARGE)
        with BackgroundCpu(self._server.pid) as cpu:
            halves = []
            times_s = []
            for _ in range(2):
                times_s += self._search_for(self._seconds / 2)
                halves.append(cpu.seconds)
        self._client.pause_compaction(LARGE)
        if cpu.share < LEAST_SHARE or halves[1] - halves[0] < LEAST_OF_HALVES * halves[0]:
            raise BenchError(
                f"compaction did not last as long as the searches: {halves[0]:.2f} s of CPU time "
                f"in the first half, {halves[1] - halves[0]:.2f} s in the second; give more --rows"
            )
        compaction = search_run(COMPACTION, times_s, cpu.share)
        with Spinner(cpu.share) as spinner:
            spun = self._search_for(self._seconds)
        return [nothing, compaction, search_run(SPINNER, spun, spinner.share)]

    def ingest(self, paused_first: bool) -> Run:
        """One run of both."""
        took = {which: self._insert(which) for which in (not paused_first, paused_first)}
        (paused_s, _), (compacting_s, share) = took[False], took[True]
        return {
            "paused_rows_s": len(self._ingested) / paused_s,
            "compacting_rows_s": len(self._ingested) / compacting_s,
            "kept": paused_s / compacting_s,
            "cpu_percent": share * 100,
        }

    def _create(self, name: str) -> None:
        create(self._client, self._profile.storage, self._profile.layout, name=name)

    def _search(self) -> float:
        query = next(self._queries)
        began = time.perf_counter()
        hits = self._client.search(COLLECTION, query, k=K, exact=True)
        took_s = time.perf_counter() - began
        if len(hits) != K:
            raise BenchError(f"a search for {K} rows gave {len(hits)}")
        return took_s

    def _search_for(self, seconds: float) -> list[float]:
        deadline = time.perf_counter() + seconds
        times_s = []
        while time.perf_counter() < deadline:
            times_s.append(self._search())
        return times_s

    def _search_beside(self, beside: str) -> Run:
        with BackgroundCpu(self._server.pid) as cpu:
            times_s = self._search_for(self._seconds)
        return search_run(beside, times_s, cpu.share)

    def _insert(self, is_compacting: bool) -> tuple[float, float]:
        """The seconds until all rows were acknowledged, and the background's share of a core."""
        name = f"{INGESTED}-{next(self._numbers)}"
        self._create(name)
        if is_compacting:
            self._client.resume_compaction(LARGE)
        else:
            self._client.pause_compaction(name)
        with BackgroundCpu(self._server.pid) as cpu:
            began = time.perf_counter()
            insert_all(self._client, self._ingested, name=name)
            took_s = time.perf_counter() - began
        self._client.pause_compaction(LARGE)
        check_count(self._client, name, len(self._ingested))
        self._client.delete_collection(name)
        return took_s, cpu.share


def profile_named(name: str) -> Profile:
    """One of PROFILES."""
    return next(profile for profile in PROFILES if profile.name == name)


def search_run(beside: str, times_s: list[float], share: float) -> Run:
    """One line of the table."""
    return {
        "beside": beside,
        "searches": len(times_s),
        **spread_ms(times_s),
        "p95_ms": percentile(times_s, 95) * 1e3,
        "cpu_percent": share * 100,
    }


def ratios(runs: list[Run]) -> list[Run]:
    """Of each run: how many times longer searches take beside compaction than beside a spinner."""
    beside = {
        kind: [run for run in runs if run["beside"] == kind] for kind in (COMPACTION, SPINNER)
    }
    return [
        {name: ours[name] / control[name] for name in ("p50_ms", "p95_ms", "p99_ms")}
        for ours, control in zip(beside[COMPACTION], beside[SPINNER], strict=True)
    ]


def goals_of(of_control: list[Run], ingests: list[Run]) -> list[Goal]:
    """Medians of the runs."""
    median = median_run(of_control)
    kept = median_run(ingests)["kept"]
    return [
        Goal("search p95 of the control's", median["p95_ms"], P95_MOST, is_least=False),
        Goal("search p99 of the control's", median["p99_ms"], P99_MOST, is_least=False),
        Goal("ingest kept beside compaction", kept, INGEST_LEAST, is_least=True),
    ]


def _ratio_text(runs: list[Run], key: str) -> str:
    return f"{median_run(runs)[key]:.2f} ({' '.join(f'{run[key]:.2f}' for run in runs)})"


def measure(options: Namespace) -> None:
    """All runs in one server."""
    rows = load_rows(options.datasets, options.rows)
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    searches: list[Run] = []
    ingests: list[Run] = []
    with (
        scratch_folder(options.folder, "background") as scratch,
        Server(scratch / "data") as server,
        server.client() as client,
    ):
        bench = Bench(server, client, rows, options)
        bench.load()
        for _ in range(options.runs):
            searches += bench.searches()
        for number in range(options.runs):
            ingests.append(bench.ingest(paused_first=number % 2 == 0))
        bench.check()
    of_control = ratios(searches)
    report.note(
        "rows",
        f"{options.searched_rows:,} searched, {len(rows):,} compacted, {options.ingest_rows:,} "
        f"inserted a run; {options.profile}; {rows.origin}",
    )
    report.note("checked", "rows counted, searches answered before and after the runs")
    report.runs(SEARCH, searches, kind=["beside"])
    for key in ("p50_ms", "p95_ms", "p99_ms"):
        name = key.removesuffix("_ms")
        report.note(f"{name} ratio", f"compaction / spinner: {_ratio_text(of_control, key)}")
    median = {**median_run(ingests), "run": "median"}
    numbered = [{**run, "run": str(number)} for number, run in enumerate(ingests, 1)]
    report.table("ingests", INGEST, [*numbered, median])
    report.goals(goals_of(of_control, ingests))
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

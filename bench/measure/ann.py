"""bench/ann: approximate search, ours beside the libraries, at equal recall.

Each contender holds its index in a process of its own, on one and the same core, and is asked one
query a call. A first pass over its efforts finds which of them lie around the recalls 0.90, 0.95
and 0.99. Those are repeated, all contenders in turn, and each repeat gives a rate at each recall
and a ratio of ours to each peer; the table has their medians. Ours is asked for a recall and has
learnt what that takes from rows of the base: what came out for what was asked stands below.
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from contenders.contender import K
from contenders.curve import Pass, frontier
from contenders.files import SetFiles
from contenders.registry import CONTENDERS, OURS, PEERS
from lib.contest import (
    EMPTY_CALLS,
    TARGETS,
    Asked,
    build,
    efforts_near,
    figures_at,
    rate_key,
    run_contenders,
    survey,
)
from lib.options import Measurement, run_program
from lib.report import Column, Report
from lib.rows import set_sizes
from lib.stats import Run, median_run
from lib.workspace import DATASETS, RESULTS, ROOT, BenchError

SETS = {"minilm": 100_000, "text1m": 1_000_000, "sift1m": 1_000_000, "glove50": 390_000}
FULL_QUERIES, QUICK_QUERIES = 1_000, 200
QUICK_STEP = 3
OURS_FIRST = "proximadb"
BATCHED = ("faiss-ivfpqfs", "proximadb-ivf")
COLUMNS = (
    Column("contender", "contender", "s"),
    Column("build_cpu_s", "build CPU s", ",.1f"),
    Column("build_load", "load", ".1f"),
    Column("file_bytes", "file B/vec", ",.0f"),
    Column("rss_bytes", "RSS B/vec", ",.0f"),
    *(Column(rate_key(target), f"QPS .{target * 100:.0f}", ",.0f") for target in TARGETS),
    Column("p50_us", "p50 us .95", ",.1f"),
    Column("p99_us", "p99 us .95", ",.1f"),
    *(
        Column(f"ours_{round(target * 100)}", f"ours x .{target * 100:.0f}", ".2f")
        for target in TARGETS
    ),
)
BATCH = (
    Column("contender", "contender, all queries in a call", "s"),
    *(Column(rate_key(target), f"QPS .{target * 100:.0f}", ",.0f") for target in TARGETS),
)
CALIBRATION = (
    Column("contender", "contender", "s"),
    Column("effort", "recall asked", ".3f"),
    Column("recall", "came out", ".4f"),
    Column("qps", "QPS", ",.0f"),
)
CALLS = (
    Column("contender", "contender", "s"),
    Column("empty_ns", "empty call ns", ",.0f"),
    Column("noop_ns", "search without search ns", ",.0f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--set", choices=SETS, action="append", help="may be repeated; default minilm"
    )
    names = [name for name in PEERS if name != "symphonyqg-random"]
    parser.add_argument(
        "--peers", default=",".join(names), help="names with commas between; %(default)s"
    )
    parser.add_argument("--ours", default=OURS_FIRST, help="likewise; %(default)s")
    parser.add_argument("--queries", type=int, default=FULL_QUERIES, help="%(default)s")
    parser.add_argument(
        "--quick", action="store_true", help="once, 200 queries, every third effort"
    )
    parser.add_argument("--threads", type=int, default=1, help="of a build; %(default)s")
    parser.add_argument(
        "--core", type=int, default=(os.cpu_count() or 1) - 1, help="that searches; %(default)s"
    )
    parser.add_argument("--datasets", type=Path, default=DATASETS, help="%(default)s")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "build/ann", help="of built indexes; %(default)s"
    )


MEASUREMENT = Measurement(
    "ann",
    "Approximate search for 10 rows, one query a call on one core, ours and the libraries",
    runs=5,
    more=_options,
)


class Contest:
    """All contenders on one set."""

    def __init__(self, stem: Path, names: list[str], options: Namespace) -> None:
        self.name = stem.name
        self._stem, self._names, self._options = stem, names, options
        self._rows = SetFiles(stem).shape().rows
        self._asked: list[Asked] = []
        self.calls: list[Run] = []
        self.curves: dict[str, list[Pass]] = {}
        self.repeats: list[dict[str, Run]] = []
        self.batches: list[Run] = []

    def run(self) -> list[Run]:
        """The table's lines."""
        options = self._options
        folders = {
            name: build(self._stem, name, options.cache, options.threads) for name in self._names
        }
        with ExitStack() as stack:
            for name, folder in folders.items():
                asked = Asked(self._stem, name, folder, options.queries, options.core)
                self._asked.append(stack.enter_context(asked))
            self._survey()
            for _ in range(options.runs):
                self.repeats.append(self._repeat())
            self.batches = self._run_batches()
            return [self._line(asked) for asked in self._asked]

    def _efforts(self, asked: Asked) -> list[Any]:
        efforts: list[Any] = asked.ask("efforts")["efforts"]
        return efforts[:: QUICK_STEP if self._options.quick else 1]

    def _survey(self) -> None:
        for asked in self._asked:
            self.curves[asked.name] = survey(asked, self._efforts(asked))
            calls = asked.ask("empty", calls=EMPTY_CALLS)
            self.calls.append({"contender": asked.name, **calls})

    def _repeat(self) -> dict[str, Run]:
        """The figures of each contender, in turn."""
        return {
            asked.name: figures_at(
                [asked.search(effort) for effort in efforts_near(self.curves[asked.name])]
            )
            for asked in self._asked
        }

    def _run_batches(self) -> list[Run]:
        return [
            {
                "contender": asked.name,
                **figures_at(survey(asked, self._efforts(asked), batch=True)),
            }
            for asked in self._asked
            if asked.name in BATCHED
        ]

    def _line(self, asked: Asked) -> Run:
        rows = self._rows
        figures = [repeat[asked.name] for repeat in self.repeats]
        line = {
            "contender": asked.name,
            "version": asked.cost["version"],
            "build_cpu_s": asked.cost["cpu_s"],
            "build_threads": asked.cost["threads"],
            "build_load": asked.cost.get("load"),
            "file_bytes": asked.cost["index_bytes"] / rows,
            "rss_bytes": asked.ask("memory")["rss_bytes"] / rows,
            **_medians(figures),
        }
        first = self._names[0]
        if first in OURS and asked.name != first:
            line.update(ratios([repeat[first] for repeat in self.repeats], figures))
        return line

    @property
    def title(self) -> str:
        """What was asked of what."""
        shape = SetFiles(self._stem).shape()
        return (
            f"{self.name}: {shape.rows:,} x {shape.dims}, {shape.metric}, recall@{K}, "
            f"{self._options.queries:,} queries, {self._options.runs} repeats"
        )


def _medians(figures: list[Run]) -> Run:
    """Of each figure that all repeats have; None of the others."""
    known = [name for name in figures[0] if all(run[name] is not None for run in figures)]
    medians = median_run([{name: run[name] for name in known} for run in figures])
    return {**dict.fromkeys(figures[0]), **medians}


def ratios(ours: list[Run], peer: list[Run]) -> Run:
    """Medians of ours / the peer's rate in each repeat, for each target that both reach."""
    found: Run = {}
    for target in TARGETS:
        key = rate_key(target)
        pairs = [
            {"ratio": mine[key] / theirs[key]}
            for mine, theirs in zip(ours, peer, strict=True)
            if mine[key] is not None and theirs[key] is not None
        ]
        found[ratio_key(target)] = median_run(pairs)["ratio"] if pairs else None
    return found


def ratio_key(target: float) -> str:
    """Of a ratio among the figures."""
    return f"ours_{round(target * 100)}"


def _stem_of(folder: Path, name: str, quick: bool) -> Path:
    """The largest set of that name; the smallest where only the way is to be tried."""
    sizes = set_sizes(folder, name, SETS[name])
    if not sizes:
        raise BenchError(f"there is no {name} in {folder}. Run: bench/data/make {name}")
    return sizes[min(sizes) if quick else max(sizes)]


def _report_set(report: Report, contest: Contest, lines: list[Run]) -> None:
    report.note("set", contest.title)
    report.table(f"{contest.name}", COLUMNS, lines)
    if contest.batches:
        report.table(f"{contest.name} batched", BATCH, contest.batches)
    asked = [
        {"contender": name, **each}
        for name, passes in contest.curves.items()
        if name in OURS
        for each in passes
    ]
    if asked:
        report.table(f"{contest.name} calibration", CALIBRATION, asked)
    report.table(f"{contest.name} calls", CALLS, contest.calls)


def _draw(contests: list[Contest]) -> list[Path]:
    """Recall and rate of each set as PNG and SVG."""
    RESULTS.joinpath("ann").mkdir(parents=True, exist_ok=True)
    pictures = []
    for contest in contests:
        source = RESULTS / "ann" / f"{contest.name}.curves.json"
        curves = {name: frontier(passes) for name, passes in contest.curves.items()}
        source.write_text(json.dumps({"title": contest.title, "curves": curves}, indent=2) + "\n")
        process = run_contenders("draw", source)
        _, errors = process.communicate()
        if process.returncode != 0:
            raise BenchError(f"the curves could not be drawn:\n{errors.strip()[-1500:]}")
        pictures += [source.with_suffix("").with_suffix(ending) for ending in (".png", ".svg")]
    return pictures


def measure(options: Namespace) -> None:
    """Each set in turn."""
    if options.quick:
        options.runs, options.queries = 1, min(options.queries, QUICK_QUERIES)
    names = [name for name in f"{options.ours},{options.peers}".split(",") if name]
    unknown = set(names) - CONTENDERS.keys()
    if unknown:
        raise BenchError(f"there is no contender {', '.join(sorted(unknown))}")
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    report.note("order", "one pass of each contender after the other, in each repeat")
    contests = []
    for name in options.set or ["minilm"]:
        contest = Contest(_stem_of(options.datasets, name, options.quick), names, options)
        _report_set(report, contest, contest.run())
        contests.append(contest)
    report.note("pictures", " ".join(str(path.relative_to(ROOT)) for path in _draw(contests)))
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

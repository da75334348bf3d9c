"""bench/kernels: what our kernels take for a row, beside SimSIMD, NumKong and the instructions.

A kernel compares one query with many rows in a call; the rows are in the first-level cache, in the
second, or in memory. The limit is what the multiply-adds of a row take on registers alone.
"""

from __future__ import annotations

import json
import subprocess
from argparse import ArgumentParser, Namespace

from lib.contest import run_contenders
from lib.options import Measurement, run_program
from lib.report import Column, Report
from lib.stats import Run, grouped
from lib.workspace import BenchError, program

PLACES = ("L1", "L2", "DRAM")
# Of each of our kernels: the limit that it has, and the peers' kernel that does the same or, for
# one bit, what is nearest to it: Hamming distances, where ours has a query of eight bits.
LIKE = {
    "dot_and_norm f32": ("fma", "dot f32"),
    "l2_squared f32": ("fma", "l2 f32"),
    "byte_dots 8 bit": ("dot", "dot int8"),
    "sign_sums 1 bit": ("dot", "hamming 1 bit"),
    "signed_dots 9 bit": ("dot", None),
}
COLUMNS = (
    Column("kernel", "kernel", "s"),
    Column("level", "level", "s"),
    *(Column(place, f"{place} ns/row", ".2f") for place in PLACES),
    Column("times_limit", "L1 / limit", ".2f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--dims", type=int, default=384, help="a multiple of 64; %(default)s")
    parser.add_argument("--queries", type=int, default=2_000, help="of a round; %(default)s")


MEASUREMENT = Measurement(
    "kernels",
    "Kernels of each CPU level, and those of SimSIMD and NumKong, one query against many rows",
    runs=5,
    more=_options,
)


def _ours(options: Namespace) -> list[Run]:
    numbers = [str(number) for number in (options.dims, options.queries, options.runs)]
    command = [str(program("bench_kernels")), *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(done.stderr.strip())
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return [
        {"level": level, "kernel": kernel, "place": place, "ns": float(ns)}
        for level, kernel, place, _, ns in lines
    ]


def _peers(options: Namespace) -> list[Run]:
    numbers = [str(number) for number in (options.dims, options.queries, options.runs)]
    process = run_contenders("time_kernels", *numbers)
    output, errors = process.communicate()
    if process.returncode != 0:
        raise BenchError(f"the peers' kernels could not be timed:\n{errors.strip()[-1500:]}")
    found: list[Run] = json.loads(output.splitlines()[-1])
    return found


def lines_of(ours: list[Run], peers: list[Run]) -> list[Run]:
    """A line for each of our kernels and levels, with those of the peers behind it."""
    limits = {run["kernel"]: run["ns"] for run in ours if run["level"] == "limit"}
    lines: list[Run] = []
    for kernel, (limit, like) in LIKE.items():
        alike = [run for run in ours if run["kernel"] == kernel]
        alike += [{**run, "kernel": f"  {like}"} for run in peers if run["kernel"] == like]
        for group in grouped(alike, ["kernel", "level"]):
            line: Run = {"kernel": group[0]["kernel"], "level": group[0]["level"]}
            line.update({run["place"]: run["ns"] for run in group})
            if limit in limits:
                line["times_limit"] = line[PLACES[0]] / limits[limit]
            lines.append(line)
    return lines


def measure(options: Namespace) -> None:
    """All kernels once; a figure is the median of the rounds."""
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    ours = _ours(options)
    report.note("rows", f"{options.dims} dims, {options.runs} rounds of {options.queries} queries")
    for run in ours:
        if run["level"] == "limit":
            report.note(f"limit {run['kernel']}", f"{run['ns']:.2f} ns a row")
    report.table("kernels", COLUMNS, lines_of(ours, _peers(options)))
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

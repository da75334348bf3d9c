"""A measurement's output: facts of the machine, an aligned table, and the same as JSON."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from lib.calibration import Calibration, calibrate, median_of
from lib.stats import Run, grouped, median_run
from lib.workspace import RESULTS, ROOT, build_folder

LABEL_COLUMNS = 10
QUIET_LOAD = 0.5
RUN = "run"
MEDIAN = "median"


class Column(NamedTuple):
    """Of a table: a key of the runs, its heading, and the format of its values."""

    key: str
    heading: str
    format: str


class Goal(NamedTuple):
    """A figure and its bound, which is the smallest or the largest that is wanted."""

    what: str
    value: float
    bound: float
    is_least: bool  # whether the bound is the smallest that is wanted

    @property
    def is_met(self) -> bool:
        """Whether the figure is as wanted. What is no number is not."""
        return self.value >= self.bound if self.is_least else self.value <= self.bound

    def line(self) -> str:
        """For people."""
        word = "least" if self.is_least else "most"
        met = "met" if self.is_met else "MISSED"
        return f"{met}: {self.what} {self.value:.4g}, at {word} {self.bound:.4g} wanted"


def _command_output(*words: str) -> str:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def machine_facts(folder: Path) -> dict[str, str]:
    """What a figure depends on: CPU, memory, kernel, file system, load, build."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    total = re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())
    cache = (build_folder() / "CMakeCache.txt").read_text()
    build_type = re.search(r"CMAKE_BUILD_TYPE:\w+=(\w+)", cache)
    changed = " with changes" if _command_output("git", "status", "--porcelain", "-uno") else ""
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(total[1]) / 2**20:.1f} GiB" if total else "unknown",
        "kernel": platform.release(),
        "file_system": _command_output("stat", "-f", "-c", "%T", str(folder)),
        "load_before": f"{os.getloadavg()[0]:.2f}",
        "commit": _command_output("git", "rev-parse", "--short", "HEAD") + changed,
        "build": f"{build_type[1] if build_type else 'unknown'} in {build_folder().name}",
        "simd": os.environ.get("PROXIMADB_SIMD", "the CPU's best"),
        "python": platform.python_version(),
        "grpcio": metadata.version("grpcio"),
        "numpy": metadata.version("numpy"),
    }


class Report:
    """Prints as it goes and ends with build/bench/NAME.json."""

    def __init__(
        self, name: str, title: str, folder: Path, calibrations: Sequence[Calibration] = ()
    ) -> None:
        """Calibrates, unless that was the measurement itself; takes some seconds."""
        facts = machine_facts(folder)
        print(f"\n{name}: {title}\n")
        self._print_machine(facts)
        self._name = name
        self.calibration = median_of(calibrations or [calibrate(folder)])
        self._line("calibrate", self.calibration.line())
        self._result: dict[str, object] = {
            "name": name,
            "title": title,
            "command": " ".join([f"bench/{name}", *sys.argv[1:]]),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": facts,
            "calibration": self.calibration.as_json(),
        }

    def _print_machine(self, facts: dict[str, str]) -> None:
        self._line("machine", ", ".join(facts[name] for name in ("cpu", "memory", "file_system")))
        self._line("", f"{facts['cores']} cores, Linux {facts['kernel']}, SIMD {facts['simd']}")
        self._line("build", f"{facts['commit']}, {facts['build']}")
        load = float(facts["load_before"])
        busy = "" if load <= QUIET_LOAD else ": others are at work, read figures with care"
        self._line("load", f"{load:.2f}{busy}")

    def note(self, label: str, value: object) -> None:
        """A fact of its own line, kept in the JSON too."""
        self._result[label] = value
        self._line(label, str(value))

    def runs(
        self, columns: Sequence[Column], runs: Sequence[Run], kind: Sequence[str] = ()
    ) -> None:
        """A table of all runs; those that are equal in the keys of `kind` end with their median."""
        shown: list[Run] = []
        for group in self._keep(runs, kind):
            shown += [{**run, RUN: str(number)} for number, run in enumerate(group, 1)]
            shown.append({**median_run(group), RUN: MEDIAN})
        place = len(kind)
        table = [*columns[:place], Column(RUN, "run", "s"), *columns[place:]]
        print("\n" + format_table(table, shown) + "\n")

    def table(self, key: str, columns: Sequence[Column], runs: Sequence[Run]) -> None:
        """A table with one line for each of `runs`, which the JSON has under `key`."""
        self._result[key] = list(runs)
        print("\n" + format_table(columns, runs) + "\n")

    def goals(self, goals: Sequence[Goal]) -> None:
        """What was aimed at, and whether it was reached."""
        self._result["goals"] = [{**goal._asdict(), "met": goal.is_met} for goal in goals]
        for goal in goals:
            self._line("goal", goal.line())

    def medians(
        self, columns: Sequence[Column], runs: Sequence[Run], kind: Sequence[str], each: Column
    ) -> None:
        """A table with one line for each kind of run: medians, and one figure of each run."""
        shown: list[Run] = [
            {**median_run(group), RUN: " ".join(_cell(run[each.key], each.format) for run in group)}
            for group in self._keep(runs, kind)
        ]
        table = [*columns, Column(RUN, each.heading, "s")]
        print("\n" + format_table(table, shown) + "\n")

    def _keep(self, runs: Sequence[Run], kind: Sequence[str]) -> list[list[Run]]:
        """The runs by kind, which are in the JSON from now on."""
        groups = grouped(runs, kind)
        self._result["runs"] = list(runs)
        self._result["medians"] = [median_run(group) for group in groups]
        return groups

    def finish(self) -> None:
        """Writes the file."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"{self._name}.json"
        path.write_text(json.dumps(self._result, indent=2) + "\n")
        self._line("file", str(path.relative_to(ROOT)))

    @staticmethod
    def _line(label: str, text: str) -> None:
        print(f"{label:<{LABEL_COLUMNS}} {text}", flush=True)


def format_table(columns: Sequence[Column], runs: Sequence[Run]) -> str:
    """Headings and rows, aligned: text to the left, numbers to the right; absent values as '-'."""
    cells = [[column.heading for column in columns]]
    cells += [[_cell(run.get(column.key), column.format) for column in columns] for run in runs]
    widths = [max(map(len, each)) for each in zip(*cells, strict=True)]
    is_text = [any(isinstance(run.get(column.key), str) for run in runs) for column in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, is_text, strict=True)
        ).rstrip()
        for row in cells
    )


def _cell(value: object, spec: str) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, str) else format(value, spec)

"""Contenders of bench/ann side by side: each in a process of its own, asked in turn.

Their indexes come from a cache (contenders/cache.py). All processes are there at the same time, so
that the passes of one run follow each other closely; those that wait use no CPU time.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from contenders.curve import Pass, around, at_recall, frontier
from lib.workspace import ROOT, BenchError

PYTHON = ROOT / "build/ann-venv/bin/python"
TARGETS = (0.90, 0.95, 0.99)
ENOUGH_RECALL = 0.995  # a survey ends there
EMPTY_CALLS = 200_000
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
}


def run_contenders(module: str, *words: str | Path) -> subprocess.Popen[str]:
    """A program of bench/contenders, in the Python that has the libraries."""
    if not PYTHON.exists():
        raise BenchError(f"{PYTHON} is missing. Run: tools/setup bench-ann")
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT / "bench")}
    return subprocess.Popen(
        [PYTHON, "-m", f"contenders.{module}", *words],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def build(stem: Path, name: str, cache: Path, threads: int) -> Path:
    """The folder of a contender's index, which is built unless it is there."""
    process = run_contenders("cache", stem, name, cache, str(threads))
    output, errors = process.communicate()
    if process.returncode != 0:
        raise BenchError(f"{name} could not be built:\n{errors.strip()[-1500:]}")
    return Path(output.splitlines()[-1])


class Asked:
    """A contender's process, for a `with` block."""

    def __init__(self, stem: Path, name: str, folder: Path, queries: int, core: int) -> None:
        self.name = name
        self.cost: dict[str, Any] = json.loads((folder / "build.json").read_text())
        self._command = (stem, name, folder, str(queries), str(core))
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Asked:
        self._process = run_contenders("worker", *self._command)
        self._answer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def ask(self, do: str, **details: Any) -> dict[str, Any]:
        """One command of contenders/worker.py."""
        if self._process is None or self._process.stdin is None:
            raise BenchError(f"{self.name} does not run")
        self._process.stdin.write(json.dumps({"do": do, **details}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def search(self, effort: Any, batch: bool = False) -> Pass:
        """One pass over all queries."""
        return {"effort": effort, **self.ask("batch" if batch else "pass", effort=effort)}

    def _answer(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise BenchError(f"{self.name} does not run")
        line = self._process.stdout.readline()
        if not line:
            errors = self._process.stderr.read() if self._process.stderr else ""
            raise BenchError(f"{self.name} ended:\n{errors.strip()[-1500:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def survey(asked: Asked, efforts: Sequence[Any], batch: bool = False) -> list[Pass]:
    """A pass for each effort, until they are thorough enough; efforts with two parts all."""
    passes: list[Pass] = []
    for effort in efforts:
        passes.append(asked.search(effort, batch))
        if not isinstance(effort, list | tuple) and passes[-1]["recall"] >= ENOUGH_RECALL:
            break
    return passes


def efforts_near(passes: Sequence[Pass], targets: Sequence[float] = TARGETS) -> list[Any]:
    """The efforts whose passes the figures at the targets come from."""
    chosen: list[Any] = []
    for target in targets:
        for each in around(frontier(passes), target) or ():
            if each["effort"] not in chosen:
                chosen.append(each["effort"])
    return chosen


def figures_at(passes: Sequence[Pass], targets: Sequence[float] = TARGETS) -> dict[str, Any]:
    """One run's rates at the targets, and its times at the second of them."""
    line = frontier(passes)
    figures: dict[str, Any] = {
        rate_key(target): at_recall(line, target, "qps") for target in targets
    }
    for name in ("p50_us", "p99_us"):
        if all(name in each for each in passes):
            figures[name] = at_recall(line, targets[1], name)
    return figures


def rate_key(target: float) -> str:
    """Of a rate among the figures."""
    return f"qps_{round(target * 100)}"

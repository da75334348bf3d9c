"""The process that holds one index of bench/ann and searches when it is told to.

    python -m contenders.worker STEM NAME FOLDER QUERIES CORE

It keeps to one core. Commands come as lines of JSON on standard input, and each has a line of JSON
as its answer; what libraries print goes to standard error.

    {"do": "efforts"}              what a search can be told, from fast to thorough
    {"do": "pass", "effort": E}    all queries, one a call: recall, qps, p50_us, p99_us
    {"do": "batch", "effort": E}   all queries in one call: recall, qps
    {"do": "empty", "calls": N}    ns of an empty call; of ours also of a search without a search
    {"do": "memory"}               what the process has grown by since it opened the index
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from contenders.contender import Contender
from contenders.files import SetFiles
from contenders.registry import contender_class
from lib.procfs import read_memory

WARM_UP_S = 0.5  # before each pass, with its queries: another contender had the caches
WARM_UP_QUERIES = 100  # of a batch
NS_A_S = 1e9


class Worker:
    """An open index, and the queries."""

    def __init__(self, files: SetFiles, name: str, folder: Path, query_count: int) -> None:
        kind = contender_class(name)
        self._contender: Contender = kind(files.shape())
        queries = files.queries(query_count)
        self._queries = queries
        self._truth = files.truth(query_count)
        self._prepared = [self._contender.prepare(query) for query in queries]
        self._before = read_memory(os.getpid())
        self._contender.open(folder)

    @property
    def efforts(self) -> list[Any]:
        """The contender's."""
        return list(self._contender.efforts)

    def run_pass(self, effort: Any) -> dict[str, float]:
        """All queries, one a call."""
        contender, search = self._contender, self._contender.search
        contender.set_effort(effort)
        self._warm_up()
        found, times_ns = [], []
        clock = time.perf_counter_ns
        for query in self._prepared:
            began = clock()
            answer = search(query)
            times_ns.append(clock() - began)
            found.append(answer)
        times_us = np.array(times_ns) / 1e3
        return {
            "recall": self._truth.recall([contender.numbers(each) for each in found]),
            "qps": len(times_us) / (times_us.sum() / 1e6),
            "p50_us": float(np.percentile(times_us, 50, method="inverted_cdf")),
            "p99_us": float(np.percentile(times_us, 99, method="inverted_cdf")),
        }

    def _warm_up(self) -> None:
        until = time.perf_counter() + WARM_UP_S
        for query in self._prepared:
            self._contender.search(query)
            if time.perf_counter() > until:
                break

    def run_batch(self, effort: Any) -> dict[str, float | None]:
        """All queries in one call."""
        self._contender.set_effort(effort)
        self._contender.search_all(self._queries[:WARM_UP_QUERIES])
        began = time.perf_counter_ns()
        found = self._contender.search_all(self._queries)
        took_ns = time.perf_counter_ns() - began
        if found is None:
            return {"recall": None, "qps": None}
        return {
            "recall": self._truth.recall(list(found)),
            "qps": len(self._queries) / (took_ns / NS_A_S),
        }

    def time_empty(self, calls: int) -> dict[str, float | None]:
        """Nanoseconds of a call, the loop around it left out."""
        noop = getattr(self._contender, "noop", None)
        query = self._prepared[0]
        return {
            "empty_ns": _ns_a_call(lambda: self._contender.empty_call(), calls),
            "noop_ns": None if noop is None else _ns_a_call(lambda: noop(query), calls),
        }

    def memory_growth(self) -> dict[str, int]:
        """Bytes; files that are mapped count with the pages that were touched."""
        now = read_memory(os.getpid())
        return {"rss_bytes": now.rss - self._before.rss}


def _ns_a_call(call: Callable[[], Any], calls: int) -> float:
    def loop(function: Callable[[], Any]) -> int:
        began = time.perf_counter_ns()
        for _ in range(calls):
            function()
        return time.perf_counter_ns() - began

    return max(0.0, (loop(call) - loop(lambda: None)) / calls)


def answer(worker: Worker, command: dict[str, Any]) -> dict[str, Any]:
    """Does what a command says."""
    gc.collect()
    gc.disable()
    try:
        if command["do"] == "efforts":
            return {"efforts": worker.efforts}
        if command["do"] == "pass":
            return worker.run_pass(_effort(command))
        if command["do"] == "batch":
            return dict(worker.run_batch(_effort(command)))
        if command["do"] == "empty":
            return dict(worker.time_empty(command["calls"]))
        if command["do"] == "memory":
            return dict(worker.memory_growth())
    finally:
        gc.enable()
    raise ValueError(f"there is no command '{command['do']}'")


def _effort(command: dict[str, Any]) -> Any:
    """JSON has no tuples."""
    effort = command["effort"]
    return tuple(effort) if isinstance(effort, list) else effort


def main(stem: str, name: str, folder: str, queries: str, core: str) -> None:
    """Answers until standard input ends."""
    os.sched_setaffinity(0, {int(core)})
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)
        worker = Worker(SetFiles(Path(stem)), name, Path(folder), int(queries))
        print(json.dumps({"ready": name}), file=output, flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(worker, json.loads(line))), file=output, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

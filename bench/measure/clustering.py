"""bench/clustering: k-means beside faiss-cpu: its time, and how good the lists are.

Both cluster the same vectors under cosine, in turn, each in a process of its own on as many
threads. Good lists are of similar size, and have the neighbours of a query in few of them: for each
query the tenth of the lists whose centroids are nearest is taken, and counted how many of its true
10 nearest rows lie there. Truth is numpy's, over all rows.
"""

from __future__ import annotations

import os
import subprocess
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lib.options import Measurement, run_program
from lib.report import Column, Report
from lib.rows import Vectors, load_vectors
from lib.stats import Run
from lib.workspace import ROOT, BenchError, program, scratch_folder

NEIGHBOURS = 10
PROBED_PART = 10  # of the lists, one in so many
SEED = 7
BLOCK_ROWS = 100_000
LEAST_SHARE = 0.95  # of the peer's: worse lists are no result
COLUMNS = (
    Column("system", "system", "s"),
    Column("train_s", "train s", ".2f"),
    Column("assign_s", "assign s", ".2f"),
    Column("total_s", "both s", ".2f"),
    Column("times_peer", "x faiss", ".2f"),
    Column("balance", "largest / mean", ".2f"),
    Column("share", "share in 10 %", ".4f"),
    Column("scanned", "rows scanned", ".4f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--lists", type=int, default=1_000, help="default %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="of both; default %(default)s")
    parser.add_argument("--queries", type=int, default=500, help="default %(default)s")
    parser.add_argument(
        "--peer-core",
        default=best_core(Path("/proc/cpuinfo").read_text()),
        help="kernels that faiss's OpenBLAS is told to take, '' for what it takes itself; "
        "default '%(default)s'",
    )


def best_core(cpu_info: str) -> str:
    """OpenBLAS's name of the fastest kernels that a CPU has; '' where it may choose."""
    flags = set(cpu_info.split())
    if "avx512f" in flags:
        return "SKYLAKEX"
    return "HASWELL" if {"avx2", "fma"} <= flags else ""


MEASUREMENT = Measurement(
    "clustering",
    "K-means, cosine, train and assign, ours and faiss-cpu's in turn",
    runs=3,
    rows=1_000_000,
    more=_options,
)


def nearest_rows(base: Vectors, queries: Vectors, count: int) -> npt.NDArray[np.int64]:
    """The `count` rows with the largest product, for each query, in no order."""
    found = np.empty((len(queries), 0), np.int64)
    products = np.empty((len(queries), 0), np.float32)
    for first in range(0, len(base), BLOCK_ROWS):
        block = queries @ base[first : first + BLOCK_ROWS].T
        rows = np.arange(first, first + block.shape[1])
        found = np.hstack([found, np.broadcast_to(rows, block.shape)])
        products = np.hstack([products, block])
        if found.shape[1] <= count:
            continue
        best = np.argpartition(-products, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(found, best, axis=1)
        products = np.take_along_axis(products, best, axis=1)
    return found


def quality(
    centroids: Vectors,
    lists: npt.NDArray[np.uint32],
    queries: Vectors,
    truth: npt.NDArray[np.int64],
) -> Run:
    """Balance, the share of true neighbours in the probed lists, and the rows that these have."""
    count = len(centroids)
    probed = np.argsort(-(queries @ centroids.T), axis=1, kind="stable")[
        :, : max(1, count // PROBED_PART)
    ]
    is_probed = np.zeros((len(queries), count), bool)
    np.put_along_axis(is_probed, probed, True, axis=1)
    sizes = np.bincount(lists, minlength=count)
    return {
        "balance": float(sizes.max() / sizes.mean()),
        "share": float(np.take_along_axis(is_probed, lists[truth].astype(np.int64), axis=1).mean()),
        "scanned": float(sizes[probed].sum(axis=1).mean() / len(lists)),
    }


def _cluster(command: list[str | Path], output: Path, environment: dict[str, str]) -> Run:
    """Runs one of both programs."""
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"{command[0]} failed: {done.stderr.strip()}")
    words = done.stdout.split()
    train_s, assign_s = float(words[1]), float(words[3])
    return {
        "train_s": train_s,
        "assign_s": assign_s,
        "total_s": train_s + assign_s,
        "centroids": np.load(f"{output}.centroids.npy"),
        "lists": np.load(f"{output}.lists.npy"),
    }


def _run_ours(base: Path, output: Path, options: Namespace) -> Run:
    words = [base, str(options.lists), "cosine", str(SEED), output, str(options.threads)]
    return _cluster([program("bench_cluster"), *words], output, {})


def _run_peer(base: Path, output: Path, options: Namespace) -> Run:
    python = ROOT / "build/peer-venv/bin/python"
    if not python.exists():
        raise BenchError("faiss is not installed. Run: tools/setup bench-peer")
    script = Path(__file__).with_name("faiss_kmeans.py")
    words = [script, base, str(options.lists), str(SEED), output, str(options.threads)]
    threads = {"OMP_NUM_THREADS": str(options.threads), "OPENBLAS_NUM_THREADS": "1"}
    core = {"OPENBLAS_CORETYPE": options.peer_core} if options.peer_core else {}
    return _cluster([python, *words], output, {**threads, **core})


def _pair(
    base: Path, queries: Vectors, truth: npt.NDArray[np.int64], options: Namespace
) -> list[Run]:
    """A run of ours and one of the peer's."""
    ours = _run_ours(base, base.with_name("ours"), options)
    peer = _run_peer(base, base.with_name("peer"), options)
    pair = []
    for system, run in (("proximadb", ours), ("faiss", peer)):
        centroids, lists = run.pop("centroids"), run.pop("lists")
        times = run["total_s"] / peer["total_s"]
        figures = quality(centroids, lists, queries, truth)
        pair.append({"system": system, **run, "times_peer": times, **figures})
    if pair[0]["share"] < LEAST_SHARE * pair[1]["share"]:
        raise BenchError(
            f"lists have {pair[0]['share']:.4f} of the true neighbours, the peer's "
            f"{pair[1]['share']:.4f}"
        )
    return pair


def measure(options: Namespace) -> None:
    """Both, in turn."""
    base, queries, origin = load_vectors(options.datasets, options.rows)
    queries = queries[: options.queries]
    truth = nearest_rows(base, queries, NEIGHBOURS)
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    report.note("rows", f"{len(base):,} x {base.shape[1]} float32 into {options.lists:,} lists")
    report.note("vectors", origin)
    report.note("threads", f"{options.threads} for both")
    report.note("peer", f"faiss-cpu, OpenBLAS kernels: {options.peer_core or 'its own choice'}")
    with scratch_folder(options.folder, "clustering") as scratch:
        path = scratch / "base.npy"
        np.save(path, base)
        del base
        pairs = [_pair(path, queries, truth, options) for _ in range(options.runs)]
    report.runs(COLUMNS, [run for pair in pairs for run in pair], kind=["system"])
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

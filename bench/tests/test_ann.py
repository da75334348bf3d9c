"""Goal: bench/ann counts recall right, gives the rate at a recall, and asks real indexes in turn.

Method: small passes with results known by hand; then two contenders, ours and one of faiss, over a
few thousand rows with numpy's answers, in the processes that a measurement has.
"""

import json
import sys
from argparse import Namespace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from contenders import curve, native
from contenders.contender import K
from contenders.files import SetFiles, Truth
from lib import contest
from measure import ann

ROWS, DIMS, QUERIES = 3_000, 24, 50


def passes(*pairs):
    return [{"effort": n, "recall": r, "qps": q} for n, (r, q) in enumerate(pairs)]


def test_truth__counts_rows_as_near_as_the_tenth():
    rows = np.arange(15)[None, :]
    distances = np.array([[*range(9), 9, 9, 9, 10, 11, 12]], np.float32)
    truth = Truth(rows, distances)
    assert truth.recall([np.arange(10)]) == 1.0
    assert truth.recall([np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 11])]) == 1.0
    assert truth.recall([np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 12])]) == 0.9
    assert truth.recall([np.full(10, 3)]) == 0.1
    assert truth.recall([np.array([5])]) == 0.1


def test_frontier__leaves_out_what_is_beaten():
    line = curve.frontier(passes((0.9, 100), (0.8, 90), (0.95, 60), (0.94, 70), (0.95, 50)))
    assert [(each["recall"], each["qps"]) for each in line] == [(0.9, 100), (0.94, 70), (0.95, 60)]


def test_at_recall__is_between_two_passes():
    line = curve.frontier(passes((0.90, 1_000), (0.92, 100)))
    assert curve.at_recall(line, 0.91, "qps") == pytest.approx(10**2.5)
    assert curve.at_recall(line, 0.92, "qps") == pytest.approx(100)
    assert curve.at_recall(line, 0.80, "qps") == 1_000
    assert curve.at_recall(line, 0.93, "qps") is None


def test_efforts_near__are_those_around_the_targets():
    found = passes((0.85, 9), (0.92, 8), (0.94, 7), (0.96, 6), (0.98, 5))
    assert contest.efforts_near(found, (0.90, 0.95, 0.99)) == [0, 1, 2, 3]


def test_ratios__are_medians_of_pairs():
    ours = [{"qps_90": 2.0, "qps_95": 4.0, "qps_99": None} for _ in range(3)]
    peer = [{"qps_90": 1.0, "qps_95": each, "qps_99": 1.0} for each in (1.0, 2.0, 8.0)]
    assert ann.ratios(ours, peer) == {"ours_90": 2.0, "ours_95": 2.0, "ours_99": None}


@pytest.fixture
def small_set(tmp_path):
    """Unit rows, queries near some of them, and numpy's answers."""
    random = np.random.default_rng(5)
    base = random.standard_normal((ROWS, DIMS)).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    query = base[:QUERIES] + random.standard_normal((QUERIES, DIMS)).astype(np.float32) * 0.1
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    products = query @ base.T
    nearest = np.argsort(-products, axis=1)[:, :100]
    stem = tmp_path / f"minilm-{ROWS}"
    files = {
        "base": base,
        "query": query,
        "gt": nearest.astype(np.int32),
        "gtd": np.take_along_axis(products, nearest, axis=1),
    }
    for ending, array in files.items():
        np.save(stem.with_name(f"{stem.name}.{ending}.npy"), array)
    facts = {"rows": ROWS, "dims": DIMS, "metric": "cosine"}
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(facts))
    return stem


@pytest.fixture
def native_build(monkeypatch, repository_build):
    monkeypatch.setenv("PX_BUILD", str(repository_build))
    monkeypatch.setattr(contest, "PYTHON", Path(sys.executable))


def test_contest__asks_real_indexes_in_turn(small_set, tmp_path, native_build):
    options = Namespace(
        cache=tmp_path / "cache", threads=1, queries=QUERIES, core=0, runs=2, quick=True
    )
    names = ["proximadb", "faiss-hnsw"]
    run = ann.Contest(small_set, names, options)
    lines = {line["contender"]: line for line in run.run()}
    assert list(lines) == names
    for line in lines.values():
        assert line["qps_95"] > 0 and line["p99_us"] >= line["p50_us"] > 0
        assert line["file_bytes"] > DIMS
    assert lines["faiss-hnsw"]["ours_95"] > 0 and "ours_95" not in lines["proximadb"]
    assert len(run.repeats) == 2
    assert all(calls["empty_ns"] > 0 for calls in run.calls)
    for each in run.curves.values():
        assert max(one["recall"] for one in each) >= 0.95
    kept = {path.name for path in (tmp_path / "cache" / small_set.name).iterdir()}
    assert len(kept) == 2 and not any(name.startswith("partial") for name in kept)


def test_native_graph__finds_inserted_rows_and_not_deleted_ones(small_set, native_build):
    files = SetFiles(small_set)
    base, queries = files.base(), files.queries(QUERIES)
    graph = native.load().Graph.build(base, "cosine", "lean", 1)
    found = [graph.search(query, K, 0.99)[0] for query in queries]
    assert files.truth(QUERIES).recall(found) > 0.95
    slot = graph.insert(queries[0], ROWS)
    rows, distances = graph.search(queries[0])
    assert rows[0] == ROWS and distances[0] == pytest.approx(0, abs=1e-3)
    assert all(one <= other for one, other in pairwise(distances))
    assert rows.dtype == np.int64 and distances.dtype == np.float32
    graph.delete(slot)
    graph.repair()
    assert ROWS not in graph.search(queries[0])[0] and len(graph) == ROWS
    kept = rows.copy()
    graph.search(queries[1])
    assert (rows == kept).all()  # an answer is the caller's


def test_native_graph__refuses_what_it_cannot_take(small_set, native_build, tmp_path):
    base = SetFiles(small_set).base()
    module = native.load()
    graph = module.Graph.build(base, "cosine")
    for wrong in (base[0][:-1], base[0].astype(np.float64), base[:, 0], base[:2], [1.0] * DIMS):
        with pytest.raises((ValueError, TypeError, BufferError)):
            graph.search(wrong)
    for k, recall in ((0, 0.9), (10_001, 0.9), (1, 1.0), (1, float("nan"))):
        with pytest.raises(ValueError):
            graph.search(base[0], k, recall)
    with pytest.raises(IndexError):
        graph.delete(ROWS)
    with pytest.raises(OSError):
        module.Graph.open(str(tmp_path / "absent"), DIMS, "cosine")
    path = tmp_path / "graph.axis"
    graph.save(str(path))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RuntimeError, match="damaged"):
        module.Graph.open(str(path), DIMS, "cosine")

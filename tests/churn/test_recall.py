"""Goal: an index finds the share of the nearest rows that is asked of it, for each metric and for few and many
dimensions, and still does behind a churn of half of the rows, in place, while it is searched.
Method: rows are loaded and indexed; searches are held against numpy's nearest rows. Then half of the rows are given
other vectors, by threads that search between their writes: a row must be found by the vector it was just given, and each
hit must be at the distance of a vector that its row has had. When the index has come up with them, recall is measured
once more, of the rows as they are. A target is met if the mean over the queries, and three of its standard errors, and
two hundredths reach it: what a target takes is learnt from rows, and not from queries.

    pytest tests/churn/test_recall.py                           20,000 real embeddings, and some 10,000 made rows of a form
    PX_RECALL_ROWS=1000000 pytest -s tests/churn/test_recall.py   the sets of build/datasets, text1m (cosine, dot) and
                                                                sift1m (l2); with PX_BUILD=build/release, about an hour

PX_TEST_SEED    repeats what is written and asked; it is printed
"""
import os
import random
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from churn_server import Limits, Server
from proximadb import ProximaDBClient
from rows import Clustered

ROOT = Path(__file__).resolve().parents[2]
MOST_ROWS = int(os.environ.get("PX_RECALL_ROWS", "0"))      # 0: the small forms
SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
MADE_ROWS, MADE_QUERIES = 8_000, 200
INDEXED_COMPONENTS = 2_200_000      # a collection of fewer has no index: all rows are compared in no time
QUERIES = 500
K = 10
TARGETS = (0.95, 0.99)
TOLERANCE = 0.02
LEAST_FOUND = 0.99          # of the rows that are asked for by the vector they have just been given
BATCH = 500
WRITERS = 2
INDEXED_S = 3600 if MOST_ROWS else 100
SLACK = 1e-4                # of a distance that numpy computed: rows so near to the k-th count as well


@dataclass
class Form:
    """What is loaded: `rows` at first, and `others` for half of them."""
    name: str
    metric: str
    rows: np.ndarray
    others: np.ndarray
    queries: np.ndarray


def split(name, metric, vectors, queries):
    """Two thirds of the vectors are rows, and the rest is for half of those."""
    count = len(vectors) * 2 // 3
    return Form(name, metric, vectors[:count], vectors[count:count + count // 2], queries)


def real_vectors():
    sys.path.insert(0, str(ROOT / "tests/interop"))
    import embeddings
    prefix = embeddings.prefix()
    return np.load(f"{prefix}.base.npy"), np.load(f"{prefix}.query.npy")[:QUERIES]


def of_texts(metric):
    vectors, queries = real_vectors()
    if metric != "cosine":          # lengths that differ, which cosine would not notice
        vectors = vectors * np.random.default_rng(SEED).uniform(0.7, 1.4, (len(vectors), 1)).astype(np.float32)
    return split(f"texts, {metric}", metric, vectors, queries)


def made(dimension, metric):
    count = max(MADE_ROWS, INDEXED_COMPONENTS // (dimension + 32))
    vectors = Clustered(dimension, SEED).take(count * 3 // 2 + MADE_QUERIES)
    return split(f"made, {metric}, {dimension}", metric, vectors[MADE_QUERIES:], vectors[:MADE_QUERIES])


def data_set(name, metric):
    folder = ROOT / "build/datasets"
    base = np.load(folder / f"{name}.base.npy", mmap_mode="r")
    vectors = np.ascontiguousarray(base[:MOST_ROWS * 3 // 2], dtype=np.float32)
    return split(f"{name}, {metric}", metric, vectors, np.load(folder / f"{name}.query.npy")[:QUERIES])


SMALL = {"texts-cosine": lambda: of_texts("cosine"), "texts-l2": lambda: of_texts("l2"),
         "texts-dot": lambda: of_texts("dot"),
         "made-128": lambda: made(128, "l2"), "made-768": lambda: made(768, "cosine"),
         "made-1024": lambda: made(1024, "dot")}
LARGE = {"text1m-cosine": lambda: data_set("text1m", "cosine"), "text1m-dot": lambda: data_set("text1m", "dot"),
         "sift1m-l2": lambda: data_set("sift1m", "l2")}
FORMS = LARGE if MOST_ROWS else SMALL
CASES = [(name, kind) for kind in ("HNSW", "IVF") for name in FORMS
         if MOST_ROWS or (kind == "HNSW") != (name in ("texts-l2", "made-768"))]     # not all of both in the small run


def distances(metric, queries, rows):
    """Of each query to each row, smaller is nearer; (queries, rows)."""
    products = queries @ rows.T
    if metric == "dot":
        return -products
    if metric == "l2":
        return np.einsum("ij,ij->i", queries, queries)[:, None] + np.einsum("ij,ij->i", rows, rows) - 2 * products
    return 1 - products / np.linalg.norm(queries, axis=1)[:, None] / np.linalg.norm(rows, axis=1)


class Truth:
    """The k-th distance of each query; a row that is not farther is one of the nearest."""

    def __init__(self, form, rows):
        self.form, self.rows = form, rows
        blocks = [np.partition(distances(form.metric, form.queries, rows[at:at + 65536]), K - 1)[:, :K]
                  for at in range(0, len(rows), 65536) if at + K <= len(rows)]
        self.farthest = np.partition(np.concatenate(blocks, axis=1), K - 1)[:, K - 1]

    def shares(self, answers):
        """Of the nearest rows, in each answer."""
        found = []
        for query, farthest, hits in zip(self.form.queries, self.farthest, answers):
            ids = [int(hit.id) for hit in hits]
            assert len(set(ids)) == K, f"{len(set(ids))} rows in an answer of {K}"
            slack = SLACK * max(1.0, abs(float(farthest)))
            found.append((distances(self.form.metric, query[None], self.rows[ids])[0] <= farthest + slack).mean())
        return np.array(found)


def wait_until_indexed(client, name):
    """All rows are in the index. Codes (IVF) are of rows in lists, which compaction makes."""
    client.flush(name)
    client.compact(name)
    deadline = time.monotonic() + INDEXED_S
    while (info := client.get_collection(name)).index_state != "ready" or info.index_lag > 0:
        assert time.monotonic() < deadline, f"{info.index_lag} rows are not indexed: {info}"
        time.sleep(0.1)
    return info


def check_recall(client, form, rows, moment):
    truth = Truth(form, rows)
    for target in TARGETS:
        answers = [client.search("c", query, k=K, target_recall=target, include_metadata=False)
                   for query in form.queries]
        shares = truth.shares(answers)
        error = shares.std() / np.sqrt(len(shares))
        print(f"{form.name}, {moment}: recall {shares.mean():.4f} +- {error:.4f}, {target} wanted")
        assert shares.mean() + 3 * error + TOLERANCE >= target, f"{form.name}, {moment}: {shares.mean():.4f}"


class Writer(threading.Thread):
    """Gives some rows other vectors, and asks for them. `failure` is what went wrong."""

    def __init__(self, address, form, numbers, vectors):
        super().__init__()
        self.address, self.form, self.numbers, self.vectors = address, form, numbers, vectors
        self.asked, self.found, self.failure = 0, 0, None

    def run(self):
        try:
            with ProximaDBClient(self.address) as client:
                for at in range(0, len(self.numbers), BATCH):
                    self.write(client, self.numbers[at:at + BATCH], self.vectors[at:at + BATCH])
        except BaseException as error:      # noqa: BLE001: the test raises it
            self.failure = error

    def write(self, client, numbers, vectors):
        client.update("c", [str(number) for number in numbers], vectors=vectors)
        for number, vector in zip(numbers[::50], vectors[::50]):
            hits = client.search("c", vector, k=K, include_vectors=True)
            assert len({hit.id for hit in hits}) == K
            for hit in hits:
                self.check_hit(hit)
            nearest = client.search("c", vector, k=K, exact=True, include_metadata=False)
            if str(number) in [hit.id for hit in nearest]:      # under dot a longer row may be nearer
                self.asked += 1
                self.found += str(number) in [hit.id for hit in hits]

    def check_hit(self, hit):
        """Its vector is one that its row has had."""
        known = [self.form.rows[int(hit.id)]]
        if int(hit.id) in self.form.other_of:
            known.append(self.form.others[self.form.other_of[int(hit.id)]])
        assert any(np.array_equal(hit.vector, vector) for vector in known), f"a vector that {hit.id} never had"


def replace_half(address, form, numbers):
    form.other_of = {int(number): place for place, number in enumerate(numbers)}
    writers = [Writer(address, form, numbers[part], form.others[part])
               for part in np.array_split(np.arange(len(numbers)), WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        if writer.failure is not None:
            raise writer.failure
    asked, found = sum(writer.asked for writer in writers), sum(writer.found for writer in writers)
    print(f"{form.name}, while it is churned: {found} of {asked} rows found by their own vector")
    assert found >= LEAST_FOUND * asked


@pytest.mark.parametrize(("name", "index_type"), CASES)
def test_targets_are_met_before_and_after_a_churn(tmp_path, name, index_type):
    print(f"PX_TEST_SEED={SEED}")
    form = FORMS[name]()
    with Server(tmp_path / "data", tmp_path / "server.log", Limits(1)) as server, \
            ProximaDBClient(server.address) as client:
        client.create_collection("c", form.rows.shape[1], metric=form.metric, index_type=index_type, storage="exact")
        for at in range(0, len(form.rows), BATCH):
            rows = form.rows[at:at + BATCH]
            client.insert("c", rows, ids=[str(at + place) for place in range(len(rows))])
        assert wait_until_indexed(client, "c").index_row_count >= len(form.rows)
        check_recall(client, form, form.rows, "loaded")

        numbers = np.random.default_rng(SEED).permutation(len(form.rows))[:len(form.others)]
        replace_half(server.address, form, numbers)
        wait_until_indexed(client, "c")
        now = form.rows.copy()
        now[numbers] = form.others
        check_recall(client, form, now, "half replaced")

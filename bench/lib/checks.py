"""Whether answers are right. A wrong one fails the measurement: BenchError."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import proximadb

from lib.rounding import stored
from lib.rows import Batch, Rows, Vectors
from lib.workspace import BenchError

SCORE_TOLERANCE = 1e-6  # of a sum of 384 products of float32, and of ties at the k-th place
CANDIDATES = 200  # rows that are compared again in double precision


class ScoredId(NamedTuple):
    """A hit as its id and score."""

    id: str
    score: float


def scored(hits: Sequence[proximadb.Hit]) -> list[ScoredId]:
    """A search's answer as ids and scores."""
    return [ScoredId(hit.id, hit.score) for hit in hits]


class BruteForce:
    """Cosine scores by numpy, to hold answers of a collection of that storage profile against."""

    def __init__(self, rows: Rows, storage: str = "exact") -> None:
        self._storage = storage
        self._vectors = rows.vectors
        self._row_of = {id_: row for row, id_ in enumerate(rows.ids)}
        self._norms = np.linalg.norm(rows.vectors, axis=1)

    def check(self, query: Vectors, answer: Sequence[ScoredId], k: int) -> None:
        """BenchError unless `answer` is the k nearest rows, nearest first, with their scores."""
        expected = min(k, len(self._vectors))
        if len({hit.id for hit in answer}) != expected or len(answer) != expected:
            raise BenchError(f"a search for {k} rows gave {len(answer)} where {expected} match")
        unknown = [hit.id for hit in answer if hit.id not in self._row_of]
        if unknown:
            raise BenchError(f"a search gave '{unknown[0]}', which was never inserted")
        own = np.array([hit.score for hit in answer])
        true = self._scores(query, np.array([self._row_of[hit.id] for hit in answer]))
        if np.abs(own - true).max() > SCORE_TOLERANCE or (np.diff(own) > 0).any():
            raise BenchError("a search gave scores that are wrong, or in the wrong order")
        if true.min() < self._kth_best(query, expected) - SCORE_TOLERANCE:
            raise BenchError("a search missed a row that is nearer than one that it gave")

    def _kth_best(self, query: Vectors, k: int) -> float:
        rough = self._vectors @ query / self._norms
        count = min(len(rough), k + CANDIDATES)
        candidates = np.argpartition(rough, -count)[-count:]
        return float(np.sort(self._scores(query, candidates))[-k])

    def _scores(self, query: Vectors, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        vectors = stored(self._vectors[rows], self._storage).astype(np.float64)
        query = query.astype(np.float64)
        norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
        scores: npt.NDArray[np.float64] = vectors @ query / norms
        return scores


def check_count(client: proximadb.ProximaDBClient, collection: str, expected: int) -> None:
    """BenchError unless the collection has so many rows."""
    count = client.count(collection)
    if count != expected:
        raise BenchError(f"{collection} has {count} rows, {expected} were acknowledged")


def check_records(
    records: Sequence[proximadb.Record], batch: Batch, storage: str = "exact"
) -> None:
    """BenchError unless the records are the rows, as the profile keeps them, bit by bit."""
    vectors = stored(batch.vectors, storage)
    if [record.id for record in records] != batch.ids:
        raise BenchError("acknowledged rows are missing")
    for index, record in enumerate(records):
        same_vector = record.vector is not None and np.array_equal(
            np.asarray(record.vector, np.float32).view(np.uint32),
            vectors[index].view(np.uint32),
        )
        same_rest = (
            record.document == batch.documents[index] and record.metadata == batch.metadata[index]
        )
        if not (same_vector and same_rest):
            raise BenchError(f"row '{record.id}' is not what was inserted")


def sample_batch(rows: Rows, count: int, seed: int = 7) -> Batch:
    """Some of the rows, at random but the same each time."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:count])
    return Batch(
        [rows.ids[row] for row in chosen],
        rows.vectors[chosen],
        [rows.metadata[row] for row in chosen],
        [rows.documents[row] for row in chosen],
    )


def check_collection(
    client: proximadb.ProximaDBClient, collection: str, rows: Rows, searches: int = 5, k: int = 10
) -> str:
    """Counts the rows, compares a sample of them, and some searches; says what it did."""
    check_count(client, collection, len(rows))
    sample = sample_batch(rows, min(1_000, len(rows)))
    storage = client.get_collection(collection).storage
    check_records(client.get(collection, sample.ids), sample, storage)
    truth = BruteForce(rows, storage)
    for query in rows.queries[:searches]:
        truth.check(query, scored(client.search(collection, query, k=k, exact=True)), k)
    return (
        f"{len(rows):,} rows counted, {len(sample.ids):,} read back bit by bit ({storage}), "
        f"{searches} searches equal to numpy's"
    )

"""Exact search by numpy over vectors that are stored, and how much of the truth it finds.

Products are taken block by block in float32; what comes near a query's k-th place is compared again
in double precision, so that the answer is that of double precision throughout. Of rows with equal
scores the one with the smaller number comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lib.rows import Vectors
from lib.sets import RowNumbers

Doubles = npt.NDArray[np.float64]

BLOCK_ROWS = 16_384
BLOCK_QUERIES = 256
PAIRS = 50_000  # compared in double precision at a time
SLACK = 1e-5  # more than float32's products are off, of the largest score
TIE = 1e-12  # relative; equal vectors have equal scores but for the order of additions
Z_95 = 1.96


class Recall(NamedTuple):
    """A mean over queries and the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float


def exact_scores(
    vectors: Vectors, queries: Vectors, rows: RowNumbers, of_query: RowNumbers, metric: str
) -> Doubles:
    """Of pairs of a row and a query in double precision: cosine, or minus the distance (l2)."""
    scores = np.empty(len(rows))
    for first in range(0, len(rows), PAIRS):
        part = slice(first, first + PAIRS)
        ours = vectors[rows[part]].astype(np.float64)
        theirs = queries[of_query[part]].astype(np.float64)
        if metric == "l2":
            scores[part] = -np.sqrt(np.square(ours - theirs).sum(axis=1))
        else:
            norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
            scores[part] = (ours * theirs).sum(axis=1) / norms
    return scores


def nearest(
    vectors: Vectors, queries: Vectors, k: int, metric: str, start: RowNumbers | None = None
) -> RowNumbers:
    """The k nearest rows of each query, [queries, k]. `start`, rows that are near, saves time."""
    block = np.arange(min(BLOCK_ROWS, len(vectors)))
    thresholds = np.empty(len(queries), np.float32)
    for part, products in _products(vectors[block], queries, metric):
        thresholds[part] = np.partition(products, -k, axis=1)[:, -k]
    if start is not None:
        thresholds = np.maximum(thresholds, _worst_of(vectors, queries, start[:, :k], metric))
    thresholds -= np.float32(SLACK) * np.maximum(np.abs(thresholds), 1)
    rows, of_query = _reaching(vectors, queries, thresholds, metric)
    scores = exact_scores(vectors, queries, rows, of_query, metric)
    order = np.lexsort((rows, -scores, of_query))
    begins = np.searchsorted(of_query[order], np.arange(len(queries)))
    chosen: RowNumbers = rows[order][begins[:, None] + np.arange(k)]
    return chosen


def _reaching(
    vectors: Vectors, queries: Vectors, thresholds: npt.NDArray[np.float32], metric: str
) -> tuple[RowNumbers, RowNumbers]:
    """The pairs of a row and a query that reach the query's threshold."""
    found_rows, found_queries = [], []
    for first in range(0, len(vectors), BLOCK_ROWS):
        for part, products in _products(vectors[first : first + BLOCK_ROWS], queries, metric):
            in_part, in_block = np.nonzero(products >= thresholds[part, None])
            found_queries.append(in_part + part.start)
            found_rows.append(in_block + first)
    return np.concatenate(found_rows), np.concatenate(found_queries)


def recall_of(
    found: RowNumbers, truth: RowNumbers, vectors: Vectors, queries: Vectors, metric: str
) -> Recall:
    """How many of the `found` rows are among the nearest of `vectors`, the original ones.

    `truth` are the nearest rows, as many. A row that is as near as the last of them counts.
    """
    count = found.shape[1]
    of_query = np.repeat(np.arange(len(queries)), count)
    scores = exact_scores(vectors, queries, found.ravel(), of_query, metric)
    true = exact_scores(vectors, queries, truth[:, :count].ravel(), of_query, metric)
    worst = true.reshape(-1, count).min(axis=1)
    is_hit = scores.reshape(-1, count) >= (worst - TIE * np.abs(worst))[:, None]
    return with_interval(is_hit.mean(axis=1))


def with_interval(of_queries: Doubles) -> Recall:
    """The mean of the queries' recalls, and its 95 % interval by their spread."""
    mean = float(of_queries.mean())
    half = Z_95 * float(of_queries.std()) / len(of_queries) ** 0.5
    return Recall(mean, max(0.0, mean - half), min(1.0, mean + half))


def _products(
    block: Vectors, queries: Vectors, metric: str
) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Queries by hundreds, and numbers by which their rows are ordered as by their scores."""
    if metric == "l2":
        minus = np.square(block).sum(axis=1) / 2
    else:
        block = block / np.linalg.norm(block, axis=1, keepdims=True)
        minus = np.zeros(len(block), np.float32)
    for first in range(0, len(queries), BLOCK_QUERIES):
        part = slice(first, min(first + BLOCK_QUERIES, len(queries)))
        products = queries[part] @ block.T
        if metric == "l2":
            products -= minus
        yield part, products


def _worst_of(
    vectors: Vectors, queries: Vectors, rows: RowNumbers, metric: str
) -> npt.NDArray[np.float32]:
    """The smallest of the numbers of _products() over each query's rows."""
    worst = np.empty(len(queries), np.float32)
    for number, query in enumerate(queries):
        [(_, products)] = _products(vectors[rows[number]], query[None], metric)
        worst[number] = products.min()
    return worst

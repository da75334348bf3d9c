"""What rounding has changed of vectors, held against the bounds that a collection states.

docs/format/rounding.md has the bounds: a component is off by at most `relative_error` of itself, or
of `base`, about a usual component of its vector, where that is more; the whole vector by at most
half as much again of its length. So a cosine is off by at most that, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lib.recall import exact_scores
from lib.rows import Vectors
from lib.sets import RowNumbers

BLOCK_ROWS = 20_000
BASE_OF_USUAL = 17 / 16  # base is the largest power of two up to so many usual components
VECTOR_OF_COMPONENT = 1.5
RANDOM_ROWS = 100  # of each query
SEED = 7


class Errors(NamedTuple):
    """The largest, and the largest as a part of its bound, which is at most 1; 0 of no error."""

    component: float
    component_of_bound: float
    score: float
    score_of_bound: float


def component_errors(
    original: Vectors, stored: Vectors, relative_error: float
) -> tuple[float, float]:
    """The largest error of a component, and the largest as a part of its bound."""
    largest = largest_part = 0.0
    for first in range(0, len(original), BLOCK_ROWS):
        x = original[first : first + BLOCK_ROWS].astype(np.float64)
        y = stored[first : first + BLOCK_ROWS].astype(np.float64)
        errors = np.abs(x - y)
        largest = max(largest, float(errors.max()))
        base = np.maximum(_base(x), _base(y))[:, None]
        bounds = relative_error * np.maximum(np.abs(x), base)
        largest_part = max(largest_part, _largest_part(errors, bounds))
    return largest, largest_part


def score_errors(
    original: Vectors,
    stored: Vectors,
    queries: Vectors,
    near: RowNumbers,
    metric: str,
    relative_error: float,
) -> tuple[float, float]:
    """Of each query's `near` rows and of some at random, as component_errors()."""
    random = np.random.default_rng(SEED).integers(0, len(original), (len(queries), RANDOM_ROWS))
    rows = np.concatenate([near, random], axis=1).ravel()
    of_query = np.repeat(np.arange(len(queries)), near.shape[1] + RANDOM_ROWS)
    errors = np.abs(
        exact_scores(original, queries, rows, of_query, metric)
        - exact_scores(stored, queries, rows, of_query, metric)
    )
    scale = np.linalg.norm(original, axis=1)[rows] if metric == "l2" else np.ones(len(rows))
    bounds = VECTOR_OF_COMPONENT * relative_error * scale
    return float(errors.max()), _largest_part(errors, bounds)


def _base(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each vector; 0 of one that is all zeros."""
    usual = np.linalg.norm(vectors, axis=1) / vectors.shape[1] ** 0.5
    fraction, exponent = np.frexp(BASE_OF_USUAL * usual)
    base: npt.NDArray[np.float64] = np.where(fraction > 0, np.ldexp(1.0, exponent - 1), 0.0)
    return base


def _largest_part(errors: npt.NDArray[np.float64], bounds: npt.NDArray[np.float64]) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(errors == 0, 0.0, errors / bounds)
    return float(parts.max())

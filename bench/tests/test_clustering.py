"""Goal: shares and balances of lists are what they are called.

Method: a few rows on a circle, with results known by hand; numpy over all rows at once as oracle.
"""

import numpy as np
import pytest

from measure import clustering

CORNERS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)


@pytest.fixture
def four_lists(monkeypatch):
    """Of 3, 1, 1 and 1 rows, of which the nearest one to a query is probed."""
    monkeypatch.setattr(clustering, "PROBED_PART", 4)
    return np.array([0, 0, 0, 1, 2, 3], np.uint32)


def test_quality__counts_neighbours_in_the_nearest_lists(four_lists):
    queries = np.array([[0.9, 0.1], [0.1, -0.9]], np.float32)  # nearest to lists 0 and 3
    truth = np.array([[0, 1, 3, 4], [5, 0, 1, 2]])
    figures = clustering.quality(CORNERS, four_lists, queries, truth)
    assert figures["share"] == (2 + 1) / 8
    assert figures["scanned"] == pytest.approx((3 / 6 + 1 / 6) / 2)
    assert figures["balance"] == 2.0


def test_nearest_rows__are_the_same_in_blocks(monkeypatch):
    monkeypatch.setattr(clustering, "BLOCK_ROWS", 7)
    random = np.random.default_rng(3)
    base = random.standard_normal((50, 8), np.float32)
    queries = random.standard_normal((5, 8), np.float32)
    expected = np.argsort(-(queries @ base.T), axis=1)[:, :10]
    found = clustering.nearest_rows(base, queries, 10)
    assert (np.sort(found, axis=1) == np.sort(expected, axis=1)).all()


def test_best_core__is_of_the_cpu():
    assert clustering.best_core("flags : fpu avx2 fma avx512f") == "SKYLAKEX"
    assert clustering.best_core("flags : fpu avx2 fma") == "HASWELL"
    assert clustering.best_core("flags : fpu sse2") == ""

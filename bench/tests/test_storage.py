"""Goal: bytes, recall, errors and goals of bench/storage are what they are called.

Method: small random vectors against plain numpy in double precision; files of known content; one
fault at a time.
"""

import math
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.access import _us_row
from lib.disk import measure_disk
from lib.errors import _base, component_errors, score_errors
from lib.load import PROFILES
from lib.recall import nearest, recall_of, with_interval
from lib.report import Goal
from lib.rows import set_sizes
from lib.sets import load_set, row_numbers
from measure.storage import goals_of

COUNT, DIM_COUNT, QUERY_COUNT, K = 3_000, 24, 40, 10


@pytest.fixture
def vectors():
    return np.random.default_rng(1).standard_normal((COUNT, DIM_COUNT)).astype(np.float32)


@pytest.fixture
def queries():
    return np.random.default_rng(2).standard_normal((QUERY_COUNT, DIM_COUNT)).astype(np.float32)


def by_hand(vectors, queries, metric):
    """The k nearest rows in double precision, of equal ones the first."""
    vectors, queries = vectors.astype(np.float64), queries.astype(np.float64)
    if metric == "l2":
        distances = np.linalg.norm(queries[:, None] - vectors[None], axis=2)
    else:
        distances = -(queries @ vectors.T) / np.linalg.norm(vectors, axis=1)
    return np.argsort(distances, axis=1, kind="stable")[:, :K]


def rounded(vectors, bits):
    """To so many bits of mantissa, linear below 2^-1, which is base for vectors like these."""
    step = 2.0 ** (np.floor(np.log2(np.maximum(np.abs(vectors), 0.5))) - bits)
    return (np.rint(vectors / step) * step).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_nearest__is_brute_force_in_double_precision(vectors, queries, metric):
    vectors[7] = vectors[8] = vectors[2_000]  # equal rows
    queries[0] = vectors[7]
    expected = by_hand(vectors, queries, metric)
    assert np.array_equal(nearest(vectors, queries, K, metric), expected)
    start = expected.copy()
    start[:, K // 2 :] = 1  # half of what was known before is wrong
    assert np.array_equal(nearest(vectors, queries, K, metric, start), expected)
    assert list(expected[0][:3]) == [7, 8, 2_000]


def test_nearest__goes_through_all_blocks(queries, monkeypatch):
    monkeypatch.setattr("lib.recall.BLOCK_ROWS", 100)
    monkeypatch.setattr("lib.recall.BLOCK_QUERIES", 7)
    vectors = np.random.default_rng(3).standard_normal((1_234, DIM_COUNT)).astype(np.float32)
    assert np.array_equal(nearest(vectors, queries, K, "l2"), by_hand(vectors, queries, "l2"))


def test_recall__counts_what_is_as_near_as_the_last(vectors, queries):
    truth = by_hand(vectors, queries, "cosine")
    assert recall_of(truth, truth, vectors, queries, "cosine") == (1.0, 1.0, 1.0)
    found = truth.copy()
    found[:, 0] = by_hand(-vectors, queries, "cosine")[:, 0]  # the farthest
    assert recall_of(found, truth, vectors, queries, "cosine").mean == pytest.approx(0.9)
    vectors[5] = vectors[truth[0, -1]]  # as near as the last
    found = truth.copy()
    found[0, -1] = 5
    assert recall_of(found, truth, vectors, queries, "cosine").mean == 1.0


def test_interval__is_that_of_a_mean():
    recall = with_interval(np.array([1.0, 0.8] * 50))
    assert recall.mean == pytest.approx(0.9)
    assert recall.high - recall.mean == pytest.approx(1.96 * 0.1 / 10)
    assert recall.mean - recall.low == pytest.approx(1.96 * 0.1 / 10)


@pytest.mark.parametrize("bits", [4, 7])
def test_errors__are_within_the_bounds_of_rounding_and_no_less(vectors, queries, bits):
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * 0.9 * DIM_COUNT**0.5
    stored, stated = rounded(vectors, bits), 2.0 ** -(bits + 1)
    largest, part = component_errors(vectors, stored, stated)
    assert 0.9 < part <= 1
    assert largest == np.abs(vectors.astype(np.float64) - stored).max()
    _, part_of_finer = component_errors(vectors, stored, stated / 2)
    assert part_of_finer > 1
    near = by_hand(vectors, queries, "cosine")
    score, score_part = score_errors(vectors, stored, queries, near, "cosine", stated)
    assert score > 0 and 0 < score_part < 1


def test_base__is_the_largest_power_of_two_up_to_seventeen_sixteenths_of_the_usual():
    usual = [1.0, 0.95, 0.94, 3.0, 3.9, 0.0]
    rows = np.array([[size, -size] for size in usual])
    assert list(_base(rows)) == [1.0, 1.0, 0.5, 2.0, 4.0, 0.0]


def test_errors__of_what_is_kept_are_none(vectors, queries):
    near = by_hand(vectors, queries, "l2")
    assert component_errors(vectors, vectors, 0.0) == (0.0, 0.0)
    assert score_errors(vectors, vectors, queries, near, "l2", 0.0) == (0.0, 0.0)
    changed = vectors.copy()
    changed[3, 4] = np.nextafter(changed[3, 4], np.float32(9))
    assert component_errors(vectors, changed, 0.0)[1] == math.inf


def test_disk__tells_columns_from_the_rest(tmp_path):
    folder = tmp_path / "store/rows/vectors/cluster_001"
    folder.mkdir(parents=True)
    (tmp_path / "wal/rows").mkdir(parents=True)
    (tmp_path / "metadata/collections").mkdir(parents=True)
    (tmp_path / "metadata/collections/rows.json").write_text("{}")
    (tmp_path / "wal/rows/a.wal").write_bytes(b"x" * 9_000)
    flat = pa.array(np.random.default_rng(1).random(400, np.float32))
    vector = pa.ListArray.from_arrays(pa.array(range(0, 401, 4), pa.int32()), flat)
    columns = {"id": [str(i) for i in range(100)], "vector": vector, "document": ["text"] * 100}
    pq.write_table(
        pa.table({**columns, "m_words": range(100)}),
        folder / "part_001.parquet",
        compression="none",
        use_dictionary=False,
    )
    disk = measure_disk(tmp_path)
    assert disk.row_count == 100
    assert 1_600 <= disk.vectors < 1_900
    assert 800 <= disk.documents < 1_000 and 800 <= disk.fields < 1_000
    assert 590 <= disk.ids < 800
    assert disk.log == 12_288  # blocks of 4 KiB
    files = 4_096 + -(-(folder / "part_001.parquet").stat().st_size // 4_096) * 4_096
    assert disk.total == files + disk.log
    columns_bytes = disk.vectors + disk.documents + disk.ids + disk.fields
    assert disk.rest == files - columns_bytes


def test_us_row__is_the_median_of_its_lines():
    lines = [line.split() for line in ("first 10 90000", "random 10 20000", "random 10 40000")]
    assert _us_row(lines, "first") == 9.0
    assert _us_row([*lines, ["random", "10", "30000"]], "random") == 3.0


def test_goal__has_a_direction_and_no_number_meets_none():
    assert Goal("x", 3.0, 3.0, is_least=True).is_met
    assert not Goal("x", 2.9, 3.0, is_least=True).is_met
    assert Goal("x", 2.9, 3.0, is_least=False).is_met
    assert not Goal("x", math.nan, 3.0, is_least=False).is_met
    assert Goal("x", 3.1, 3.0, is_least=False).line().startswith("MISSED: x 3.1, at most 3")


def figures(**changed):
    run = {"set": "minilm", "profile": "balanced", "ratio": 3.1, "recall": 0.999}
    run |= {"recall_high": 0.9991, "of_raw": 0.45, "random_us": 1.0, "thousand_ms": 1.0}
    return {**run, **changed}


def test_goals__are_met_and_missed_one_by_one():
    assert all(goal.is_met for goal in goals_of([figures()], 1.0))
    for changed in (
        {"ratio": 2.99},
        {"recall_high": 0.9979},
        {"of_raw": 0.51},
        {"random_us": 5.1},
        {"thousand_ms": 3.1},
    ):
        assert [goal.is_met for goal in goals_of([figures(**changed)], 1.0)].count(False) == 1
    assert all(goal.is_met for goal in goals_of([figures(random_us=9.9)], 2.0))


def test_goals__are_those_of_the_profile_and_the_set():
    assert {profile.name for profile in PROFILES} == {
        "balanced",
        "exact",
        "exact plain",
        "compact",
    }
    half = figures(set="minilm-half", profile="exact", recall=1.0, ratio=1.9)
    assert not all(goal.is_met for goal in goals_of([half], 1.0))
    assert all(goal.is_met for goal in goals_of([{**half, "ratio": 2.1}], 1.0))
    bytes_ = figures(set="sift1m", profile="compact", ratio=4.1, random_us=99.0, thousand_ms=99.0)
    assert all(goal.is_met for goal in goals_of([bytes_], 1.0))


def write_set(folder, name, count):
    np.save(folder / f"{name}.base.npy", np.full((count, 4), 1 / 3, np.float32))
    np.save(folder / f"{name}.query.npy", np.ones((2, 4), np.float32))
    np.save(folder / f"{name}.gt.npy", np.zeros((2, 5), np.int32))
    texts = {"text": ["a text"] * count, "source": ["s"] * count, "category": ["c"] * count}
    pq.write_table(pa.table(texts), folder / f"{name}.base.parquet")


def test_load_set__is_the_largest_or_the_first_rows_of_it(tmp_path):
    write_set(tmp_path, "minilm-20", 20)
    write_set(tmp_path, "minilm-30", 30)
    assert sorted(set_sizes(tmp_path, "minilm", 100_000)) == [20, 30]
    whole = load_set(tmp_path, "minilm", 100)
    assert len(whole.rows) == 30 and whole.nearest.shape == (2, 5)
    part = load_set(tmp_path, "minilm", 7)
    assert len(part.rows) == 7 and part.nearest is None
    assert part.rows.documents == ["a text"] * 7 and part.rows.metadata[0]["words"] == 2
    assert list(row_numbers(part.rows.ids)) == list(range(7))


def test_load_set__rounds_to_half_precision(tmp_path):
    write_set(tmp_path, "minilm-20", 20)
    half = load_set(tmp_path, "minilm-half", 20)
    [bits] = struct.unpack("<I", half.rows.vectors[0, :1].tobytes())
    assert bits == 0x3EAAA000  # a third with 10 bits of mantissa
    assert half.nearest is None

"""Goal: a wrong answer fails a measurement, whatever is wrong about it.

Method: right answers by numpy over random rows, then one fault at a time.
"""

import numpy as np
import pytest
from proximadb import Record

from lib.checks import BruteForce, ScoredId, check_records, sample_batch
from lib.rows import Rows, row_id
from lib.workspace import BenchError

COUNT, DIM_COUNT, K = 2_000, 16, 10


@pytest.fixture
def rows():
    vectors = np.random.default_rng(1).standard_normal((COUNT, DIM_COUNT)).astype(np.float32)
    return Rows(
        vectors,
        [row_id(row) for row in range(COUNT)],
        [{"source": "s", "category": "c", "words": row} for row in range(COUNT)],
        [f"text {row}" for row in range(COUNT)],
        vectors[:1] + np.float32(0.1),
        "random",
    )


@pytest.fixture
def answer(rows):
    """The right one for the first query."""
    vectors, query = rows.vectors.astype(np.float64), rows.queries[0].astype(np.float64)
    scores = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    best = np.argsort(-scores)[:K]
    return [ScoredId(rows.ids[row], scores[row]) for row in best]


def check(rows, answer):
    BruteForce(rows).check(rows.queries[0], answer, K)


def test_brute_force__takes_the_right_answer(rows, answer):
    check(rows, answer)


@pytest.mark.parametrize("place", [0, K // 2, K - 1])
def test_brute_force__refuses_an_answer_without_one_of_the_nearest(rows, answer, place):
    given = {hit.id for hit in answer}
    other = next(id_ for id_ in rows.ids if id_ not in given)
    vector, query = rows.vectors[rows.ids.index(other)], rows.queries[0]
    score = vector @ query / np.linalg.norm(vector) / np.linalg.norm(query)
    del answer[place]
    with pytest.raises(BenchError, match="missed a row"):
        check(rows, [*answer, ScoredId(other, float(score))])


def test_brute_force__refuses_too_few_rows_and_rows_given_twice(rows, answer):
    for wrong in (answer[:-1], [answer[0], *answer[:-1]], []):
        with pytest.raises(BenchError, match="10 match"):
            check(rows, wrong)


def test_brute_force__refuses_wrong_scores_and_a_wrong_order(rows, answer):
    changed = [ScoredId(answer[0].id, answer[0].score + 1e-4), *answer[1:]]
    for wrong in (changed, answer[::-1]):
        with pytest.raises(BenchError, match="scores"):
            check(rows, wrong)


def test_brute_force__refuses_an_id_that_was_never_inserted(rows, answer):
    with pytest.raises(BenchError, match="never inserted"):
        check(rows, [*answer[:-1], ScoredId("nobody", answer[-1].score)])


def records_of(batch):
    return [
        Record(
            id=batch.ids[i],
            vector=batch.vectors[i].copy(),
            metadata=dict(batch.metadata[i]),
            document=batch.documents[i],
            version=1,
            timestamp=0,
            expires_at=None,
        )
        for i in range(len(batch.ids))
    ]


def test_check_records__takes_what_was_inserted(rows):
    batch = sample_batch(rows, 20)
    check_records(records_of(batch), batch)


def test_check_records__refuses_one_changed_bit_and_any_other_change(rows):
    batch = sample_batch(rows, 20)
    for change in (
        lambda records: records[3].vector.view(np.uint32).__setitem__(5, 7),
        lambda records: records[3].metadata.update(words=-1),
        lambda records: records.__setitem__(3, records[4]),
        lambda records: records.pop(),
    ):
        records = records_of(batch)
        change(records)
        with pytest.raises(BenchError):
            check_records(records, batch)

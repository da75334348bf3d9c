"""Goal: the oracle of the churn test finds every kind of wrong answer, and takes every right one.
Method: answers of a small log, computed the slow way, and then made wrong in one respect.
"""
import itertools

import numpy as np
import pytest
from states import Asked, Log, Violation, exact_distances, id_of, key_of

DIMENSION = 11          # not a multiple of the lanes
QUERY = np.linspace(-1, 1, DIMENSION).astype(np.float32)
METRICS = ("cosine", "l2", "dot")


def make_log(metric):
    """Batch 1 inserts 40 rows, 2 replaces 10 of them, 3 deletes 10 others, 4 inserts 5 again. Every vector is there
    twice."""
    random = np.random.default_rng(7)
    vectors = np.repeat(random.standard_normal((40, DIMENSION)).astype(np.float32), 2, axis=0)
    log, version = Log(DIMENSION, metric, 100), itertools.count(1)

    def put(keys, first):
        made = log.begin(keys, vectors[first:first + len(keys)], np.asarray(keys) % 3, np.asarray(keys))
        log.end(made, [next(version) for _ in keys])

    put(list(range(40)), 0)
    put(list(range(10)), 40)
    log.begin(list(range(10, 20)))
    log.end(None, None)
    put(list(range(12, 17)), 60)
    return log


def slow_answer(log, batch, k, bucket=None):
    rows = [(float(exact_distances(log.metric, QUERY, log.vectors[i:i + 1])[0]), int(log.keys[i]), int(log.versions[i]))
            for i in range(log.count) if log.born[i] <= batch < log.died[i] and bucket in (None, log.buckets[i])]
    return [(key, distance, version) for distance, key, version in sorted(rows)[:k]]


def search(log, hits, first, last, k=8, bucket=None):
    log.judge([Asked(first, last, bucket, QUERY, k, hits)])


@pytest.mark.parametrize("metric", METRICS)
def test_states__take_the_answer_of_any_batch_in_between(metric):
    log = make_log(metric)
    for batch, k, bucket in itertools.product((1, 2, 3, 4), (1, 8, 1000), (None, 0, 2)):
        search(log, slow_answer(log, batch, k, bucket), batch, batch, k, bucket)
        search(log, slow_answer(log, batch, k, bucket), 1, 4, k, bucket)
        log.judge([Asked(1, 4, bucket, hits=len(slow_answer(log, batch, 1000, bucket)))])


@pytest.mark.parametrize("metric", METRICS)
def test_states__refuse_a_batch_outside(metric):
    log = make_log(metric)
    answers = {batch: slow_answer(log, batch, 1000) for batch in (1, 2, 3, 4)}
    for batch, other in itertools.permutations(answers, 2):
        with pytest.raises(Violation):
            search(log, answers[batch], other, other, 1000)
    with pytest.raises(Violation):
        search(log, answers[1], 2, 4, 1000)         # an old state behind the acknowledgement
    with pytest.raises(Violation):
        search(log, answers[4], 1, 3, 1000)
    with pytest.raises(Violation):
        log.judge([Asked(3, 4, None, hits=40)])     # the count before the deletion


def drop_one(hits):
    return hits[:3] + hits[4:]


def half_a_batch(hits):
    """One row of batch 2 as it was before."""
    place = next(i for i, (key, _, _) in enumerate(hits) if key < 10)
    key, distance, _ = hits[place]
    return hits[:place] + [(key, distance, key + 1)] + hits[place + 1:]


def swap_equals(hits):
    place = next(i for i in range(len(hits) - 1) if hits[i][1] == hits[i + 1][1])
    return hits[:place] + [hits[place + 1], hits[place]] + hits[place + 2:]


def move_a_bit(hits):
    key, distance, version = hits[2]
    return hits[:2] + [(key, float(np.nextafter(distance, 9)), version)] + hits[3:]


def twice(hits):
    return hits[:1] + hits


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spoil", (drop_one, half_a_batch, swap_equals, move_a_bit, twice))
def test_states__refuse_what_is_wrong_in_one_respect(metric, spoil):
    log = make_log(metric)
    right = slow_answer(log, 4, 1000)
    search(log, right, 2, 4, 1000)
    with pytest.raises(Violation):
        search(log, spoil(right), 2, 4, 1000)


def test_states__forget_what_has_ended():
    log = make_log("l2")
    before = slow_answer(log, 4, 1000)
    log.forget()
    assert log.count == len(log.current) == len(log.live()) == 35
    assert slow_answer(log, 4, 1000) == before
    search(log, before, 4, 4, 1000)


def test_states__names_and_keys():
    assert [key_of(id_of(key)) for key in (0, 7, 12345678)] == [0, 7, 12345678]
    assert id_of(9) < id_of(10)

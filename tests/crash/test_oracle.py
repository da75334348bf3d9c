"""Goal: the oracle of the crash test finds each kind of broken promise, and nothing else.
Method: short histories with what a server might show after a crash, right and wrong.
"""
from types import SimpleNamespace

import pytest
from oracle import HAPPENED, NEVER, UNKNOWN, Found, History, Value, Violation


def value(tag):
    return Value(owner=1, bucket=0, vector=tag, tag=tag)


def put(*tags, **names):
    """Effects: rows r1, r2... with the values of these numbers, or names with values."""
    return {f"r{tag}": value(tag) for tag in tags} | {name: value(tag) for name, tag in names.items()}


def acknowledged(history, effects, first_version):
    write = history.begin(effects)
    history.acknowledge(write, first_version)
    return write


def lost(history, effects):
    write = history.begin(effects)
    history.lose(write)
    return write


def rows(**names):
    """What a scan found: name=(tag, version)."""
    return {name: Found(value(tag), version) for name, (tag, version) in names.items()}


@pytest.fixture
def history():
    """Two rows, r1 and r2, of versions 1 and 2, that were seen."""
    made = History("docs")
    acknowledged(made, put(1, 2), 1)
    made.look(rows(r1=(1, 1), r2=(2, 2)), 2)
    return made


def test_oracle__takes_what_was_acknowledged(history):
    acknowledged(history, put(3, r1=4), 3)
    acknowledged(history, {"r2": None}, 5)
    history.look(rows(r1=(4, 4), r3=(3, 3)), 5)


@pytest.mark.parametrize("found,last", [
    (rows(r1=(1, 1), r2=(2, 2)), 4),                                # both rows are lost
    (rows(r1=(1, 1), r2=(2, 2), r3=(3, 3)), 4),                     # one is
    (rows(r1=(4, 4), r2=(2, 2), r3=(3, 3)), 2),                     # a version is forgotten
    (rows(r1=(4, 4), r2=(2, 2), r3=(3, 4)), 4),                     # a version is another
    (rows(r1=(4, 4), r2=(2, 2), r3=(9, 3)), 4),                     # a value that nobody wrote
    (rows(r1=(4, 4), r2=(2, 2), r3=(3, 3), r9=(9, 5)), 5),          # a row that nobody wrote
    (rows(r1=(4, 4), r3=(3, 3)), 4),                                # a row that nobody deleted is gone
])
def test_oracle__finds_lost_writes(history, found, last):
    acknowledged(history, put(3, r1=4), 3)
    with pytest.raises(Violation):
        history.look(found, last)


def test_oracle__finds_deleted_rows_that_are_back(history):
    acknowledged(history, {"r1": None}, 3)
    with pytest.raises(Violation):
        history.look(rows(r1=(1, 1), r2=(2, 2)), 3)


def test_oracle__finds_deleted_rows_that_come_back_later(history):
    acknowledged(history, {"r1": None}, 3)
    history.look(rows(r2=(2, 2)), 3)
    with pytest.raises(Violation):
        history.look(rows(r1=(1, 1), r2=(2, 2)), 3)


def test_oracle__takes_a_lost_write_whole_or_not_at_all(history):
    write = lost(history, put(3, 4))
    history.look(rows(r1=(1, 1), r2=(2, 2)), 2)
    assert write.verdict == NEVER
    write = lost(history, put(5, 6))
    history.look(rows(r1=(1, 1), r2=(2, 2), r5=(5, 3), r6=(6, 4)), 4)
    assert write.verdict == HAPPENED


@pytest.mark.parametrize("found,last", [
    (rows(r1=(1, 1), r2=(2, 2), r3=(3, 3)), 4),                     # half of it
    (rows(r1=(1, 1), r2=(2, 2), r4=(4, 4)), 4),                     # the other half
    (rows(r1=(1, 1), r2=(2, 2), r3=(3, 3), r4=(4, 5)), 5),          # with versions that do not follow each other
    (rows(r1=(1, 1), r2=(2, 2), r3=(3, 2), r4=(4, 3)), 3),          # with a version of another write
    (rows(r1=(1, 1), r2=(2, 2), r3=(3, 3), r4=(4, 4)), 3),          # with a version that does not exist
])
def test_oracle__finds_half_a_lost_write(history, found, last):
    lost(history, put(3, 4))
    with pytest.raises(Violation):
        history.look(found, last)


def test_oracle__takes_a_lost_deletion_whole_or_not_at_all(history):
    write = lost(history, {"r1": None, "r2": None})
    history.look(rows(r1=(1, 1), r2=(2, 2)), 2)
    assert write.verdict == NEVER
    write = lost(history, {"r1": None, "r2": None})
    history.look({}, 4)
    assert write.verdict == HAPPENED


@pytest.mark.parametrize("found", [rows(r1=(1, 1)), rows(r2=(2, 2))])
def test_oracle__finds_half_a_lost_deletion(history, found):
    lost(history, {"r1": None, "r2": None})
    with pytest.raises(Violation):
        history.look(found, 4)


def test_oracle__finds_half_a_lost_deletion_of_a_fresh_batch(history):
    acknowledged(history, put(3, 4, 5), 3)
    lost(history, {"r3": None, "r4": None, "r5": None})
    with pytest.raises(Violation):
        history.look(rows(r1=(1, 1), r2=(2, 2), r5=(5, 5)), 8)


def test_oracle__orders_writes_that_raced_by_version(history):
    first = history.begin(put(r1=3, r2=4))
    second = history.begin(put(r2=5, r1=6))
    history.acknowledge(second, 5)
    history.acknowledge(first, 3)
    history.look(rows(r1=(6, 6), r2=(5, 5)), 6)


@pytest.mark.parametrize("found", [
    rows(r1=(3, 3), r2=(5, 5)),         # the older one won
    rows(r1=(6, 6), r2=(4, 4)),
])
def test_oracle__finds_races_that_ended_wrong(history, found):
    first = history.begin(put(r1=3, r2=4))
    second = history.begin(put(r2=5, r1=6))
    history.acknowledge(second, 5)
    history.acknowledge(first, 3)
    with pytest.raises(Violation):
        history.look(found, 6)


def test_oracle__sees_through_writes_that_hide_a_lost_one(history):
    write = lost(history, put(3, r1=4))
    acknowledged(history, put(r1=5), 5)
    history.look(rows(r1=(5, 5), r2=(2, 2), r3=(3, 3)), 5)
    assert (write.verdict, write.first_version) == (HAPPENED, 3)
    write = lost(history, put(r1=6))
    acknowledged(history, put(r1=7), 7)
    history.look(rows(r1=(7, 7), r2=(2, 2), r3=(3, 3)), 7)
    assert write.verdict == UNKNOWN


def test_oracle__finds_half_of_a_write_that_is_hidden_in_part(history):
    lost(history, put(3, r1=4))
    acknowledged(history, put(r1=5), 3)         # before the lost one, which must have replaced it then
    with pytest.raises(Violation):
        history.look(rows(r1=(5, 3), r2=(2, 2), r3=(3, 4)), 5)


def test_oracle__finds_versions_that_are_given_twice(history):
    acknowledged(history, put(3, 4), 3)
    acknowledged(history, put(5), 5)
    write = history.begin(put(6))
    write.after = 2                             # it raced
    history.acknowledge(write, 4)
    with pytest.raises(Violation):
        history.look(rows(r1=(1, 1), r2=(2, 2), r3=(3, 3), r4=(4, 4), r5=(5, 5), r6=(6, 4)), 5)


def test_oracle__finds_versions_that_go_back(history):
    with pytest.raises(Violation):
        acknowledged(history, put(3), 2)


def test_oracle__finds_lost_writes_that_come_late(history):
    lost(history, put(3))
    history.look(rows(r1=(1, 1), r2=(2, 2)), 2)
    with pytest.raises(Violation):
        history.look(rows(r1=(1, 1), r2=(2, 2), r3=(3, 3)), 3)


# ---- repeats -------------------------------------------------------------------------------------------------------------

def answer(first_version, repeated):
    return SimpleNamespace(first_version=first_version, repeated=repeated)


def test_oracle__takes_repeats_that_happen_once(history):
    write = lost(history, put(3))
    history.look(rows(r1=(1, 1), r2=(2, 2), r3=(3, 3)), 3)
    history.judge_repeat(write, answer(3, True))
    history.look(rows(r1=(1, 1), r2=(2, 2), r3=(3, 3)), 3)
    write = lost(history, put(4))
    history.look(rows(r1=(1, 1), r2=(2, 2), r3=(3, 3)), 3)
    history.judge_repeat(write, answer(4, False))
    assert history.rows() == put(1, 2, 3, 4)
    history.look(rows(r1=(1, 1), r2=(2, 2), r3=(3, 3), r4=(4, 4)), 4)


@pytest.mark.parametrize("there,first_version,repeated", [
    (True, 4, False),       # it happens twice
    (True, 2, True),        # the outcome is another's
    (False, 2, True),       # it is said to have happened, and did not
])
def test_oracle__finds_repeats_that_go_wrong(history, there, first_version, repeated):
    write = lost(history, put(3))
    found = rows(r1=(1, 1), r2=(2, 2)) | (rows(r3=(3, 3)) if there else {})
    history.look(found, 3 if there else 2)
    with pytest.raises(Violation):
        history.judge_repeat(write, answer(first_version, repeated))

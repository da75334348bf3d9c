"""Returned values.

Goal    Immutable, compared by content with arrays in them, copied and pickled.
Method  Direct use.
"""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import proximadb


def record(**changes):
    given = {
        "id": "a",
        "vector": np.array([1, 2], np.float32),
        "metadata": {"k": ["x"]},
        "document": None,
        "version": 7,
        "timestamp": 5,
        "expires_at": None,
    }
    return proximadb.Record(**{**given, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"id": "b"},
        {"vector": None},
        {"vector": np.array([1, 3], np.float32)},
        {"vector": np.array([1], np.float32)},
        {"metadata": {}},
        {"version": 8},
    ],
)
def test_types__compare_by_content(change):
    assert record() == record()
    assert record() != record(**change)
    assert record() != "a"


def test_types__are_immutable_and_have_no_other_attributes():
    row = record()
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.id = "b"
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
        row.other = 1
    assert not hasattr(row, "__dict__")
    with pytest.raises(TypeError):
        hash(row)


def test_types__survive_pickle_and_copy():
    row = record()
    assert pickle.loads(pickle.dumps(row)) == row
    assert copy.deepcopy(row) == row
    assert copy.copy(row) == row
    result = proximadb.InsertResult(["a"], np.array([3]))
    assert pickle.loads(pickle.dumps(result)) == result
    assert pickle.loads(pickle.dumps(proximadb.CLEAR)) is proximadb.CLEAR


def test_types__show_their_fields():
    assert repr(record()).startswith("Record(id='a', vector=array([1., 2.], dtype=float32)")
    assert repr(proximadb.CLEAR) == "proximadb.CLEAR"


def test_types__health_is_a_condition():
    assert proximadb.Health(True, "SERVING")
    assert not proximadb.Health(False, "NOT_SERVING")

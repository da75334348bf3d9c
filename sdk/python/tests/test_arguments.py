"""What callers pass.

Goal    Every sensible shape and type is understood; what is wrong is refused with a sentence that
        names the argument and, where there is one, the row.
Method  Direct calls; no server.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from proximadb import CLEAR, InvalidArgumentError, _arguments, _requests


def refused(match, function, *arguments):
    with pytest.raises(InvalidArgumentError, match=match) as caught:
        function(*arguments)
    return caught.value


def test_arguments__an_array_is_not_copied():
    given = np.ones((3, 2), np.float32)
    assert _arguments.matrix(given) is given


def test_arguments__lists_and_no_rows_are_understood():
    assert _arguments.matrix([[1, 2], [3, 4]]).shape == (2, 2)
    assert _arguments.matrix([np.ones(3), np.ones(3)]).shape == (2, 3)
    assert _arguments.matrix([]).shape == (0, 0)
    assert _arguments.matrix(np.empty((0, 5))).shape == (0, 5)


def test_arguments__one_vector_is_no_matrix():
    refused(r"shape \(rows, dimension\), not \(3,\).*\[v\]", _arguments.matrix, [1, 2, 3])
    refused("no floats", _arguments.matrix, np.empty((3, 0)))
    refused(r"not \(1, 1, 1\)", _arguments.matrix, [[[1.0]]])


@pytest.mark.parametrize(
    ("given", "row"),
    [
        ([[1, 2], [3]], 1),
        ([[1, 2], [3, 4], [5, "x"]], 2),
        ([[1, 2], None], 1),
        ([["1", "2"]], 0),
        (np.array([[True, False]]), 0),
        (np.array([[1j]]), 0),
        (5, None),
        ("text", None),
    ],
)
def test_arguments__what_is_no_matrix_names_its_row(given, row):
    if row is None:
        refused("vectors must", _arguments.matrix, given)
    else:
        assert refused("vectors must be numbers", _arguments.matrix, given).row_index == row


def test_arguments__ids_are_strings():
    assert _arguments.ids(("a", "b"), 2) == ["a", "b"]
    assert _arguments.ids(np.array(["a", "b"]), 2) == ["a", "b"]
    assert _arguments.ids(iter("ab"), 2) == ["a", "b"]
    assert refused("row 1: an id is a str, not int", _arguments.ids, ["a", 5]).row_index == 1
    refused("not one str", _arguments.ids, "abc")
    refused("ids has 2 entries for 3 rows", _arguments.ids, ["a", "b"], 3)
    refused("not one int", _arguments.ids, 7)


def test_arguments__columns_have_an_entry_for_each_row():
    assert _arguments.metadata(None, 2) is None
    refused("metadata must be a list.*not one dict", _arguments.metadata, {"a": 1}, 1)
    refused("metadata has 1 entries for 2 rows", _arguments.metadata, [{}], 2)
    refused("documents must be a list.*not one str", _arguments.documents, "text", 4)
    assert _arguments.documents(CLEAR, 2) == [CLEAR, CLEAR]


def test_arguments__times_are_milliseconds_or_know_their_zone():
    moment = datetime(2024, 1, 2, 3, 4, 5, 678_999, timezone(timedelta(hours=2)))
    ms = 1_704_157_445_678
    times = lambda given, count=2: _arguments.times(given, "expires_at", count)  # noqa: E731
    assert times(None) is None
    assert times(5) == 5
    assert times(np.int32(5)) == 5
    assert times(moment) == ms
    assert times(CLEAR) is CLEAR
    assert times([5, 6]).tolist() == [5, 6]
    assert times([moment, None]) == [ms, None]
    assert times([moment, 6]).tolist() == [ms, 6]
    assert times(np.array([5, 6])).tolist() == [5, 6]
    assert times(np.array(["2024-01-02", "1970-01-01"], "M8[D]")).tolist() == [1_704_153_600_000, 0]
    assert times(np.array(["1970-01-01", "NaT"], "M8[s]")) == [0, None]
    before = datetime(1969, 12, 31, 23, 59, 59, 999_500, timezone.utc)
    assert times(before) == -1


def test_arguments__times_that_could_mean_two_things_are_refused():
    times = lambda given: _arguments.times(given, "timestamps", 2)  # noqa: E731
    refused("no timezone", times, datetime(2024, 1, 1))
    assert refused("row 1: .*no timezone", times, [5, datetime(2024, 1, 1)]).row_index == 1
    assert refused("row 0: .*whole number, not 1.5", times, [1.5, 2]).row_index == 0
    refused("whole number, not True", times, True)
    refused("timestamps has 3 entries for 2 rows", times, [1, 2, 3])
    refused("timestamps has 3 entries for 2 rows", times, np.arange(3))
    refused("from -?[0-9]+ to", times, 2**63)


def test_arguments__versions_are_whole_numbers_or_none():
    assert _arguments.versions(None, 2) is None
    assert _arguments.versions([1, None], 2) == [1, None]
    assert _arguments.versions(range(2), 2).tolist() == [0, 1]
    assert _arguments.versions(np.array([1, 2]), 2).tolist() == [1, 2]
    assert refused("row 1", _arguments.versions, [1, "2"], 2).row_index == 1


def test_arguments__numbers_fit_their_schema():
    assert _arguments.integer(np.int64(7), "k") == 7
    refused("k must be a whole number", _arguments.integer, 1.0, "k")
    refused("k must be a whole number", _arguments.integer, "1", "k")
    refused("k must be from", _arguments.integer, 2**64 - 1, "k")


def test_arguments__a_filter_is_text():
    refused("filter is an expression", _requests.filter_and_params, {"a": 1}, None)
    refused("params are values", _requests.filter_and_params, None, {"a": 1})

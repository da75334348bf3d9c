"""What callers pass, brought into the few shapes the encoders know.

Only what is cheap and gives a better message than the server's is checked here: shapes, types, and
lengths that must agree. Names, limits and values are the server's to judge.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterable, Sized
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import numpy.typing as npt

from proximadb import avro
from proximadb._rows import DocumentColumn, LongColumn, MetadataColumn
from proximadb.errors import InvalidArgumentError
from proximadb.types import CLEAR, Clear, Metadata, Time

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1


def matrix(vectors: npt.ArrayLike, name: str = "vectors") -> npt.NDArray[Any]:
    """Numbers of shape (rows, dimension), of any numeric type; an array is not copied.

    No rows at all, such as [], is shape (0, 0).
    """
    array = numbers(vectors, name)
    if array.ndim == 1 and array.size == 0:
        return array.reshape(0, 0)
    if array.ndim != 2:
        raise InvalidArgumentError(
            f"{name} must have shape (rows, dimension), not {array.shape}; "
            "one vector v is passed as [v]"
        )
    if array.shape[1] == 0:
        raise InvalidArgumentError(f"{name} of shape {array.shape} have no floats")
    return array


def numbers(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """An array of integers or floats."""
    array = None
    with contextlib.suppress(TypeError, ValueError):
        array = np.asarray(values)
    if array is None or array.dtype.kind not in "iuf":
        index = _odd_row(values)
        where = "" if index is None else f"; row {index} is the first that does not fit"
        raise InvalidArgumentError(
            f"{name} must be numbers, in rows of one length{where}", row_index=index
        )
    return array


def _odd_row(values: Any) -> int | None:
    """The first row that is no array of numbers, or not as long as row 0."""
    shape: tuple[int, ...] | None = None
    for index, row in enumerate(values if isinstance(values, Iterable) else ()):
        try:
            array = np.asarray(row)
        except (TypeError, ValueError):
            return index
        shape = array.shape if shape is None else shape
        if array.dtype.kind not in "iuf" or array.shape != shape:
            return index
    return None


def ids(values: Iterable[str], row_count: int | None = None) -> list[str]:
    """A list of strings. Numbers are not made strings in silence: 1 and "1" would be one row."""
    found = _column(values, "ids", row_count)
    if not set(map(type, found)) <= {str}:
        for index, value in enumerate(found):
            if not isinstance(value, str):
                raise InvalidArgumentError(
                    f"row {index}: an id is a str, not {type(value).__name__}", row_index=index
                )
    return found


def metadata(values: Iterable[Metadata | None] | None, row_count: int) -> MetadataColumn:
    """A dict or None for each row; what is in them is seen when they are encoded."""
    return None if values is None else _column(values, "metadata", row_count)


def documents(values: Any, row_count: int) -> DocumentColumn:
    """A text or None for each row, in an update also CLEAR."""
    if values is None:
        return None
    return [CLEAR] * row_count if values is CLEAR else _column(values, "documents", row_count)


def _column(values: Any, name: str, row_count: int | None) -> list[Any]:
    """A list of one value for each row."""
    if isinstance(values, (str, bytes, dict)) or not isinstance(values, Iterable):
        raise InvalidArgumentError(
            f"{name} must be a list with one entry for each row, not one {type(values).__name__}"
        )
    found = values.tolist() if isinstance(values, np.ndarray) else list(values)
    _check_length(found, name, row_count)
    return found


def _check_length(values: Sized, name: str, row_count: int | None) -> None:
    if row_count is not None and len(values) != row_count:
        raise InvalidArgumentError(f"{name} has {len(values)} entries for {row_count} rows")


def times(
    values: None | Time | Clear | Iterable[None | Time | Clear],
    name: str,
    row_count: int,
) -> LongColumn:
    """Moments in milliseconds since 1970, UTC: none, one for every row, or one for each row."""
    if values is None or isinstance(values, (int, np.integer, datetime, Clear)):
        return _milliseconds(values, name)
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        _check_length(values, name, row_count)
        return _of_datetime64(values)
    return longs(values, name, row_count, _milliseconds)


def _of_datetime64(values: npt.NDArray[np.datetime64]) -> LongColumn:
    """numpy's moments, whose NaT stands for none."""
    in_ms = values.astype("datetime64[ms]").astype(np.int64)
    is_none = np.isnat(values)
    if not is_none.any():
        return in_ms
    return [None if absent else ms for absent, ms in zip(is_none.tolist(), in_ms.tolist())]


def versions(values: Iterable[int | None] | None, row_count: int) -> LongColumn:
    """A version or None for each row."""
    if values is None:
        return None
    return longs(values, "expected_versions", row_count, _integer_or_none)


def longs(values: Any, name: str, row_count: int, convert: Any) -> LongColumn:
    """64-bit integers, one for each row; `convert` brings an odd one into shape or refuses it."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "i" and values.ndim == 1:
        _check_length(values, name, row_count)
        return values.astype(np.int64, copy=False)
    column = _column(values, name, row_count)
    if not set(map(type, column)) <= {int}:
        column = [_at_row(index, convert, value, name) for index, value in enumerate(column)]
    try:
        return np.array(column, np.int64) if set(map(type, column)) == {int} else column
    except OverflowError:
        return column  # encoding finds the row


def _at_row(index: int, convert: Any, value: Any, name: str) -> Any:
    try:
        return convert(value, name)
    except InvalidArgumentError as failure:
        raise InvalidArgumentError(f"row {index}: {failure}", row_index=index) from None


def _integer_or_none(value: Any, name: str) -> int | None:
    return None if value is None else integer(value, name, avro.LONG_MIN, avro.LONG_MAX)


def _milliseconds(value: Any, name: str) -> None | int | Clear:
    if value is None or value is CLEAR:
        return value
    if not isinstance(value, datetime):
        return integer(value, name, avro.LONG_MIN, avro.LONG_MAX)
    if value.utcoffset() is None:
        raise InvalidArgumentError(
            f"{name}: {value} has no timezone; give it one, as in datetime.now(timezone.utc)"
        )
    return (value - _EPOCH) // timedelta(milliseconds=1)


def integer(value: Any, name: str, low: int = _INT_MIN, high: int = _INT_MAX) -> int:
    """A whole number that fits the schema's type; a bool is none."""
    try:
        found = operator.index(value)
    except TypeError:
        found = None
    if found is None or isinstance(value, (bool, np.bool_)):
        raise InvalidArgumentError(f"{name} must be a whole number, not {value!r}")
    if not low <= found <= high:
        raise InvalidArgumentError(f"{name} must be from {low} to {high}, not {found}")
    return found

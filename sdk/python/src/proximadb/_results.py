"""Answers from Avro: SearchResult, RecordBatch and WriteResult.

The functions read at a position and return what they read with the position behind it. A size or a
count is one byte as long as it is even and below 128, zigzag's 0 to 63, and is then read in place;
all else goes through `read_long`. A row of 3 metadata keys and a document takes about 4 us. Vectors
are copied out of the answer by numpy, so a row keeps no answer alive and its vector is aligned.

An answer that does not follow its schema raises CorruptionError, never returns rows. Positions only
grow, so a text that would go on behind the end needs no check of its own: whatever is read next
fails, and after the last field the position is not the end.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, NamedTuple, TypeVar

import numpy as np

from proximadb import avro
from proximadb.errors import CorruptionError, UnsupportedError
from proximadb.types import FloatArray, Hit, Record

T = TypeVar("T")

_NOT_ONE_BYTE = 0x81  # an octet with one of these bits is no size of 0 to 63
_TWO_DOUBLES = struct.Struct("<dd")
_DOUBLE = struct.Struct("<d")
_FLOAT = np.dtype("<f4")
_THREE_NULLS = b"\0\0\0"  # no vector, no metadata, no document


class WriteResult(NamedTuple):
    """The outcome of a batch: row i has version first_version + i."""

    row_count: int
    first_version: int
    affected: int
    repeated: bool


class Page(NamedTuple):
    """Rows, and the cursor to go on with or None."""

    records: list[Record]
    cursor: str | None


class _DamagedError(Exception):
    """The bytes do not follow the schema."""


def _decode(name: str, payload: bytes, read: Callable[[bytes, int], tuple[T, int]]) -> T:
    """Reads a whole payload of schema `name`."""
    if payload[:2] != avro.MARKER:
        raise CorruptionError("the server's answer is no Avro payload")
    if payload[: avro.HEADER_BYTES] != avro.header(name):
        raise UnsupportedError(
            f"the server answered with a newer schema than this package's {name}; upgrade it"
        )
    try:
        result, at = read(payload, avro.HEADER_BYTES)
    except (_DamagedError, LookupError, ValueError, struct.error) as failure:
        raise CorruptionError(f"the server's {name} is damaged: {failure}") from failure
    if at != len(payload):
        raise CorruptionError(f"the server's {name} is damaged: it goes on behind its end")
    return result


def decode_search_result(payload: bytes) -> list[list[Hit]]:
    """The hits of each query, nearest first."""
    return _decode("SearchResult", payload, _read_result)


def decode_record_batch(payload: bytes) -> Page:
    """A page of rows."""
    return _decode("RecordBatch", payload, _read_page)


def decode_write_result(payload: bytes) -> WriteResult:
    """The outcome of a batch."""
    return _decode("WriteResult", payload, _read_write_result)


# ---- single values ------------------------------------------------------------------------------


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """An int or long."""
    octet = data[at]
    at += 1
    value = octet & 0x7F
    shift = 7
    while octet > 0x7F:
        if shift > 63:
            raise _DamagedError("a number has more than 64 bits")
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), at


def _read_size(data: bytes, at: int) -> tuple[int, int]:
    size, at = read_long(data, at)
    if not 0 <= size <= len(data):
        raise _DamagedError(f"a size of {size}")
    return size, at


def _read_string(data: bytes, at: int) -> tuple[str, int]:
    size = data[at]
    if not size & _NOT_ONE_BYTE:
        at += 1
        end = at + (size >> 1)
    else:
        size, at = _read_size(data, at)
        end = at + size
    return data[at:end].decode(), end


def _read_boolean(data: bytes, at: int) -> tuple[bool, int]:
    return data[at] != 0, at + 1


def _read_double(data: bytes, at: int) -> tuple[float, int]:
    return _DOUBLE.unpack_from(data, at)[0], at + 8


def _read_null(data: bytes, at: int) -> tuple[None, int]:
    return None, at


def _read_block_size(data: bytes, at: int) -> tuple[int, int]:
    """The number of items in the next block of an array or map; 0: it is over.

    A negative count says that the block's size in bytes follows, which is of no use here.
    """
    count = data[at]
    if not count & _NOT_ONE_BYTE:
        return count >> 1, at + 1
    count, at = read_long(data, at)
    if count < 0:
        _, at = read_long(data, at)
        count = -count
    if count > len(data):
        raise _DamagedError(f"a block of {count} items")
    return count, at


def _read_array(
    data: bytes, at: int, read_item: Callable[[bytes, int], tuple[T, int]]
) -> tuple[list[T], int]:
    items = []
    count, at = _read_block_size(data, at)
    while count:
        for _ in range(count):
            item, at = read_item(data, at)
            items.append(item)
        count, at = _read_block_size(data, at)
    return items, at


def _read_strings(data: bytes, at: int) -> tuple[list[str], int]:
    return _read_array(data, at, _read_string)


def _is_present(data: bytes, at: int) -> bool:
    """Whether a union of null and something holds the something."""
    branch = data[at]
    if branch == 2:
        return True
    if branch == 0:
        return False
    raise _DamagedError("an unknown branch of a union")


def _read_optional_string(data: bytes, at: int) -> tuple[str | None, int]:
    return _read_string(data, at + 1) if _is_present(data, at) else (None, at + 1)


def _read_optional_long(data: bytes, at: int) -> tuple[int | None, int]:
    return read_long(data, at + 1) if _is_present(data, at) else (None, at + 1)


# ---- parts of rows ------------------------------------------------------------------------------

# Metadata values by the branch of the union, which is one byte: 2 * branch.
_VALUE_READERS: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    avro.NULL[0]: _read_null,
    avro.BOOLEAN[0]: _read_boolean,
    avro.LONG[0]: read_long,
    avro.DOUBLE[0]: _read_double,
    avro.STRING[0]: _read_string,
    avro.STRINGS[0]: _read_strings,
}


def _read_metadata(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    fields: dict[str, Any] = {}
    count, at = _read_block_size(data, at)
    while count:
        for _ in range(count):
            size = data[at]
            if size & _NOT_ONE_BYTE:
                key, at = _read_string(data, at)
            else:
                end = at + 1 + (size >> 1)
                key = data[at + 1 : end].decode()
                at = end
            fields[key], at = _VALUE_READERS[data[at]](data, at + 1)
        count, at = _read_block_size(data, at)
    return fields, at


def _read_optional_metadata(data: bytes, at: int) -> tuple[dict[str, Any] | None, int]:
    return _read_metadata(data, at + 1) if _is_present(data, at) else (None, at + 1)


def _read_optional_vector(data: bytes, at: int) -> tuple[FloatArray | None, int]:
    if not _is_present(data, at):
        return None, at + 1
    count, at = _read_block_size(data, at + 1)
    if count == 0:
        return np.empty(0, np.float32), at
    end = at + 4 * count
    vector = np.frombuffer(data, _FLOAT, count, at).astype(np.float32)
    if data[end] != 0:
        raise _DamagedError("a vector in several blocks")
    return vector, end + 1


# ---- whole answers ------------------------------------------------------------------------------


def _read_hits(data: bytes, at: int) -> tuple[list[Hit], int]:
    """One query's. This is where an answer's time goes, so the usual is read in place."""
    hits: list[Hit] = []
    scores_at = _TWO_DOUBLES.unpack_from
    count, at = _read_block_size(data, at)
    while count:
        for _ in range(count):
            size = data[at]
            if size & _NOT_ONE_BYTE:
                id, at = _read_string(data, at)
            else:
                end = at + 1 + (size >> 1)
                id = data[at + 1 : end].decode()
                at = end
            version, at = read_long(data, at)
            score, distance = scores_at(data, at)
            at += 16
            if data[at : at + 3] == _THREE_NULLS:
                at += 3
                hits.append(Hit(id, score, distance, version, None, None, None))
                continue
            vector, at = _read_optional_vector(data, at)
            metadata, at = _read_optional_metadata(data, at)
            document, at = _read_optional_string(data, at)
            hits.append(Hit(id, score, distance, version, metadata, document, vector))
        count, at = _read_block_size(data, at)
    return hits, at


def _read_result(data: bytes, at: int) -> tuple[list[list[Hit]], int]:
    return _read_array(data, at, _read_hits)


def _read_record(data: bytes, at: int) -> tuple[Record, int]:
    id, at = _read_string(data, at)
    version, at = read_long(data, at)
    vector, at = _read_optional_vector(data, at)
    metadata, at = _read_metadata(data, at)
    document, at = _read_optional_string(data, at)
    timestamp, at = read_long(data, at)
    expires_at, at = _read_optional_long(data, at)
    return Record(id, vector, metadata, document, version, timestamp, expires_at), at


def _read_page(data: bytes, at: int) -> tuple[Page, int]:
    records, at = _read_array(data, at, _read_record)
    cursor, at = _read_optional_string(data, at)
    return Page(records, cursor), at


def _read_write_result(data: bytes, at: int) -> tuple[WriteResult, int]:
    row_count, at = read_long(data, at)
    first_version, at = read_long(data, at)
    affected, at = read_long(data, at)
    repeated, at = _read_boolean(data, at)
    return WriteResult(row_count, first_version, affected, repeated), at

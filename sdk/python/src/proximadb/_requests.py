"""Payloads of the calls that carry no rows: search, get, scan, count and delete by filter."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from proximadb import _arguments, avro
from proximadb._rows import string_strips, vector_strips, weave
from proximadb.errors import InvalidArgumentError
from proximadb.types import Metadata


def filter_and_params(filter: str | None, params: Metadata | None) -> bytes:
    """The fields `filter` and `params`, which stand side by side in every schema that has them."""
    if filter is not None and not isinstance(filter, str):
        raise InvalidArgumentError(
            f'filter is an expression such as "year >= 2020", not {type(filter).__name__}'
        )
    if params and filter is None:
        raise InvalidArgumentError(
            "params are values for the $names of a filter, and there is none"
        )
    return avro.encode_optional_string(filter) + avro.encode_map(params or {})


@dataclass
class SearchSettings:
    """What a search asks, but for its queries."""

    k: int
    filter: str | None
    params: Metadata | None
    include_vectors: bool
    include_metadata: bool
    ef: int | None
    nprobe: int | None
    exact: bool
    target_recall: float | None

    def encode(self) -> bytes:
        """The fields of a SearchRequest behind `queries`."""
        return b"".join(
            (
                avro.encode_long(_arguments.integer(self.k, "k")),
                filter_and_params(self.filter, self.params),
                avro.encode_boolean(self.include_vectors),
                avro.encode_boolean(self.include_metadata),
                _optional_int(self.ef, "ef"),
                _optional_int(self.nprobe, "nprobe"),
                avro.encode_boolean(self.exact),
                _optional_share(self.target_recall, "target_recall"),
            )
        )


def _optional_int(value: int | None, name: str) -> bytes:
    return avro.encode_optional_long(None if value is None else _arguments.integer(value, name))


def _optional_share(value: float | None, name: str) -> bytes:
    if value is None:
        return avro.encode_long(0)
    try:
        share = float(value)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"{name} is {value!r}; it must be a number") from None
    return avro.encode_long(1) + struct.pack("<d", share)


def search_payload(queries: npt.NDArray[Any], settings: bytes) -> list[bytes]:
    """A SearchRequest for queries of shape (queries, dimension)."""
    with np.errstate(over="ignore"):  # the server refuses a query that is not finite
        exact = np.ascontiguousarray(queries, dtype="<f4")
    vectors = weave(vector_strips(exact), len(exact))
    return [avro.header("SearchRequest"), avro.encode_long(len(exact)), vectors, avro.END, settings]


def get_payload(ids: Sequence[str], include_vectors: bool) -> list[bytes]:
    """A GetRequest for one id or more."""
    try:
        texts = weave(string_strips(ids), len(ids))
    except UnicodeEncodeError as failure:
        raise InvalidArgumentError(f"an id is not valid Unicode: {failure.reason}") from None
    flag = avro.encode_boolean(include_vectors)
    return [avro.header("GetRequest"), avro.encode_long(len(ids)), texts, avro.END, flag]


def scan_payload(
    condition: bytes, batch_size: int, include_vectors: bool, cursor: str | None
) -> list[bytes]:
    """A ScanRequest; `condition` is of `filter_and_params`."""
    return [
        avro.header("ScanRequest"),
        condition,
        avro.encode_long(batch_size),
        avro.encode_boolean(include_vectors),
        avro.encode_optional_string(cursor),
    ]


def count_payload(condition: bytes) -> list[bytes]:
    """A CountRequest."""
    return [avro.header("CountRequest"), condition]


def delete_payload(condition: bytes) -> list[bytes]:
    """A DeleteBatch by filter, under a new request id."""
    return [avro.header("DeleteBatch"), os.urandom(16), avro.END, condition]

"""What calls take and return.

Returned values are immutable and compare by content, arrays included. Times are milliseconds since
1970, UTC, as the server keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any, Callable, Union

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
VersionArray = npt.NDArray[np.int64]

#: A value of metadata or of a filter's parameter: null, boolean, 64-bit integer, double, string or
#: list of strings. numpy's scalars count as what they hold.
MetadataValue = Union[None, bool, int, float, str, Sequence[str]]
Metadata = Mapping[str, MetadataValue]

#: A moment: milliseconds since 1970, UTC, or a datetime that knows its timezone.
Time = Union[int, datetime]

#: Shows how a large write goes on: True prints a line, a callable gets (rows done, rows in all).
Progress = Union[bool, Callable[[int, int], None]]


class Clear(Enum):
    """The type of CLEAR."""

    CLEAR = "CLEAR"

    def __repr__(self) -> str:
        return "proximadb.CLEAR"


#: In an update: removes the document or the expiry of a row, where None leaves it as it is.
CLEAR = Clear.CLEAR


class _Value:
    """Equality by content and pickling, for the frozen classes with slots below."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def _content(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(map(_equal, self._content(), other._content()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._content()


def _equal(left: object, right: object) -> bool:
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return np.array_equal(left, right)  # type: ignore[arg-type]
    return left == right


@dataclass(frozen=True, eq=False)
class Hit(_Value):
    """A row that a search found.

    Attributes:
        id: the row's id.
        score: higher is nearer: the cosine; minus the distance for l2; the dot product.
        distance: lower is nearer: 1 - cosine; Euclidean, not squared; minus the dot product.
        version: log sequence number of the write that made the row.
        metadata: None if the search was asked to leave it out.
        document: the row's text; None if it has none or the search was asked to leave it out.
        vector: float32, shape (dimension,); None unless asked for.
    """

    __slots__ = ("id", "score", "distance", "version", "metadata", "document", "vector")
    id: str
    score: float
    distance: float
    version: int
    metadata: dict[str, Any] | None
    document: str | None
    vector: FloatArray | None


@dataclass(frozen=True, eq=False)
class Record(_Value):
    """A stored row.

    Attributes:
        id: the row's id.
        vector: float32, shape (dimension,); None if asked to leave it out.
        metadata: key to None, bool, int, float, str or list of str.
        document: the row's text, or None.
        version: log sequence number of the write that made the row.
        timestamp: milliseconds since 1970, UTC.
        expires_at: milliseconds since 1970, UTC, from which the row is gone; None: never.
    """

    __slots__ = ("id", "vector", "metadata", "document", "version", "timestamp", "expires_at")
    id: str
    vector: FloatArray | None
    metadata: dict[str, Any]
    document: str | None
    version: int
    timestamp: int
    expires_at: int | None


@dataclass(frozen=True, eq=False)
class InsertResult(_Value):
    """The rows that an insert, upsert or update wrote.

    Attributes:
        ids: in the order of the call's rows, those made by the SDK included.
        versions: int64, shape (rows,): the version that each row has now.
    """

    __slots__ = ("ids", "versions")
    ids: list[str]
    versions: VersionArray


@dataclass(frozen=True, eq=False)
class CollectionInfo(_Value):
    """A collection as it is now.

    Attributes:
        name: its name.
        id: its uuid, which no other collection ever has.
        dimension: floats of a vector.
        metric: "cosine", "l2" or "dot".
        index_type: "HNSW", "IVF" or "FLAT".
        storage: "balanced", "exact" or "compact": what is kept of each vector.
        layout: "compressed" or "plain": how vectors stand in the files.
        mantissa_bits: what the storage profile keeps of each component: 7, 4, or 23, which is
            every bit.
        relative_error: the largest by which rounding changes a component, in proportion to it or,
            if it is small, to a usual component of its vector: 2**-8, 2**-5 or 0.
        filterable: name to type of the metadata fields that have a column of their own.
        created_at: milliseconds since 1970, UTC.
        vector_count: live rows, exact.
        part_count: Parquet files of vectors.
        disk_bytes: size of parts and delete files.
        memtable_bytes: rows in the log and in memory only.
        wal_bytes: size of the log files.
        last_version: the highest version given to a row; 0: none.
        read_only_reason: why writes are refused; None: they are not.
        fresh_part_count: of the parts: not clustered yet.
        dead_row_count: rows of the parts that are deleted or superseded.
        bytes_accepted: written since it was created: rows, each stored once.
        bytes_written: all that flushes and compactions wrote; divided by bytes_accepted it is the
            write amplification.
        compaction_state: "idle"; "running": parts are being rewritten; "paused"; "behind": so much
            waits to be compacted that writes are slowed down.
        compaction_rows_done: rows that the step which runs has written; 0 if none does.
        compaction_row_count: rows that it writes; 0 likewise.
        index_memory: "lean" or "fast": what the index may take of memory.
        index_state: "none": every search compares all rows, because the index type says so or there
            are too few of them, or (IVF) no compaction has put them into lists yet; "building": the
            first index, or one to take the present one's place; "ready".
        index_row_count: rows that the index has.
        index_lag: rows that it should have; until they are in it, searches compare them one by one.
        index_file_bytes: size of its files; 0: there are none yet.
        index_memory_bytes: memory that it takes.
        index_rows_done: rows that are in the index which is being built; 0 if none is.
        index_rebuild_count: times it was built anew since the server was started.
        index_rebuild_reason: why, the last time; "": it was not.
    """

    __slots__ = (
        "name",
        "id",
        "dimension",
        "metric",
        "index_type",
        "storage",
        "layout",
        "mantissa_bits",
        "relative_error",
        "filterable",
        "created_at",
        "vector_count",
        "part_count",
        "disk_bytes",
        "memtable_bytes",
        "wal_bytes",
        "last_version",
        "read_only_reason",
        "fresh_part_count",
        "dead_row_count",
        "bytes_accepted",
        "bytes_written",
        "compaction_state",
        "compaction_rows_done",
        "compaction_row_count",
        "index_memory",
        "index_state",
        "index_row_count",
        "index_lag",
        "index_file_bytes",
        "index_memory_bytes",
        "index_rows_done",
        "index_rebuild_count",
        "index_rebuild_reason",
    )
    name: str
    id: str
    dimension: int
    metric: str
    index_type: str
    storage: str
    layout: str
    mantissa_bits: int
    relative_error: float
    filterable: dict[str, str]
    created_at: int
    vector_count: int
    part_count: int
    disk_bytes: int
    memtable_bytes: int
    wal_bytes: int
    last_version: int
    read_only_reason: str | None
    fresh_part_count: int
    dead_row_count: int
    bytes_accepted: int
    bytes_written: int
    compaction_state: str
    compaction_rows_done: int
    compaction_row_count: int
    index_memory: str
    index_state: str
    index_row_count: int
    index_lag: int
    index_file_bytes: int
    index_memory_bytes: int
    index_rows_done: int
    index_rebuild_count: int
    index_rebuild_reason: str


@dataclass(frozen=True, eq=False)
class CompactResult(_Value):
    """What a compaction did.

    Attributes:
        row_count: live rows written.
        cluster_count: clusters they are in.
        bytes_read: size of the old parts.
        bytes_written: size of the new parts.
    """

    __slots__ = ("row_count", "cluster_count", "bytes_read", "bytes_written")
    row_count: int
    cluster_count: int
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True, eq=False)
class Health(_Value):
    """Whether the server takes calls. True in a condition if it does.

    Attributes:
        serving: whether it takes calls.
        status: the server's word: "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" or "UNKNOWN".
    """

    __slots__ = ("serving", "status")
    serving: bool
    status: str

    def __bool__(self) -> bool:
        return self.serving

"""What the two clients do, written once.

Each operation is a coroutine over a Transport. The blocking client drives it with
`grpc_client.run`, the asynchronous one awaits it; neither has logic of its own. The documentation
for users stands in client.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, NamedTuple, Optional, Union

import numpy as np
import numpy.typing as npt

from proximadb import _arguments, _batching, _requests, _results, _uuid7
from proximadb._batching import Message
from proximadb._contract import HEALTH_CHECK, METHODS, Method
from proximadb._progress import Report, reporter
from proximadb._results import WriteResult
from proximadb._rows import DeleteRows, InsertRows, Rows, UpdateRows
from proximadb.errors import (
    TOO_LARGE,
    CorruptionError,
    InvalidArgumentError,
    ProximaDBError,
    ResourceExhaustedError,
)
from proximadb.grpc_client import (
    RETRY_LIMIT_S,
    Attempt,
    Deadline,
    Transport,
    call_once,
    call_with_retries,
    closed_error,
    is_unavailable,
)
from proximadb.types import (
    Clear,
    CollectionInfo,
    CompactResult,
    Health,
    Hit,
    InsertResult,
    Metadata,
    Progress,
    Record,
    Time,
)

INSERT, UPSERT = "INSERT_MODE_INSERT", "INSERT_MODE_UPSERT"
UPDATE, DELETE = "MUTATION_TYPE_UPDATE", "MUTATION_TYPE_DELETE"

GET_IDS_LIMIT = 10_000  # the server's, of one request
GET_VECTORS_LIMIT = 1_000  # keeps an answer with vectors of 4,096 floats at 16 MiB
COMPUTE_BYTES = 1 << 20  # rows of this size take milliseconds to encode

Times = Union[None, Time, Iterable[Optional[Time]]]
TimesOrClear = Union[None, Time, Clear, Iterable[Union[None, Time, Clear]]]


class Batch(NamedTuple):
    """An acknowledged batch."""

    row_count: int
    result: WriteResult


class Operations:
    """The operations of a client; `timeout` in seconds, None for no limit."""

    def __init__(
        self,
        transport: Transport,
        timeout: float | None,
        message_bytes: int = _batching.MESSAGE_TARGET_BYTES,
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._message_bytes = _arguments.integer(
            message_bytes,
            "message_bytes",
            _batching.MESSAGE_LEAST_BYTES,
            _batching.MESSAGE_LIMIT_BYTES,
        )
        self._is_closed = False

    async def close(self) -> None:
        """Closes the transport, once."""
        if not self._is_closed:
            self._is_closed = True
            await self._transport.close()

    # ---- calls ----------------------------------------------------------------------------------

    def _deadline(self) -> Deadline:
        if self._is_closed:
            raise closed_error()
        return Deadline(self._timeout)

    async def _call(self, method: Method, request: bytes) -> Any:
        return await call_with_retries(self._transport, method, request, self._deadline())

    async def _call_once(self, method: Method, request: bytes) -> Any:
        return await call_once(self._transport, method, request, self._deadline())

    # ---- collections ----------------------------------------------------------------------------

    async def create_collection(
        self,
        name: str,
        dimension: int,
        metric: str,
        index_type: str,
        storage: str,
        layout: str | None,
        filterable: Mapping[str, str] | None,
        exist_ok: bool,
        index_memory: str | None,
    ) -> CollectionInfo:
        """A repeat of a creation finds its own collection, so only one with exist_ok is retried."""
        method = METHODS["CreateCollection"]
        request = _encode(
            method,
            name=name,
            dimension=_arguments.integer(dimension, "dimension"),
            metric=metric,
            index_type=index_type,
            storage=storage,
            layout=layout or "",
            filterable=_fields(filterable),
            exist_ok=exist_ok,
            index_memory=index_memory or "",
        )
        call = self._call if exist_ok else self._call_once
        return _collection_info(await call(method, request))

    async def get_collection(self, name: str) -> CollectionInfo:
        """One collection."""
        method = METHODS["GetCollection"]
        return _collection_info(await self._call(method, _encode(method, name=name)))

    async def list_collections(self) -> list[CollectionInfo]:
        """All collections, by name."""
        method = METHODS["ListCollections"]
        response = await self._call(method, method.encode())
        return [_collection_info(collection) for collection in response.collections]

    async def update_collection(self, name: str, filterable: Mapping[str, str]) -> CollectionInfo:
        """Changes the filterable fields."""
        method = METHODS["UpdateCollection"]
        request = _encode(method, name=name, filterable=_fields(filterable))
        return _collection_info(await self._call(method, request))

    async def delete_collection(self, name: str) -> None:
        """Not retried: a repeat would not find it, or find one made since."""
        method = METHODS["DeleteCollection"]
        await self._call_once(method, _encode(method, name=name))

    async def flush(self, name: str) -> None:
        """Memory to Parquet."""
        method = METHODS["Flush"]
        await self._call(method, _encode(method, collection=name))

    async def compact(
        self, name: str, cluster_count: int | None, timeout: float | None
    ) -> CompactResult:
        """Under a timeout of its own, for it takes minutes where other calls take milliseconds.

        It is tried again only when the server was not there, as long as other calls are: a full
        disk would be filled again for minutes.
        """
        method = METHODS["Compact"]
        clusters = 0 if cluster_count is None else _arguments.integer(cluster_count, "clusters")
        request = _encode(method, collection=name, cluster_count=clusters)
        self._deadline()
        deadline = Deadline(timeout, RETRY_LIMIT_S if self._timeout is None else self._timeout)
        answer = await call_with_retries(
            self._transport, method, request, deadline, may_pass=is_unavailable
        )
        return CompactResult(
            answer.row_count, answer.cluster_count, answer.bytes_read, answer.bytes_written
        )

    async def rebuild_index(self, name: str, index_memory: str | None) -> None:
        """None: the memory profile stays what it is."""
        method = METHODS["RebuildIndex"]
        request = _encode(method, collection=name, index_memory=index_memory or "")
        await self._call(method, request)

    async def pause_compaction(self, name: str | None) -> None:
        """None: of all collections."""
        method = METHODS["PauseCompaction"]
        await self._call(method, _encode(method, collection=name or ""))

    async def resume_compaction(self, name: str | None) -> None:
        """None: of all collections."""
        method = METHODS["ResumeCompaction"]
        await self._call(method, _encode(method, collection=name or ""))

    # ---- writes ---------------------------------------------------------------------------------

    async def insert(
        self,
        mode: str,
        collection: str,
        vectors: npt.ArrayLike,
        ids: Iterable[str] | None,
        metadata: Iterable[Metadata | None] | None,
        documents: Iterable[str | None] | None,
        timestamps: Times,
        expires_at: Times,
        progress: Progress,
    ) -> InsertResult:
        """Inserts or upserts, by `mode`."""
        matrix = _arguments.matrix(vectors)
        count = len(matrix)
        rows = InsertRows(
            _uuid7.generate(count) if ids is None else _arguments.ids(ids, count),
            matrix,
            _arguments.metadata(metadata, count),
            _arguments.documents(documents, count),
            _arguments.times(timestamps, "timestamps", count),
            _arguments.times(expires_at, "expires_at", count),
        )
        method = METHODS["VectorInsert"]
        batches = await self._write(method, collection, rows, progress, mode=mode)
        return _insert_result(rows.ids, batches)

    async def update(
        self,
        collection: str,
        ids: Iterable[str],
        vectors: npt.ArrayLike | None,
        metadata: Iterable[Metadata | None] | None,
        documents: None | Clear | Iterable[None | str | Clear],
        expires_at: TimesOrClear,
        expected_versions: Iterable[int | None] | None,
    ) -> InsertResult:
        """Changes what is given."""
        names = _arguments.ids(ids)
        count = len(names)
        matrix = None if vectors is None else _arguments.matrix(vectors)
        if matrix is not None and len(matrix) != count:
            raise InvalidArgumentError(f"vectors has {len(matrix)} entries for {count} rows")
        rows = UpdateRows(
            names,
            matrix,
            _arguments.metadata(metadata, count),
            _arguments.documents(documents, count),
            _arguments.times(expires_at, "expires_at", count),
            _arguments.versions(expected_versions, count),
        )
        method = METHODS["VectorMutation"]
        batches = await self._write(method, collection, rows, False, type=UPDATE)
        return _insert_result(names, batches)

    async def delete(
        self,
        collection: str,
        ids: Iterable[str] | None,
        filter: str | None,
        params: Metadata | None,
    ) -> int:
        """By ids or by filter; never everything because both are missing."""
        if (ids is None) == (filter is None):
            raise InvalidArgumentError("delete takes either ids or a filter")
        method = METHODS["VectorMutation"]
        if ids is not None:
            if params:
                raise InvalidArgumentError("params belong to a filter; with ids there is none")
            rows = DeleteRows(_arguments.ids(ids))
            batches = await self._write(method, collection, rows, False, type=DELETE)
            return sum(batch.result.affected for batch in batches)
        payload = _requests.delete_payload(_requests.filter_and_params(filter, params))
        request = _frame(method, collection, payload, type=DELETE)
        response = await self._call(method, request)
        return _results.decode_write_result(response.avro_payload).affected

    async def _write(
        self, method: Method, collection: str, rows: Rows, progress: Progress, **fields: Any
    ) -> list[Batch]:
        """Sends the rows as a sequence of batches, each when the one before is acknowledged."""
        frame = partial(_frame, method, collection, **fields)
        messages = _batching.messages(rows, frame, self._message_bytes)
        batches: list[Batch] = []
        try:
            await self._send(method, messages, rows, batches, reporter(progress))
        except ProximaDBError as error:
            done = sum(batch.row_count for batch in batches)
            error.acknowledged_rows = error.first_failed_row = done
            if not isinstance(rows, DeleteRows):
                error.partial_result = _insert_result(rows.ids[:done], batches)
            raise
        return batches

    async def _send(
        self,
        method: Method,
        messages: Iterator[Message],
        rows: Rows,
        batches: list[Batch],
        report: Report,
    ) -> None:
        """Sends the messages and appends their outcomes, encoding one while another is out."""
        message = await self._encode(messages, rows)
        while isinstance(message, Message):
            deadline = self._deadline()
            if message.stop_row == rows.row_count:
                following = None
                response = await self._acknowledged(method, message, deadline)
            else:
                remaining = deadline.remaining()
                attempt = self._transport.start(method, message.request, remaining)
                try:
                    following = await self._encode(messages, rows)
                    response = await self._acknowledged(method, message, deadline, attempt)
                finally:
                    attempt.cancel()
            result = _results.decode_write_result(response.avro_payload)
            batches.append(Batch(message.stop_row - message.first_row, result))
            report(message.stop_row, rows.row_count)
            message = following
        if message is not None:
            raise message

    async def _encode(
        self, messages: Iterator[Message], rows: Rows
    ) -> Message | ProximaDBError | None:
        """The next message, or why there is none: the end, or a row that cannot be encoded, which
        is to be raised only after the message before it is acknowledged.
        """
        encode: Callable[[], Message | None] = partial(next, messages, None)
        try:
            if rows.row_count * rows.row_bytes < COMPUTE_BYTES:
                return encode()
            return await self._transport.compute(encode)
        except ProximaDBError as error:
            return error

    async def _acknowledged(
        self,
        method: Method,
        message: Message,
        deadline: Deadline,
        started: Attempt | None = None,
    ) -> Any:
        """The response; an error's row is counted from the call's first, not the batch's."""
        try:
            return await call_with_retries(
                self._transport, method, message.request, deadline, started
            )
        except ProximaDBError as error:
            if error.row_index is not None:
                error.row_index += message.first_row
            raise

    # ---- reads ----------------------------------------------------------------------------------

    async def get(self, collection: str, ids: Iterable[str], include_vectors: bool) -> list[Record]:
        """In the order of ids, in as many requests as the server's limit makes necessary."""
        names = _arguments.ids(ids)
        limit = GET_VECTORS_LIMIT if include_vectors else GET_IDS_LIMIT
        method = METHODS["VectorGet"]
        asked = list(dict.fromkeys(names))
        found: dict[str, Record] = {}

        async def ask(start: int, stop: int) -> None:
            payload = _requests.get_payload(asked[start:stop], include_vectors)
            response = await self._call(method, _frame(method, collection, payload))
            page = _results.decode_record_batch(response.avro_payload)
            found.update((record.id, record) for record in page.records)

        await _in_parts(len(asked), limit, ask, "leave out the vectors")
        return [found[name] for name in names if name in found]

    async def search(
        self, collection: str, query: npt.ArrayLike, settings: _requests.SearchSettings
    ) -> list[Hit] | list[list[Hit]]:
        """One list for a 1-D query, a list of lists for a 2-D one."""
        queries = _arguments.numbers(query, "query")
        if queries.ndim == 1:
            return (await self._search(collection, queries[np.newaxis], settings))[0]
        return await self._search(collection, _arguments.matrix(queries, "query"), settings)

    async def _search(
        self, collection: str, queries: npt.NDArray[Any], settings: _requests.SearchSettings
    ) -> list[list[Hit]]:
        method = METHODS["VectorSearch"]
        encoded = settings.encode()
        results: list[list[Hit]] = []
        step = max(self._message_bytes // (4 * queries.shape[1] + 16), 1) if len(queries) else 1

        async def ask(start: int, stop: int) -> None:
            payload = _requests.search_payload(queries[start:stop], encoded)
            response = await self._call(method, _frame(method, collection, payload))
            found = _results.decode_search_result(response.avro_payload)
            if len(found) != stop - start:
                raise CorruptionError(f"the server answered {len(found)} of {stop - start} queries")
            results.extend(found)

        await _in_parts(len(queries), step, ask, "lower k, or leave out vectors and documents")
        return results

    def scan(
        self,
        collection: str,
        filter: str | None,
        params: Metadata | None,
        batch_size: int,
        include_vectors: bool,
    ) -> Scan:
        """A scan that has not begun; what is wrong with its arguments is raised here."""
        return Scan(
            self,
            collection,
            _requests.filter_and_params(filter, params),
            _arguments.integer(batch_size, "batch_size"),
            include_vectors,
        )

    async def scan_page(self, scan: Scan) -> _results.Page:
        """The page behind the scan's cursor."""
        method = METHODS["VectorScan"]
        payload = _requests.scan_payload(
            scan.condition, scan.batch_size, scan.include_vectors, scan.cursor
        )
        response = await self._call(method, _frame(method, scan.collection, payload))
        return _results.decode_record_batch(response.avro_payload)

    async def count(self, collection: str, filter: str | None, params: Metadata | None) -> int:
        """Rows that match."""
        method = METHODS["VectorCount"]
        payload = _requests.count_payload(_requests.filter_and_params(filter, params))
        response = await self._call(method, _frame(method, collection, payload))
        return int(response.count)

    # ---- the server -----------------------------------------------------------------------------

    async def health(self) -> Health:
        """Asked once: that the server cannot be reached is an answer."""
        response = await self._call_once(HEALTH_CHECK, HEALTH_CHECK.encode())
        kinds = response.DESCRIPTOR.enum_types_by_name["ServingStatus"].values_by_number
        status = kinds[response.status].name if response.status in kinds else "UNKNOWN"
        return Health(status == "SERVING", status)

    async def metrics(self) -> str:
        """Prometheus text."""
        method = METHODS["Metrics"]
        response = await self._call(method, method.encode())
        return str(response.text)


@dataclass
class Scan:
    """A scan of one snapshot, page by page."""

    operations: Operations
    collection: str
    condition: bytes
    batch_size: int
    include_vectors: bool
    cursor: str | None = None
    is_over: bool = False

    async def next_page(self) -> list[Record] | None:
        """The next rows, perhaps none; None when the scan is over."""
        if self.is_over:
            return None
        page = await self.operations.scan_page(self)
        self.cursor = page.cursor
        self.is_over = page.cursor is None
        return page.records


async def _in_parts(
    count: int, step: int, ask: Callable[[int, int], Awaitable[None]], advice: str
) -> None:
    """Calls ask(start, stop) for parts of `step` items that make up all, each once it was answered.

    A part whose answer would be too large is halved, and so are those behind it. An error's row is
    counted from the first of all.

    Raises:
        ResourceExhaustedError: one item alone is too large; the message ends with the advice.
        ProximaDBError: what `ask` raises.
    """
    start = 0
    while start < count:
        stop = min(start + step, count)
        try:
            await ask(start, stop)
        except ProximaDBError as error:
            if error.reason == TOO_LARGE and stop - start > 1:
                step = (stop - start + 1) // 2
                continue
            if error.reason == TOO_LARGE:
                raise ResourceExhaustedError(
                    f"{error}: this is for one alone, so {advice}",
                    code=error.code,
                    reason=error.reason,
                    row_index=start,
                ) from None
            if error.row_index is not None:
                error.row_index += start
            raise
        start = stop


def _encode(method: Method, **fields: Any) -> bytes:
    """A request of plain protobuf; what protobuf refuses is the caller's mistake."""
    _check_name(fields.get("name", fields.get("collection")))
    try:
        return method.encode(**fields)
    except (TypeError, ValueError) as failure:
        raise InvalidArgumentError(f"the arguments do not fit the request: {failure}") from None


def _frame(method: Method, collection: str, payload: Sequence[bytes], **fields: Any) -> bytes:
    """A request with a payload."""
    _check_name(collection)
    try:
        return method.encode_with_payload(collection, payload, **fields)
    except ValueError as failure:
        raise InvalidArgumentError(f"the collection's name is no text: {failure}") from None


def _check_name(name: Any) -> None:
    """Protobuf takes None for absent and bytes for text; here both are mistakes."""
    if not isinstance(name, str):
        raise InvalidArgumentError(f"a collection's name is a str, not {type(name).__name__}")


def _fields(filterable: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in (filterable or {}).items()]


def _collection_info(collection: Any) -> CollectionInfo:
    return CollectionInfo(
        name=collection.name,
        id=collection.id,
        dimension=collection.dimension,
        metric=collection.metric,
        index_type=collection.index_type,
        storage=collection.storage,
        layout=collection.layout,
        mantissa_bits=collection.mantissa_bits,
        relative_error=collection.relative_error,
        filterable={field.name: field.type for field in collection.filterable},
        created_at=collection.created_at_ms,
        vector_count=collection.vector_count,
        part_count=collection.part_count,
        disk_bytes=collection.disk_bytes,
        memtable_bytes=collection.memtable_bytes,
        wal_bytes=collection.wal_bytes,
        last_version=collection.last_version,
        read_only_reason=collection.read_only_reason or None,
        fresh_part_count=collection.fresh_part_count,
        dead_row_count=collection.dead_row_count,
        bytes_accepted=collection.bytes_accepted,
        bytes_written=collection.bytes_written,
        compaction_state=collection.compaction_state,
        compaction_rows_done=collection.compaction_rows_done,
        compaction_row_count=collection.compaction_row_count,
        index_memory=collection.index_memory,
        index_state=collection.index_state,
        index_row_count=collection.index_row_count,
        index_lag=collection.index_lag,
        index_file_bytes=collection.index_file_bytes,
        index_memory_bytes=collection.index_memory_bytes,
        index_rows_done=collection.index_rows_done,
        index_rebuild_count=collection.index_rebuild_count,
        index_rebuild_reason=collection.index_rebuild_reason,
    )


def _insert_result(ids: Sequence[str], batches: Sequence[Batch]) -> InsertResult:
    firsts = [batch.result.first_version for batch in batches]
    versions = [
        np.arange(first, first + batch.row_count, dtype=np.int64)
        for first, batch in zip(firsts, batches)
    ]
    return InsertResult(list(ids), np.concatenate([np.empty(0, np.int64), *versions]))

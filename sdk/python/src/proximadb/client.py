"""The blocking client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

import numpy.typing as npt

from proximadb._batching import MESSAGE_TARGET_BYTES
from proximadb._operations import INSERT, UPSERT, Operations, Scan, Times, TimesOrClear
from proximadb._requests import SearchSettings
from proximadb.grpc_client import GrpcClient, Tls, run
from proximadb.types import (
    Clear,
    CollectionInfo,
    CompactResult,
    Health,
    InsertResult,
    Metadata,
    Progress,
    Record,
)


class ProximaDBClient:
    """A client of a ProximaDB server. Any number of threads may share one.

    Example:
        >>> with ProximaDBClient("localhost:5678") as client:
        ...     client.create_collection("docs", dimension=384)
        ...     client.insert("docs", vectors, ids=ids, metadata=[{"year": 2024}, ...])
        ...     for hit in client.search("docs", query, k=5, filter="year >= 2020"):
        ...         print(hit.id, hit.score)

    Args:
        target: host:port; without a port, 5678. No connection is made until the first call.
        api_key: sent with each call as `authorization: Bearer <api_key>`. Over an unencrypted
            connection anyone on the way can read it: use it with `tls`.
        tls: None for plain text; True for TLS with the system's roots; the path of a PEM file for
            TLS with the roots in it; or grpc.ChannelCredentials.
        timeout: seconds that one request may take with all its retries. None: a request takes as
            long as it takes, and if it fails it is retried for 30 seconds. A write that is split, a
            scan and a large get make several requests in a row.
        message_bytes: writes are split into messages of at most this size, from 4 KiB to 64 MiB.

    A call raises a subclass of `ProximaDBError` (see `proximadb.errors`). Besides those named at a
    method any call may raise UnavailableError, DeadlineExceededError, AuthenticationError,
    PermissionDeniedError and ResourceExhaustedError; any call that names a collection,
    CollectionNotFoundError.

    Failures that may pass by themselves are retried until the timeout. A repeated write cannot
    happen twice: each batch has an id under which the server knows it.
    """

    def __init__(
        self,
        target: str = "localhost:5678",
        api_key: str | None = None,
        tls: Tls = None,
        timeout: float | None = 30.0,
        *,
        message_bytes: int = MESSAGE_TARGET_BYTES,
    ) -> None:
        self._transport = GrpcClient(target, api_key, tls)
        self._operations = Operations(self._transport, timeout, message_bytes)

    def close(self) -> None:
        """Closes the connection. Calls under way on other threads end with CallCancelledError."""
        run(self._operations.close())

    def __enter__(self) -> ProximaDBClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.target!r})"

    # ---- collections ----------------------------------------------------------------------------

    def create_collection(
        self,
        name: str,
        dimension: int,
        metric: str = "cosine",
        index_type: str = "HNSW",
        storage: str = "balanced",
        filterable: Mapping[str, str] | None = None,
        exist_ok: bool = False,
        layout: str | None = None,
        index_memory: str | None = None,
    ) -> CollectionInfo:
        """Creates a collection.

        Args:
            name: 1 to 128 of A-Z a-z 0-9 _ -, the first a letter or digit.
            dimension: floats of each vector, 1 to 65,536.
            metric: "cosine", "l2" (Euclidean) or "dot".
            index_type: "HNSW", "IVF" or "FLAT".
            storage: "balanced" rounds each component to 7 bits of mantissa, which costs a search
                next to nothing and makes files three times smaller; "compact" rounds to 4 bits,
                for four times; "exact" keeps every bit. Vectors of whole numbers from -255 to 255
                are kept exactly by all. What was rounded is what `get` and `search` then give.
            filterable: metadata fields that get a column of their own, at most 64: name to
                "string", "long", "double", "boolean" or "string_array". Filters work on any field,
                and fast on these.
            exist_ok: an equal collection of that name is no error.
            layout: "plain", for storage "exact" only, leaves vectors in the files as they are in
                memory: larger, and quicker to scan. Otherwise they are compressed without loss.
            index_memory: "lean" (also when None) or "fast": what the index may take of memory.
                HNSW: about 600 bytes a row at 384 dimensions, or 64 more, which is quicker at the
                highest recalls. IVF: about 430, mapped or in memory of its own, which is quicker.
                `rebuild_index` changes it.

        Raises:
            CollectionExistsError: the name is taken (with exist_ok: by a collection that differs).
            InvalidArgumentError: an argument is not as above.

        Example:
            >>> client.create_collection("docs", 384, filterable={"year": "long"})
        """
        return run(
            self._operations.create_collection(
                name,
                dimension,
                metric,
                index_type,
                storage,
                layout,
                filterable,
                exist_ok,
                index_memory,
            )
        )

    def list_collections(self) -> list[CollectionInfo]:
        """All collections, sorted by name.

        Example:
            >>> [info.name for info in client.list_collections()]
        """
        return run(self._operations.list_collections())

    def get_collection(self, name: str) -> CollectionInfo:
        """One collection as it is now.

        Example:
            >>> client.get_collection("docs").vector_count
        """
        return run(self._operations.get_collection(name))

    def update_collection(self, name: str, filterable: Mapping[str, str]) -> CollectionInfo:
        """Changes the filterable fields.

        Args:
            name: the collection.
            filterable: the whole new list, as in `create_collection`.

        Raises:
            InvalidArgumentError: a field's name or type is refused.

        Example:
            >>> client.update_collection("docs", {"year": "long", "tag": "string_array"})
        """
        return run(self._operations.update_collection(name, filterable))

    def delete_collection(self, name: str) -> None:
        """Deletes a collection with all its rows. There is no way back.

        Example:
            >>> client.delete_collection("docs")
        """
        run(self._operations.delete_collection(name))

    def flush(self, name: str) -> None:
        """Writes the rows that are in the log and in memory to Parquet now.

        Rows are durable without it: an acknowledged write is on the device.

        Example:
            >>> client.flush("docs")
        """
        run(self._operations.flush(name))

    def compact(
        self, name: str, cluster_count: int | None = None, timeout: float | None = None
    ) -> CompactResult:
        """Clusters and rewrites all parts now. It happens by itself in the background, too.

        Args:
            name: the collection.
            cluster_count: clusters to make; None: chosen from the number of rows.
            timeout: seconds; None: as long as it takes, whatever the client's timeout. In either
                case a server that is not there is waited for no longer than the client's timeout.

        Raises:
            ResourceExhaustedError: the disk is full. It is not tried again.

        Example:
            >>> client.compact("docs").bytes_written
        """
        return run(self._operations.compact(name, cluster_count, timeout))

    def rebuild_index(self, name: str, index_memory: str | None = None) -> None:
        """Has the index of an HNSW collection built anew, in the background.

        The present one is used until then. `get_collection` says how far it is: `index_state` is
        "building", and `index_rows_done` counts.

        Args:
            name: the collection.
            index_memory: "lean" or "fast", from now on; None: as it is.

        Raises:
            InvalidArgumentError: the collection's index type is not HNSW, or no such profile.

        Example:
            >>> client.rebuild_index("docs", index_memory="fast")
        """
        run(self._operations.rebuild_index(name, index_memory))

    def pause_compaction(self, name: str | None = None) -> None:
        """Stops compaction in the background until it is resumed or the server starts anew.

        What `compact` asks for runs all the same.

        Args:
            name: the collection; None: all that there are.

        Example:
            >>> client.pause_compaction("docs")
        """
        run(self._operations.pause_compaction(name))

    def resume_compaction(self, name: str | None = None) -> None:
        """Lets compaction in the background go on.

        Args:
            name: the collection; None: all that there are.

        Example:
            >>> client.resume_compaction("docs")
        """
        run(self._operations.resume_compaction(name))

    # ---- writes ---------------------------------------------------------------------------------

    def insert(
        self,
        collection: str,
        vectors: npt.ArrayLike,
        ids: Iterable[str] | None = None,
        metadata: Iterable[Metadata | None] | None = None,
        documents: Iterable[str | None] | None = None,
        timestamps: Times = None,
        expires_at: Times = None,
        progress: Progress = False,
    ) -> InsertResult:
        """Adds rows. An id that exists already is an error.

        When it returns, the rows are on the server's device and visible. All rows that fit one
        message (8 MiB by default) are added, or none; more are a sequence of such batches, and an
        error says how far it came.

        Args:
            collection: its name.
            vectors: numbers of shape (rows, dimension). float32 in C order is sent as it lies in
                memory, all else is converted to float32.
            ids: strings of 1 to 512 bytes of UTF-8 without NUL. None: UUIDs of version 7.
            metadata: for each row a dict of keys to None, bool, int (64 bits), float, str or list
                of str; or None. numpy's scalars count as what they hold.
            documents: for each row the text that the vector came from, or None.
            timestamps: milliseconds since 1970, UTC, or datetimes with a timezone, or a
                datetime64 array (which is UTC): one for all rows or one for each. None: the time
                of the write.
            expires_at: likewise, the moment from which a row is gone. None: never.
            progress: True writes a progress line to stderr; a callable is called with
                (rows done, rows in all) after each batch.

        Returns:
            ids and versions of the rows, in their order.

        Raises:
            AlreadyExistsError: an id exists; nothing of the batch was added.
            DimensionError: a vector's length is not the collection's dimension.
            InvalidArgumentError: something of a row is refused; `row_index` says which.
            OutcomeUnknownError: the server's device failed; the batch is written or not.

            Each carries acknowledged_rows, first_failed_row and partial_result.

        Example:
            >>> client.insert("docs", vectors, ids=["a", "b"], metadata=[{"year": 2024}, None])
        """
        return run(
            self._operations.insert(
                INSERT,
                collection,
                vectors,
                ids,
                metadata,
                documents,
                timestamps,
                expires_at,
                progress,
            )
        )

    def upsert(
        self,
        collection: str,
        vectors: npt.ArrayLike,
        ids: Iterable[str] | None = None,
        metadata: Iterable[Metadata | None] | None = None,
        documents: Iterable[str | None] | None = None,
        timestamps: Times = None,
        expires_at: Times = None,
        progress: Progress = False,
    ) -> InsertResult:
        """Adds rows, and replaces those whose id exists as a whole: nothing of the old row stays.

        Arguments, result and errors are those of `insert`, but for AlreadyExistsError.

        Example:
            >>> client.upsert("docs", vectors, ids=["a", "b"])
        """
        return run(
            self._operations.insert(
                UPSERT,
                collection,
                vectors,
                ids,
                metadata,
                documents,
                timestamps,
                expires_at,
                progress,
            )
        )

    def update(
        self,
        collection: str,
        ids: Iterable[str],
        vectors: npt.ArrayLike | None = None,
        metadata: Iterable[Metadata | None] | None = None,
        documents: None | Clear | Iterable[None | str | Clear] = None,
        expires_at: TimesOrClear = None,
        expected_versions: Iterable[int | None] | None = None,
    ) -> InsertResult:
        """Changes parts of rows that exist. What is None, as a whole or for a row, stays as it is.

        Atomic as `insert`.

        Args:
            collection: its name.
            ids: the rows.
            vectors: shape (rows, dimension), or None to keep them all.
            metadata: for each row a dict that is merged into the row's by key; a value of None
                removes its key.
            documents: for each row the new text; `proximadb.CLEAR` removes it.
            expires_at: as in `insert`; `proximadb.CLEAR` removes it.
            expected_versions: for each row the version it must have, or None for any.

        Returns:
            ids and new versions of the rows, in their order.

        Raises:
            VectorNotFoundError: an id is unknown; nothing of the batch was changed.
            VersionMismatchError: a row is not at the version expected; likewise.
            DimensionError: a vector's length is not the collection's dimension; likewise.
            InvalidArgumentError: something of a row is refused; `row_index` says which.

        Example:
            >>> client.update("docs", ["a"], metadata=[{"year": 2025, "draft": None}])
        """
        return run(
            self._operations.update(
                collection, ids, vectors, metadata, documents, expires_at, expected_versions
            )
        )

    def delete(
        self,
        collection: str,
        ids: Iterable[str] | None = None,
        filter: str | None = None,
        params: Metadata | None = None,
    ) -> int:
        """Deletes rows by id or by filter, and returns how many there were.

        More than 100,000 rows that match a filter are deleted in batches of that size, each atomic.
        If such a call is repeated (as the client does by itself when the connection breaks), the
        number is too small: rows that an attempt before has deleted are not counted. They are gone
        all the same.

        Args:
            collection: its name.
            ids: the rows; unknown ids are ignored.
            filter: an expression as in `search`, instead of ids.
            params: values of the filter's $names.

        Raises:
            InvalidArgumentError: neither or both of ids and filter, or a filter that does not
                parse.

        Example:
            >>> client.delete("docs", filter="year < $year", params={"year": 2000})
        """
        return run(self._operations.delete(collection, ids, filter, params))

    # ---- reads ----------------------------------------------------------------------------------

    def get(
        self, collection: str, ids: Iterable[str], include_vectors: bool = True
    ) -> list[Record]:
        """The rows with these ids, in their order. Unknown ids are left out.

        Example:
            >>> [row.document for row in client.get("docs", ["a", "b"], include_vectors=False)]
        """
        return run(self._operations.get(collection, ids, include_vectors))

    def search(
        self,
        collection: str,
        query: npt.ArrayLike,
        k: int = 10,
        filter: str | None = None,
        params: Metadata | None = None,
        include_vectors: bool = False,
        include_metadata: bool = True,
        ef: int | None = None,
        nprobe: int | None = None,
        exact: bool = False,
        target_recall: float | None = None,
    ) -> list[Any]:
        """The k nearest rows, nearest first; of rows at one distance the smaller id comes first.

        Args:
            collection: its name.
            query: numbers of shape (dimension,), or (queries, dimension) to ask many at once.
            k: rows wanted, 1 to 10,000. There are fewer only if fewer match.
            filter: an expression as in SQL's WHERE, such as
                "category = 'net' AND price < $max". A missing field is NULL.
            params: values of the filter's $names. Use them for whatever comes from outside.
            include_vectors: whether hits have vectors.
            include_metadata: whether hits have metadata and document.
            ef: candidates of the graph walk (HNSW), 1 to 10,000; more is slower and finds more.
                IVF: candidates that are compared by their stored vectors, at least.
                None: chosen, by `target_recall`.
            nprobe: the nearest blocks of rows are read (IVF), as many as so many lists have in the
                mean, 1 to 65,536; likewise.
            exact: compare with every row.
            target_recall: the share of the k nearest rows that is wanted in the mean, above 0 and
                below 1. None: 0.95. What it takes was learnt from rows of the collection, so
                queries of another kind may find more or less.

        Returns:
            For a 1-D query a list of `Hit`; for a 2-D one a list of such lists, in the order of
            the queries.

        Raises:
            DimensionError: the query's length is not the collection's dimension.
            InvalidArgumentError: the filter does not parse, or another argument is refused.

        Example:
            >>> hits = client.search("docs", query, k=5, filter="year >= 2020")
            >>> hits[0].id, hits[0].score
        """
        settings = SearchSettings(
            k, filter, params, include_vectors, include_metadata, ef, nprobe, exact, target_recall
        )
        return run(self._operations.search(collection, query, settings))

    def scan(
        self,
        collection: str,
        filter: str | None = None,
        batch_size: int = 1000,
        params: Metadata | None = None,
        include_vectors: bool = True,
    ) -> Iterator[Record]:
        """Every row that matches, in no order, as of the moment of the first one.

        Args:
            collection: its name.
            filter: an expression as in `search`; None: all rows.
            batch_size: rows of one request, 1 to 10,000.
            params: values of the filter's $names.
            include_vectors: whether rows have vectors.

        Raises:
            SnapshotExpiredError: more than 10 minutes passed between two requests.
            InvalidArgumentError: the filter does not parse.

        Example:
            >>> for row in client.scan("docs", filter="year = 2024", include_vectors=False):
            ...     print(row.id, row.document)
        """
        scan = self._operations.scan(collection, filter, params, batch_size, include_vectors)
        return _rows(scan)

    def count(
        self, collection: str, filter: str | None = None, params: Metadata | None = None
    ) -> int:
        """How many rows match a filter, or are there at all; exact.

        Raises:
            InvalidArgumentError: the filter does not parse.

        Example:
            >>> client.count("docs", filter="year = 2024")
        """
        return run(self._operations.count(collection, filter, params))

    # ---- the server -----------------------------------------------------------------------------

    def health(self) -> Health:
        """Whether the server takes calls. Not retried.

        Raises:
            UnavailableError: the server cannot be reached.

        Example:
            >>> if client.health(): ...
        """
        return run(self._operations.health())

    def metrics(self) -> str:
        """Numbers of the engine in Prometheus' text format.

        These are each collection's live rows, parts, bytes on disk, in the log, in memory and of
        its index of ids, and the engine's calls by outcome since it was opened. What the server
        counts besides (calls by method and code, connections, requests, bytes on the wire) is at
        its `GET /metrics` only.

        Example:
            >>> print(client.metrics())
        """
        return run(self._operations.metrics())


def _rows(scan: Scan) -> Iterator[Record]:
    while (records := run(scan.next_page())) is not None:
        yield from records

"""The asyncio client: the methods of ProximaDBClient, as coroutines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any

import numpy.typing as npt

from proximadb._batching import MESSAGE_TARGET_BYTES
from proximadb._operations import INSERT, UPSERT, Operations, Scan, Times, TimesOrClear
from proximadb._requests import SearchSettings
from proximadb.grpc_client import AsyncGrpcClient, Tls
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


class AsyncProximaDBClient:
    """A client of a ProximaDB server for asyncio. It belongs to the loop of its first call.

    Arguments, results and errors are those of `ProximaDBClient`, whose methods document them. Rows
    of a MiB or more are encoded on a thread, so the loop goes on meanwhile.

    Example:
        >>> async with AsyncProximaDBClient("localhost:5678") as client:
        ...     await client.insert("docs", vectors)
        ...     hits = await client.search("docs", query, k=5)
        ...     async for row in client.scan("docs"):
        ...         print(row.id)
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
        self._transport = AsyncGrpcClient(target, api_key, tls)
        self._operations = Operations(self._transport, timeout, message_bytes)

    async def close(self) -> None:
        """Closes the connection. Calls under way in other tasks end with CallCancelledError."""
        await self._operations.close()

    async def __aenter__(self) -> AsyncProximaDBClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.target!r})"

    # ---- collections ----------------------------------------------------------------------------

    async def create_collection(
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
        """Creates a collection. As `ProximaDBClient.create_collection`."""
        return await self._operations.create_collection(
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

    async def list_collections(self) -> list[CollectionInfo]:
        """All collections, sorted by name."""
        return await self._operations.list_collections()

    async def get_collection(self, name: str) -> CollectionInfo:
        """One collection as it is now."""
        return await self._operations.get_collection(name)

    async def update_collection(self, name: str, filterable: Mapping[str, str]) -> CollectionInfo:
        """Changes the filterable fields. As `ProximaDBClient.update_collection`."""
        return await self._operations.update_collection(name, filterable)

    async def delete_collection(self, name: str) -> None:
        """Deletes a collection with all its rows. There is no way back."""
        await self._operations.delete_collection(name)

    async def flush(self, name: str) -> None:
        """Writes the rows in the log and in memory to Parquet. As `ProximaDBClient.flush`."""
        await self._operations.flush(name)

    async def compact(
        self, name: str, cluster_count: int | None = None, timeout: float | None = None
    ) -> CompactResult:
        """Clusters and rewrites all parts now. As `ProximaDBClient.compact`."""
        return await self._operations.compact(name, cluster_count, timeout)

    async def rebuild_index(self, name: str, index_memory: str | None = None) -> None:
        """Has the index built anew, in the background. As `ProximaDBClient.rebuild_index`."""
        await self._operations.rebuild_index(name, index_memory)

    async def pause_compaction(self, name: str | None = None) -> None:
        """Stops compaction in the background. As `ProximaDBClient.pause_compaction`."""
        await self._operations.pause_compaction(name)

    async def resume_compaction(self, name: str | None = None) -> None:
        """Lets compaction in the background go on. As `ProximaDBClient.resume_compaction`."""
        await self._operations.resume_compaction(name)

    # ---- writes ---------------------------------------------------------------------------------

    async def insert(
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
        """Adds rows; an id that exists is an error. As `ProximaDBClient.insert`.

        The arguments must not change until it returns.
        """
        return await self._operations.insert(
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

    async def upsert(
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
        """Adds rows, and replaces those whose id exists. As `ProximaDBClient.upsert`.

        The arguments must not change until it returns.
        """
        return await self._operations.insert(
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

    async def update(
        self,
        collection: str,
        ids: Iterable[str],
        vectors: npt.ArrayLike | None = None,
        metadata: Iterable[Metadata | None] | None = None,
        documents: None | Clear | Iterable[None | str | Clear] = None,
        expires_at: TimesOrClear = None,
        expected_versions: Iterable[int | None] | None = None,
    ) -> InsertResult:
        """Changes parts of rows that exist. As `ProximaDBClient.update`.

        The arguments must not change until it returns.
        """
        return await self._operations.update(
            collection, ids, vectors, metadata, documents, expires_at, expected_versions
        )

    async def delete(
        self,
        collection: str,
        ids: Iterable[str] | None = None,
        filter: str | None = None,
        params: Metadata | None = None,
    ) -> int:
        """Deletes rows by id or by filter; returns how many. As `ProximaDBClient.delete`.

        The number is too small when a delete of more than 100,000 rows by filter was repeated.
        """
        return await self._operations.delete(collection, ids, filter, params)

    # ---- reads ----------------------------------------------------------------------------------

    async def get(
        self, collection: str, ids: Iterable[str], include_vectors: bool = True
    ) -> list[Record]:
        """The rows with these ids, in their order. Unknown ids are left out."""
        return await self._operations.get(collection, ids, include_vectors)

    async def search(
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
        """The k nearest rows, nearest first. As `ProximaDBClient.search`."""
        settings = SearchSettings(
            k, filter, params, include_vectors, include_metadata, ef, nprobe, exact, target_recall
        )
        return await self._operations.search(collection, query, settings)

    def scan(
        self,
        collection: str,
        filter: str | None = None,
        batch_size: int = 1000,
        params: Metadata | None = None,
        include_vectors: bool = True,
    ) -> AsyncIterator[Record]:
        """Every row that matches, for `async for`. As `ProximaDBClient.scan`."""
        scan = self._operations.scan(collection, filter, params, batch_size, include_vectors)
        return _rows(scan)

    async def count(
        self, collection: str, filter: str | None = None, params: Metadata | None = None
    ) -> int:
        """How many rows match a filter, or are there at all; exact."""
        return await self._operations.count(collection, filter, params)

    # ---- the server -----------------------------------------------------------------------------

    async def health(self) -> Health:
        """Whether the server takes calls. As `ProximaDBClient.health`."""
        return await self._operations.health()

    async def metrics(self) -> str:
        """Numbers of the engine in Prometheus' text format. As `ProximaDBClient.metrics`."""
        return await self._operations.metrics()


async def _rows(scan: Scan) -> AsyncIterator[Record]:
    while (records := await scan.next_page()) is not None:
        for record in records:
            yield record

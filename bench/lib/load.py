"""Rows into a collection through the SDK, from this process or from a second one."""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import queue
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import proximadb

from lib.rows import DIM_COUNT, FILTERABLE, Batch, Rows, load_rows
from lib.workspace import BenchError

COLLECTION = "rows"
STORAGE = "balanced"  # what users get who choose nothing
BATCH_ROWS = 1_000
LOADER_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Profile:
    """How a collection stores vectors."""

    storage: str
    layout: str | None = None  # None: the storage's own

    @property
    def name(self) -> str:
        """For tables."""
        return self.storage if self.layout is None else f"{self.storage} {self.layout}"


BALANCED = Profile(STORAGE)
PROFILES = (BALANCED, Profile("exact"), Profile("exact", "plain"), Profile("compact"))


def create(
    client: proximadb.ProximaDBClient,
    storage: str = STORAGE,
    layout: str | None = None,
    dim_count: int = DIM_COUNT,
    metric: str = "cosine",
    name: str = COLLECTION,
    index_type: str = "FLAT",
) -> None:
    """Makes the collection that measurements use, or another one: without an index, whose building
    would be measured, too.
    """
    client.create_collection(
        name,
        dim_count,
        metric=metric,
        index_type=index_type,
        storage=storage,
        layout=layout,
        filterable=FILTERABLE,
    )


def insert(client: proximadb.ProximaDBClient, batch: Batch, name: str = COLLECTION) -> float:
    """Inserts a batch as one call; the seconds until it was acknowledged."""
    began = time.perf_counter()
    client.insert(
        name,
        batch.vectors,
        ids=batch.ids,
        metadata=batch.metadata,
        documents=batch.documents,
    )
    return time.perf_counter() - began


def insert_all(
    client: proximadb.ProximaDBClient,
    rows: Rows,
    batch_rows: int = BATCH_ROWS,
    name: str = COLLECTION,
) -> list[float]:
    """Inserts all rows, a batch at a time; the seconds of each."""
    return [insert(client, batch, name) for batch in rows.batches(batch_rows)]


class BackgroundLoader:
    """A second client in a process of its own that inserts batches.

    It goes through its rows again and again under new ids. As a context manager it is ready when
    the block begins, loads between each begin() and end(), and is gone behind it.
    """

    def __init__(self, address: str, datasets: Path, row_count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._answers: Any = context.Queue()
        self._paces: Any = context.Queue()
        self._end = context.Event()
        self._process = context.Process(
            target=_load_until_told,
            args=(address, datasets, row_count, self._answers, self._paces, self._end),
            daemon=True,
        )

    def __enter__(self) -> BackgroundLoader:
        self._process.start()
        self._answer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        self._paces.put(None)
        self._process.join(LOADER_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()

    def begin(self, pace: int = 0) -> None:
        """Lets it load: without pause, or at a pace in rows/s, with a flush every half second."""
        self._end.clear()
        self._paces.put(pace)

    def end(self) -> tuple[int, float]:
        """Lets it finish its batch; rows that it loaded, and seconds."""
        self._end.set()
        row_count, seconds = self._answer()
        return row_count, seconds

    def _answer(self) -> tuple[int, float]:
        try:
            answer = self._answers.get(timeout=LOADER_TIMEOUT_S)
        except queue.Empty:
            raise BenchError("the second client does not answer") from None
        if isinstance(answer, str):
            raise BenchError(f"the second client failed: {answer}")
        return answer[0], answer[1]


def _load_until_told(
    address: str,
    datasets: Path,
    row_count: int,
    answers: Any,
    paces: Any,
    end: multiprocessing.synchronize.Event,
) -> None:
    """The second process. Answers (0, 0) when it is ready, and at the end what it has loaded."""
    try:
        rows = load_rows(datasets, row_count)
        with proximadb.ProximaDBClient(address, timeout=300) as client:
            client.health()
            answers.put((0, 0.0))
            turn = 0
            while (pace := paces.get()) is not None:
                turn += 1
                began = time.perf_counter()
                loaded = _load(client, rows, f"bulk-{turn}", pace, end)
                answers.put((loaded, time.perf_counter() - began))
    except (BenchError, proximadb.ProximaDBError) as error:
        answers.put(str(error))


def _load(
    client: proximadb.ProximaDBClient,
    rows: Rows,
    prefix: str,
    pace: int,
    end: multiprocessing.synchronize.Event,
) -> int:
    """Loads until it is told to end; the rows that it has loaded. pace: 0 for none."""
    began = time.perf_counter()
    loaded = turn = 0
    while not end.is_set():
        for batch in rows.batches(BATCH_ROWS):
            if end.is_set():
                break
            insert(client, replace(batch, ids=[f"{prefix}-{turn}-{id_}" for id_ in batch.ids]))
            loaded += len(batch.ids)
            if pace > 0 and loaded % (pace // 2) < BATCH_ROWS:
                client.flush(COLLECTION)
            if pace > 0:
                end.wait(max(0.0, began + loaded / pace - time.perf_counter()))
        turn += 1
    return loaded

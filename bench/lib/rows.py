"""The rows that are inserted: real texts as documents, their embeddings, three keys of metadata.

All is made ready before a measurement begins, as Python objects that a client would have at hand:
`vectors` float32 [rows, 384] in memory, `ids`, `documents` and `metadata` as lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from lib.workspace import BenchError

Vectors = npt.NDArray[np.float32]

DIM_COUNT = 384
SEED = 7
RANDOM_QUERIES = 1_000
TEXT1M_ROWS = 1_000_000
FILTERABLE = {"source": "string", "category": "string", "words": "long"}


@dataclass(frozen=True)
class Batch:
    """Rows of one call."""

    ids: list[str]
    vectors: Vectors
    metadata: list[dict[str, str | int]]
    documents: list[str]


@dataclass(frozen=True)
class Rows:
    """All rows of a measurement, and vectors to search for."""

    vectors: Vectors
    ids: list[str]
    metadata: list[dict[str, str | int]]
    documents: list[str]
    queries: Vectors
    origin: str  # for the report: what the vectors are

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, first: int, end: int) -> Batch:
        """Rows first to end - 1."""
        return Batch(
            self.ids[first:end],
            self.vectors[first:end],
            self.metadata[first:end],
            self.documents[first:end],
        )

    def batches(self, size: int) -> Iterator[Batch]:
        """All rows in batches of `size`, in order."""
        for first in range(0, len(self), size):
            yield self.part(first, min(first + size, len(self)))

    def head(self, count: int) -> Rows:
        """The first rows, with all queries."""
        batch = self.part(0, count)
        return replace(self, **{each.name: getattr(batch, each.name) for each in fields(batch)})

    def with_queries(self, count: int) -> Rows:
        """All rows, with the first queries."""
        return replace(self, queries=self.queries[:count])


def row_id(row: int, prefix: str = "row") -> str:
    """The id of a row: of one length, in the order of the rows."""
    return f"{prefix}-{row:08d}"


def load_rows(folder: Path, count: int) -> Rows:
    """`count` rows of the data sets in `folder`: of text1m, or with random vectors without it."""
    texts = read_texts(folder / "texts.parquet")
    found = find_set(folder, "text1m", TEXT1M_ROWS, count)
    vectors, queries, origin = load_vectors(folder, count)
    if found is not None:
        text_rows = np.load(found.with_suffix(".base.rows.npy"))[:count]
    else:
        text_rows = np.arange(count)
    if len(texts) <= text_rows.max():
        raise BenchError(
            f"{folder}/texts.parquet has {len(texts)} rows, too few. "
            f"Run: bench/data/make texts --rows {text_rows.max() + 1}"
        )
    chosen = texts.take(pa.array(text_rows))
    documents = chosen["text"].to_pylist()
    ids = [row_id(row) for row in range(count)]
    return Rows(vectors, ids, metadata_of(chosen, documents), documents, queries, origin)


def load_vectors(folder: Path, count: int) -> tuple[Vectors, Vectors, str]:
    """The vectors of load_rows() without their texts: rows, queries, and what they are."""
    found = find_set(folder, "text1m", TEXT1M_ROWS, count)
    if found is None:
        origin = "random unit vectors, because there is no text1m of that size"
        return _random_units(count), _random_units(RANDOM_QUERIES, SEED + 1), origin
    vectors = np.array(np.load(found.with_suffix(".base.npy"), mmap_mode="r")[:count])
    origin = f"{found.name}: static embeddings of the documents"
    return vectors, np.load(found.with_suffix(".query.npy")), origin


def read_texts(path: Path) -> pa.Table:
    """Columns text, source, category. BenchError if the file is not there."""
    if not path.exists():
        raise BenchError(f"{path} is missing. Run: bench/data/make {path.name.split('.')[0]}")
    return pq.read_table(path)


def set_sizes(folder: Path, name: str, full_count: int) -> dict[int, Path]:
    """The sets of that name in the folder: rows, and the path without its ending."""
    sizes: dict[int, Path] = {}
    for path in folder.glob(f"{name}*.base.npy"):
        found = path.name.removesuffix(".base.npy")
        number = re.fullmatch(rf"{name}(?:-(\d+))?", found)
        if number is not None:
            sizes[int(number[1] or full_count)] = folder / found
    return sizes


def find_set(folder: Path, name: str, full_count: int, count: int) -> Path | None:
    """The smallest set of that name that has enough rows, as a path without its ending."""
    sizes = set_sizes(folder, name, full_count)
    enough = [size for size in sizes if size >= count]
    return sizes[min(enough)] if enough else None


def _random_units(count: int, seed: int = SEED) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((count, DIM_COUNT), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def metadata_of(texts: pa.Table, documents: list[str]) -> list[dict[str, str | int]]:
    """Of each row what its text comes from, and how long it is."""
    sources, categories = texts["source"].to_pylist(), texts["category"].to_pylist()
    return [
        {"source": source, "category": category, "words": document.count(" ") + 1}
        for source, category, document in zip(sources, categories, documents, strict=True)
    ]

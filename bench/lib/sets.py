"""The data sets of bench/data as rows, with the true nearest rows of their queries where known.

    minilm        sentences and their embeddings
    minilm-half   the same, each component rounded to half precision (float16) and back
    text1m        texts and static embeddings of them
    sift1m        pictures' descriptors, with texts that have nothing to do with them

All have ids, metadata and documents as lib/rows.py gives them to a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lib.rows import Rows, metadata_of, read_texts, row_id, set_sizes
from lib.workspace import BenchError

RowNumbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """What is fixed about a set."""

    files: str  # of the set that its vectors are
    full_count: int
    metric: str
    is_half: bool = False


KINDS = {
    "minilm": Kind("minilm", 100_000, "cosine"),
    "minilm-half": Kind("minilm", 100_000, "cosine", is_half=True),
    "text1m": Kind("text1m", 1_000_000, "cosine"),
    "sift1m": Kind("sift1m", 1_000_000, "l2"),
}


@dataclass(frozen=True)
class DataSet:
    """Rows, and for each query the numbers of the rows that are nearest to it."""

    name: str
    metric: str
    rows: Rows
    nearest: RowNumbers | None  # [queries, 100], None: not known of so many rows

    @property
    def raw_bytes(self) -> int:
        """Size of all vectors as float32."""
        return self.rows.vectors.nbytes

    def with_queries(self, count: int) -> DataSet:
        """With the first queries only."""
        nearest = None if self.nearest is None else self.nearest[:count]
        return replace(self, rows=self.rows.with_queries(count), nearest=nearest)


def load_set(folder: Path, name: str, most_rows: int) -> DataSet:
    """The largest set of that name in `folder`, or the first `most_rows` rows of it."""
    kind = KINDS[name]
    sizes = set_sizes(folder, kind.files, kind.full_count)
    if not sizes:
        raise BenchError(f"there is no {kind.files} in {folder}. Run: bench/data/make {kind.files}")
    stem = sizes[max(sizes)]
    count = min(max(sizes), most_rows)
    vectors = np.array(np.load(stem.with_suffix(".base.npy"), mmap_mode="r")[:count])
    queries = np.load(stem.with_suffix(".query.npy"))
    if kind.is_half:
        vectors = vectors.astype(np.float16).astype(np.float32)
    texts = _TEXTS[kind.files](folder, stem, count)
    documents = texts["text"].to_pylist()
    ids = [row_id(row) for row in range(count)]
    is_whole = count == max(sizes) and not kind.is_half
    nearest = np.load(stem.with_suffix(".gt.npy")).astype(np.int64) if is_whole else None
    origin = f"{count:,} of {stem.name}" + (", rounded to float16" if kind.is_half else "")
    rows = Rows(vectors, ids, metadata_of(texts, documents), documents, queries, origin)
    return DataSet(name, kind.metric, rows, nearest)


def row_numbers(ids: list[str]) -> RowNumbers:
    """Of rows, by their ids."""
    return np.array([int(id_.rpartition("-")[2]) for id_ in ids], np.int64)


def _minilm_texts(folder: Path, stem: Path, count: int) -> pa.Table:
    return read_texts(stem.with_suffix(".base.parquet")).slice(0, count)


def _text1m_texts(folder: Path, stem: Path, count: int) -> pa.Table:
    texts = read_texts(folder / "texts.parquet")
    return texts.take(pa.array(np.load(stem.with_suffix(".base.rows.npy"))[:count]))


def _any_texts(folder: Path, stem: Path, count: int) -> pa.Table:
    texts = read_texts(folder / "texts.parquet")
    return texts.take(pa.array(np.arange(count) % len(texts)))


_TEXTS: dict[str, Callable[[Path, Path, int], pa.Table]] = {
    "minilm": _minilm_texts,
    "text1m": _text1m_texts,
    "sift1m": _any_texts,
}

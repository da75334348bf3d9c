"""The vectors of a set for contenders: base, queries, and which rows are right answers.

They are the files that bench/data makes; its package is not needed.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from contenders.contender import K, RowNumbers, Shape, Vectors

FINGERPRINT_BYTES = 1 << 20


@dataclass(frozen=True)
class SetFiles:
    """A set by the path that its files begin with, such as build/datasets/minilm."""

    stem: Path

    @property
    def name(self) -> str:
        """The set's, with its number of rows where that is not the full one."""
        return self.stem.name

    def shape(self) -> Shape:
        """Rows, dimensions and metric."""
        facts = json.loads(self._file("json").read_text())
        return Shape(facts["rows"], facts["dims"], facts["metric"])

    def base(self) -> Vectors:
        """All rows, in memory."""
        return np.ascontiguousarray(np.load(self._file("base.npy")), np.float32)

    def queries(self, count: int) -> Vectors:
        """The first ones."""
        return np.array(np.load(self._file("query.npy"), mmap_mode="r")[:count], np.float32)

    def truth(self, count: int) -> Truth:
        """Of the first queries."""
        rows = np.load(self._file("gt.npy"), mmap_mode="r")[:count]
        distances = np.load(self._file("gtd.npy"), mmap_mode="r")[:count]
        return Truth(np.array(rows, np.int64), np.array(distances))

    def fingerprint(self) -> str:
        """Changes when the base does: its size, beginning and end."""
        path = self._file("base.npy")
        size = path.stat().st_size
        with path.open("rb") as file:
            crc = zlib.crc32(file.read(FINGERPRINT_BYTES))
            file.seek(max(0, size - FINGERPRINT_BYTES))
            crc = zlib.crc32(file.read(FINGERPRINT_BYTES), crc)
        return f"{size}-{crc:08x}"

    def _file(self, ending: str) -> Path:
        return self.stem.with_name(f"{self.stem.name}.{ending}")


class Truth:
    """The nearest rows of each query. A row as near as the K-th is as good as it."""

    def __init__(self, rows: RowNumbers, distances: npt.NDArray[np.float32]) -> None:
        is_right = distances == distances[:, K - 1 : K]
        is_right[:, :K] = True
        self._right = [set(row[right].tolist()) for row, right in zip(rows, is_right, strict=True)]

    def __len__(self) -> int:
        return len(self._right)

    def recall(self, found: list[RowNumbers]) -> float:
        """The mean share of K right rows; a row that is given twice counts once."""
        hits = [
            min(len(right.intersection(rows.tolist())), K)
            for right, rows in zip(self._right, found, strict=True)
        ]
        return sum(hits) / (K * len(hits))

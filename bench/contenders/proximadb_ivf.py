"""Ours: the inverted index of IVF collections, made by bench_ivf with the engine's k-means.

Candidates are ordered by its 8-bit codes; nothing is ranked again by float32 rows.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from contenders import native
from contenders.contender import Contender, K, RowNumbers, Shape, Vectors, flat_numbers

FILE = "index.ivf"
ROWS_FILE = f"{FILE}.rows"  # bench_ivf names it so


class ProximaDbIvf(Contender):
    """Lists as compaction makes them, of some 2,000 rows."""

    name = "proximadb-ivf"
    distribution = ""
    build_settings: ClassVar[dict[str, Any]] = {"list_rows": 2_000}
    efforts = (0.80, 0.85, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999)
    saves_itself = True

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._native = native.load()  # like the peers' libraries, before memory is looked at
        self._index: Any = None
        self._recall = 0.0

    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """By the program, which has one thread."""
        vectors = folder / "base.npy"
        np.save(vectors, base)
        program = native.path().parents[3] / "bench/native/bench_ivf"
        list_rows = str(self.build_settings["list_rows"])
        command: list[str | Path] = [program, "build", folder / FILE, vectors]
        subprocess.run([*command, self.shape.metric, list_rows], check=True, capture_output=True)
        vectors.unlink()

    def open(self, folder: Path) -> None:
        """Maps it, and learns from its own rows what recalls take."""
        numbers = np.fromfile(folder / ROWS_FILE, np.uint32)
        self._index = self._native.Ivf.open(str(folder / FILE), numbers)

    def set_effort(self, effort: Any) -> None:
        """The recall to aim at."""
        self._recall = effort

    def prepare(self, query: Vectors) -> Any:
        """A vector of its own."""
        return np.ascontiguousarray(query)

    def search(self, query: Any) -> Any:
        """Row numbers and distances."""
        return self._index.search(query, K, self._recall)

    def numbers(self, found: Any) -> RowNumbers:
        """The first of the two."""
        return flat_numbers(found[0])

    def empty_call(self) -> Any:
        """Nothing but the length, as the peers' getters."""
        return len(self._index)

    def search_all(self, queries: Vectors) -> RowNumbers | None:
        """One call."""
        rows = np.empty((len(queries), K), np.int64)
        self._index.search_all(rows, queries, K, self._recall)
        return rows

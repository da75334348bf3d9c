"""rabitqlib: SymphonyQG, each vertex with the 1-bit codes of its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import rabitqlib

from contenders.contender import Contender, K, RowNumbers, Shape, Vectors, flat_numbers

FILE = "index.symqg"
# Rows of length 1 have the same order in both metrics; this one is the library's default.
METRIC = "l2"
DIMS_MULTIPLE = 64  # its rotation takes no others below; zeros behind a row change no distance


class SymphonyQg(Contender):
    """Degree 32 and ef 100, from the library's default initial graph."""

    name = "symphonyqg"
    distribution = "rabitqlib"
    build_settings: ClassVar[dict[str, Any]] = {
        "degree": 32,
        "ef_construction": 100,
        "init": "pipnn",
    }
    efforts = (10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 170, 220, 300, 400, 600, 800, 1200)

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._index: Any = None
        self._ef = 0

    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """Neighbours, then codes."""
        settings = self.build_settings
        rows = _padded(base)
        self._index = rabitqlib.SymqgIndex(rows.shape[1], settings["degree"], METRIC)
        self._index.build(rows, settings["ef_construction"], threads, settings["init"])

    def save(self, folder: Path) -> None:
        """One file."""
        self._index.save(str(folder / FILE))

    def open(self, folder: Path) -> None:
        """Reads it."""
        self._index = rabitqlib.SymqgIndex.load(str(folder / FILE))

    def set_effort(self, effort: Any) -> None:
        """The search's ef."""
        self._ef = effort

    def prepare(self, query: Vectors) -> Any:
        """One row of a matrix."""
        return _padded(query[None, :])

    def search(self, query: Any) -> Any:
        """Row numbers and distances."""
        return self._index.search(query, K, self._ef)

    def numbers(self, found: Any) -> RowNumbers:
        """Of the two arrays, the whole numbers."""
        return flat_numbers(next(each for each in found if each.dtype.kind in "iu"))

    def empty_call(self) -> Any:
        """A C++ getter through pybind11."""
        return self._index.num_points

    def search_all(self, queries: Vectors) -> RowNumbers | None:
        """One call."""
        return self.numbers(self._index.search(_padded(queries), K, self._ef)).reshape(-1, K)


def _padded(rows: Vectors) -> Vectors:
    missing = -rows.shape[1] % DIMS_MULTIPLE
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, missing))) if missing else rows)


class SymphonyQgRandom(SymphonyQg):
    """The same from a random graph, which takes more than twice as long to build."""

    name = "symphonyqg-random"
    build_settings: ClassVar[dict[str, Any]] = {**SymphonyQg.build_settings, "init": "random"}

"""usearch: HNSW over bfloat16, which is exact for the whole numbers of sift1m."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from usearch.index import Index

from contenders.contender import Contender, K, RowNumbers, Shape, Vectors, flat_numbers

FILE = "index.usearch"


class UsearchHnsw(Contender):
    """Connectivity 16 and expansion 100."""

    name = "usearch"
    distribution = "usearch"
    build_settings: ClassVar[dict[str, Any]] = {
        "connectivity": 16,
        "expansion_add": 100,
        "dtype": "bf16",
    }
    efforts = (10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 170, 220, 300, 400, 600, 800)

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        metric = "l2sq" if shape.metric == "l2" else "ip"
        self._index = Index(ndim=shape.dims, metric=metric, **self.build_settings)

    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """Adds all rows under their numbers."""
        self._index.add(np.arange(len(base), dtype=np.uint64), base, threads=threads)

    def save(self, folder: Path) -> None:
        """One file."""
        self._index.save(str(folder / FILE))

    def open(self, folder: Path) -> None:
        """Reads it."""
        self._index.load(str(folder / FILE))

    def set_effort(self, effort: Any) -> None:
        """The search's expansion."""
        self._index.expansion_search = effort

    def prepare(self, query: Vectors) -> Any:
        """A vector of its own."""
        return np.ascontiguousarray(query)

    def search(self, query: Any) -> Any:
        """Matches with keys and distances."""
        return self._index.search(query, K, threads=1)

    def numbers(self, found: Any) -> RowNumbers:
        """Keys are row numbers."""
        return flat_numbers(found.keys)

    def empty_call(self) -> Any:
        """A getter of the Python class around the binding."""
        return self._index.size

    def search_all(self, queries: Vectors) -> RowNumbers | None:
        """One call."""
        return flat_numbers(self._index.search(queries, K, threads=1).keys).reshape(-1, K)

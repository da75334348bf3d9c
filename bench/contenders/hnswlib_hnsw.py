"""hnswlib: HNSW over float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import hnswlib

from contenders.contender import Contender, K, RowNumbers, Shape, Vectors, flat_numbers

FILE = "index.bin"


class HnswlibHnsw(Contender):
    """M 16 and ef_construction 100, as its authors' own benchmark has it."""

    name = "hnswlib"
    distribution = "hnswlib"
    build_settings: ClassVar[dict[str, Any]] = {"M": 16, "ef_construction": 100}
    efforts = (10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 170, 220, 300, 400, 600, 800, 1200)

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        space = "l2" if shape.metric == "l2" else "ip"
        self._index = hnswlib.Index(space=space, dim=shape.dims)

    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """Inserts all rows."""
        self._index.init_index(max_elements=len(base), **self.build_settings)
        self._index.add_items(base, num_threads=threads)

    def save(self, folder: Path) -> None:
        """One file."""
        self._index.save_index(str(folder / FILE))

    def open(self, folder: Path) -> None:
        """Reads it."""
        self._index.load_index(str(folder / FILE), max_elements=self.shape.rows)
        self._index.set_num_threads(1)

    def set_effort(self, effort: Any) -> None:
        """The search's ef."""
        self._index.set_ef(effort)

    def search(self, query: Any) -> Any:
        """Labels and distances."""
        return self._index.knn_query(query, K, 1)

    def numbers(self, found: Any) -> RowNumbers:
        """Labels are row numbers."""
        return flat_numbers(found[0])

    def empty_call(self) -> Any:
        """A C++ getter through pybind11."""
        return self._index.get_current_count()

    def search_all(self, queries: Vectors) -> RowNumbers | None:
        """One call."""
        return self._index.knn_query(queries, K, 1)[0].astype("int64")

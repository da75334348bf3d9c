"""Scalable Vector Search: Vamana over two-level LVQ codes, 4 bits in the walk and 8 behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import svs

from contenders.contender import Contender, K, RowNumbers, Shape, Vectors, flat_numbers

PARTS = ("config", "graph", "data")


class SvsVamana(Contender):
    """LVQ4x8, degree 32 and window 100."""

    name = "svs-lvq4x8"
    distribution = "scalable-vs"
    build_settings: ClassVar[dict[str, Any]] = {
        "graph_max_degree": 32,
        "window_size": 100,
        "primary": 4,
        "residual": 8,
    }
    efforts = (10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 170, 220, 300, 400, 600, 800, 1200)

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._distance = svs.DistanceType.L2 if shape.metric == "l2" else svs.DistanceType.MIP
        self._index: Any = None

    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """From a file in the library's own format, which is removed again."""
        settings = self.build_settings
        path = folder / "vectors.fvecs"
        _write_fvecs(path, base)
        loader = svs.VectorDataLoader(str(path), svs.DataType.float32, self.shape.dims)
        codes = svs.LVQLoader(loader, settings["primary"], settings["residual"])
        graph = svs.VamanaBuildParameters(
            graph_max_degree=settings["graph_max_degree"], window_size=settings["window_size"]
        )
        self._index = svs.Vamana.build(graph, codes, self._distance, threads)
        path.unlink()

    def save(self, folder: Path) -> None:
        """Three folders."""
        self._index.save(*(str(folder / part) for part in PARTS))

    def open(self, folder: Path) -> None:
        """Reads them."""
        config, graph, data = (str(folder / part) for part in PARTS)
        self._index = svs.Vamana(
            config, svs.GraphLoader(graph), svs.LVQLoader(data), self._distance, num_threads=1
        )

    def set_effort(self, effort: Any) -> None:
        """The search's window."""
        self._index.search_window_size = effort

    def search(self, query: Any) -> Any:
        """Row numbers and distances."""
        return self._index.search(query, K)

    def numbers(self, found: Any) -> RowNumbers:
        """The first of the two."""
        return flat_numbers(found[0])

    def empty_call(self) -> Any:
        """A C++ getter through pybind11."""
        return self._index.size

    def search_all(self, queries: Vectors) -> RowNumbers | None:
        """One call."""
        return self.numbers(self._index.search(queries, K)).reshape(-1, K)


def _write_fvecs(path: Path, base: Vectors) -> None:
    """Rows as their length, a little-endian int32, and their components."""
    rows = np.empty((len(base), base.shape[1] + 1), np.float32)
    rows[:, 0] = np.array([base.shape[1]], np.int32).view(np.float32)
    rows[:, 1:] = base
    rows.tofile(path)

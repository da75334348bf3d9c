"""Ours: the graph of HNSW collections. Searches are asked for a recall, not for an effort.

What a recall takes is learnt when the graph is built, from rows of the base that are held out for
it; the queries of the measurement have no part in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from contenders import native
from contenders.contender import Contender, K, RowNumbers, Shape, Vectors, flat_numbers

FILE = "graph.axis"


class ProximaDbGraph(Contender):
    """The default, lean."""

    name = "proximadb"
    distribution = ""
    build_settings: ClassVar[dict[str, Any]] = {"memory": "lean"}
    efforts = (0.80, 0.85, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999)

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._native = native.load()  # like the peers' libraries, before memory is looked at
        self._graph: Any = None
        self._recall = 0.0

    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """In one go, calibration included."""
        memory = self.build_settings["memory"]
        self._graph = self._native.Graph.build(base, self.shape.metric, memory, threads)

    def save(self, folder: Path) -> None:
        """One file."""
        self._graph.save(str(folder / FILE))

    def open(self, folder: Path) -> None:
        """Reads it."""
        memory = self.build_settings["memory"]
        self._graph = self._native.Graph.open(
            str(folder / FILE), self.shape.dims, self.shape.metric, memory
        )

    def set_effort(self, effort: Any) -> None:
        """The recall to aim at."""
        self._recall = effort

    def prepare(self, query: Vectors) -> Any:
        """A vector of its own."""
        return np.ascontiguousarray(query)

    def search(self, query: Any) -> Any:
        """Labels and distances."""
        return self._graph.search(query, K, self._recall)

    def numbers(self, found: Any) -> RowNumbers:
        """Labels are row numbers."""
        return flat_numbers(found[0])

    def empty_call(self) -> Any:
        """Nothing but the length, as the peers' getters."""
        return len(self._graph)

    def noop(self, query: Any) -> Any:
        """All of a search's call but the search."""
        return self._graph.noop(query, K, self._recall)


class ProximaDbFast(ProximaDbGraph):
    """With more memory, for recalls of 0.99 and above."""

    name = "proximadb-fast"
    build_settings: ClassVar[dict[str, Any]] = {"memory": "fast"}

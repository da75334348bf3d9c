"""Qdrant Edge: a shard in process with HNSW over int8 codes, re-ranked by float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import qdrant_edge as qdrant

from contenders.contender import Contender, K, RowNumbers, Shape, Vectors, flat_numbers

FOLDER = "shard"
BATCH_ROWS = 1_000
INDEXED_FROM_KB = 1_000
ONE_SEGMENT_KB = 1 << 30


class QdrantEdgeHnsw(Contender):
    """m 16 and ef_construct 100, one segment."""

    name = "qdrant-edge"
    distribution = "qdrant-edge-py"
    build_settings: ClassVar[dict[str, Any]] = {
        "m": 16,
        "ef_construct": 100,
        "codes": "int8",
        "segments": 1,
    }
    efforts = (10, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 170, 220, 300, 400, 600, 800)
    saves_itself = True

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._shard: Any = None
        self._parameters: Any = None

    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """Upserts all rows, then optimizes, which builds the graph."""
        path = folder / FOLDER
        path.mkdir()
        shard = qdrant.EdgeShard.create(str(path), self._config(threads))
        for first in range(0, len(base), BATCH_ROWS):
            rows = enumerate(base[first : first + BATCH_ROWS], first)
            points = [qdrant.Point(number, row.tolist()) for number, row in rows]
            shard.update(qdrant.UpdateOperation.upsert_points(points))
        shard.optimize()
        shard.flush()
        shard.close()

    def _config(self, threads: int) -> Any:
        settings = self.build_settings
        euclid, dot = qdrant.Distance.Euclid, qdrant.Distance.Dot
        return qdrant.EdgeConfig(
            vectors=qdrant.EdgeVectorParams(
                self.shape.dims, euclid if self.shape.metric == "l2" else dot
            ),
            hnsw_config=qdrant.HnswIndexConfig(
                settings["m"], settings["ef_construct"], 10, max_indexing_threads=threads
            ),
            quantization_config=qdrant.ScalarQuantizationConfig(
                qdrant.ScalarType.Int8, quantile=0.99, always_ram=True
            ),
            optimizers=qdrant.EdgeOptimizersConfig(
                default_segment_number=1,
                max_segment_size=ONE_SEGMENT_KB,
                indexing_threshold=INDEXED_FROM_KB,
            ),
            max_search_threads=1,
        )

    def open(self, folder: Path) -> None:
        """Loads the shard."""
        self._shard = qdrant.EdgeShard.load(str(folder / FOLDER), self._config(1))

    def set_effort(self, effort: Any) -> None:
        """The search's ef."""
        self._parameters = qdrant.SearchParams(
            hnsw_ef=effort, quantization=qdrant.QuantizationSearchParams(rescore=True)
        )

    def prepare(self, query: Vectors) -> Any:
        """The query as a list, as its users have it."""
        return qdrant.Query.Nearest(query.tolist())

    def search(self, query: Any) -> Any:
        """Scored points."""
        return self._shard.search(qdrant.SearchRequest(query, K, params=self._parameters))

    def numbers(self, found: Any) -> RowNumbers:
        """Ids are row numbers."""
        return flat_numbers([point.id for point in found])

    def empty_call(self) -> Any:
        """Counts all points, which it knows."""
        return self._shard.count(qdrant.CountRequest())

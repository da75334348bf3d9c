"""zvec: a collection in process with HNSW over int8 codes, which are all that it searches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import zvec

from contenders.contender import Contender, K, RowNumbers, Shape, Vectors, flat_numbers

FOLDER = "collection"
FIELD = "embedding"
BATCH_ROWS = 1_000


class ZvecHnsw(Contender):
    """m 16 and ef_construction 100."""

    name = "zvec"
    distribution = "zvec"
    build_settings: ClassVar[dict[str, Any]] = {
        "m": 16,
        "ef_construction": 100,
        "quantize_type": "INT8",
    }
    efforts = (10, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 170, 220, 300, 400, 600, 800)
    saves_itself = True

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._collection: Any = None
        self._parameters: Any = None

    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """Inserts all rows, then optimizes, which builds the graph."""
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1, optimize_threads=threads)
        settings = self.build_settings
        metric = zvec.MetricType.L2 if self.shape.metric == "l2" else zvec.MetricType.IP
        index = zvec.HnswIndexParam(
            metric_type=metric,
            m=settings["m"],
            ef_construction=settings["ef_construction"],
            quantize_type=getattr(zvec.QuantizeType, settings["quantize_type"]),
        )
        vector = zvec.VectorSchema(
            FIELD, zvec.DataType.VECTOR_FP32, self.shape.dims, index_param=index
        )
        schema = zvec.CollectionSchema(name="rows", vectors=[vector])
        collection = zvec.create_and_open(path=str(folder / FOLDER), schema=schema)
        for first in range(0, len(base), BATCH_ROWS):
            rows = enumerate(base[first : first + BATCH_ROWS], first)
            collection.insert(
                [zvec.Doc(id=str(number), vectors={FIELD: row.tolist()}) for number, row in rows]
            )
        collection.optimize(zvec.OptimizeOption(concurrency=threads))
        collection.flush()
        collection.close()

    def open(self, folder: Path) -> None:
        """Opens the collection for reading."""
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1, optimize_threads=1)
        option = zvec.CollectionOption(read_only=True, enable_mmap=True)
        self._collection = zvec.open(str(folder / FOLDER), option)

    def set_effort(self, effort: Any) -> None:
        """The search's ef."""
        self._parameters = zvec.HnswQueryParam(ef=effort)

    def prepare(self, query: Vectors) -> Any:
        """A query object, as its users make it."""
        return query.tolist()

    def search(self, query: Any) -> Any:
        """Documents."""
        return self._collection.query(
            zvec.VectorQuery(FIELD, vector=query, param=self._parameters), topk=K
        )

    def numbers(self, found: Any) -> RowNumbers:
        """Ids are row numbers."""
        return flat_numbers([int(document.id) for document in found])

    def empty_call(self) -> Any:
        """A getter of the Python class around the binding."""
        return self._collection.path

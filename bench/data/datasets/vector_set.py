"""The files of a set of vectors, and the exact nearest neighbours of its queries.

    NAME.base.npy    float32 [rows, dims]     the vectors to index
    NAME.query.npy   float32 [queries, dims]  held-out vectors to search for
    NAME.gt.npy      int32   [queries, 100]   row indexes of the exact nearest, nearest first
    NAME.gtd.npy     float32 [queries, 100]   their squared L2 distance, or inner product for cosine
    NAME.json        rows, dims, metric, seed, sources, versions of the libraries

NAME is the set's, with -ROWS behind it when the number of rows is not its default one, so that a
small run never overwrites a full set. What a stopped run has finished is in parts/NAME and used by
the next one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from datasets.work import SEED, BlockStore, log, save_array, save_facts

Vectors = npt.NDArray[np.float32]

NEIGHBOUR_COUNT = 100
QUERIES_PER_BLOCK = 500
SHORTEST_NORM = 1e-12
ROWS_PER_QUERY = 10


@dataclass(frozen=True)
class SetKind:
    """What is fixed about a set."""

    name: str
    metric: str  # "cosine" or "l2"
    default_rows: int
    most_queries: int


def normalise(vectors: npt.NDArray[Any]) -> Vectors:
    """Rows scaled to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = (vectors / np.maximum(lengths, SHORTEST_NORM)).astype(np.float32)
    return scaled


class VectorSet:
    """One set of a given size in the folder `out`."""

    def __init__(self, kind: SetKind, out: Path, rows: int) -> None:
        self.name = kind.name if rows == kind.default_rows else f"{kind.name}-{rows}"
        self.rows = rows
        self.query_count = min(kind.most_queries, rows // ROWS_PER_QUERY)
        self.blocks = BlockStore(out / "parts" / self.name)
        self._metric = kind.metric
        self._out = out

    def file(self, ending: str) -> Path:
        """The path of one of the set's files."""
        return self._out / f"{self.name}.{ending}"

    def has_vectors(self) -> bool:
        """Whether an earlier run has saved them."""
        return self.file("base.npy").exists() and self.file("query.npy").exists()

    def save(self, base: Vectors, query: Vectors, sources: Iterable[str]) -> None:
        """Saves the vectors and what is known of them; the base last, as its file says "done"."""
        self.file("gt.npy").unlink(missing_ok=True)
        facts: dict[str, object] = {
            "name": self.name,
            "rows": len(base),
            "queries": len(query),
            "dims": base.shape[1],
            "metric": self._metric,
            "seed": SEED,
        }
        save_facts(self.file("json"), facts, sources)
        save_array(self.file("query.npy"), np.ascontiguousarray(query, np.float32))
        save_array(self.file("base.npy"), np.ascontiguousarray(base, np.float32))

    def finish(self, workers: int) -> None:
        """Adds the ground truth, where there is none yet, and drops the kept blocks."""
        base, query = np.load(self.file("base.npy")), np.load(self.file("query.npy"))
        if not self.file("gt.npy").exists():
            faiss.omp_set_num_threads(workers)
            distances, neighbours = self._ground_truth(base, query)
            save_array(self.file("gtd.npy"), distances)
            save_array(self.file("gt.npy"), neighbours)
        self.blocks.remove()
        log(f"{self.name}: base {base.shape}, queries {query.shape}, {self._metric}")

    def _ground_truth(self, base: Vectors, query: Vectors) -> tuple[Vectors, npt.NDArray[np.int32]]:
        """Distances and row indexes of the nearest to each query, by comparing with every row."""
        metric = faiss.METRIC_L2 if self._metric == "l2" else faiss.METRIC_INNER_PRODUCT
        count = min(NEIGHBOUR_COUNT, len(base))
        content = zlib.crc32(query.data, zlib.crc32(base.data))

        def nearest(first: int) -> list[npt.NDArray[Any]]:
            block = query[first : first + QUERIES_PER_BLOCK]
            key = f"nearest {content:08x} {first}".encode()
            found = self.blocks.get(key, lambda: faiss.knn(block, base, count, metric))
            log(f"nearest neighbours of {first + len(block)} of {len(query)} queries")
            return found

        found = [nearest(first) for first in range(0, len(query), QUERIES_PER_BLOCK)]
        distances, neighbours = (np.concatenate(part) for part in zip(*found, strict=True))
        return distances.astype(np.float32), neighbours.astype(np.int32)

"""faiss: IVF with 4-bit product codes scanned by FastScan and re-ranked, and HNSW over float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import faiss

from contenders.contender import Contender, K, RowNumbers, Shape, Vectors, flat_numbers

FILE = "index.faiss"
LISTS_LARGE, LISTS_SMALL = 2_048, 512
LARGE_ROWS = 500_000
DIMS_PER_CODE = 2


class FaissIndex(Contender):
    """What both have in common."""

    distribution = "faiss-cpu"

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._index: Any = None
        self._parameters: Any = None

    def _factory(self) -> str:
        raise NotImplementedError

    def _construct(self) -> None:
        metric = faiss.METRIC_L2 if self.shape.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self._index = faiss.index_factory(self.shape.dims, self._factory(), metric)

    def build(self, base: Vectors, folder: Path, threads: int) -> None:
        """Trains and adds."""
        faiss.omp_set_num_threads(threads)
        self._construct()
        self._index.train(base)
        self._index.add(base)

    def save(self, folder: Path) -> None:
        """One file."""
        faiss.write_index(self._index, str(folder / FILE))

    def open(self, folder: Path) -> None:
        """Reads it."""
        faiss.omp_set_num_threads(1)
        self._index = faiss.read_index(str(folder / FILE))

    def search(self, query: Any) -> Any:
        """Distances and row numbers."""
        return self._index.search(query, K, params=self._parameters)

    def numbers(self, found: Any) -> RowNumbers:
        """The second of the two."""
        return flat_numbers(found[1])

    def empty_call(self) -> Any:
        """A C++ getter through SWIG."""
        return self._index.ntotal

    def search_all(self, queries: Vectors) -> RowNumbers | None:
        """One call."""
        return self.numbers(self.search(queries)).reshape(-1, K)


class FaissIvf(FaissIndex):
    """Lists, a code of 4 bits for two dimensions each, and the float32 rows to re-rank with."""

    name = "faiss-ivfpqfs"
    efforts = tuple(
        (probes, factor)
        for factor in (4, 16)
        for probes in (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
    )
    build_settings: ClassVar[dict[str, Any]] = {
        "lists": (LISTS_LARGE, LISTS_SMALL),
        "refine": "RFlat",
    }

    def _factory(self) -> str:
        lists = LISTS_LARGE if self.shape.rows >= LARGE_ROWS else LISTS_SMALL
        return f"IVF{lists},PQ{self.shape.dims // DIMS_PER_CODE}x4fs,RFlat"

    def set_effort(self, effort: Any) -> None:
        """Lists to scan, and how many times K rows are re-ranked."""
        probes, factor = effort
        self._parameters = faiss.IndexRefineSearchParameters(
            k_factor=factor, base_index_params=faiss.SearchParametersIVF(nprobe=probes)
        )


class FaissHnsw(FaissIndex):
    """M 16, which is 32 neighbours on the lowest layer, and ef_construction 100."""

    name = "faiss-hnsw"
    efforts = (10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 170, 220, 300, 400, 600, 800)
    build_settings: ClassVar[dict[str, Any]] = {"M": 16, "ef_construction": 100}

    def _factory(self) -> str:
        return f"HNSW{self.build_settings['M']}"

    def _construct(self) -> None:
        super()._construct()
        self._index.hnsw.efConstruction = self.build_settings["ef_construction"]

    def set_effort(self, effort: Any) -> None:
        """The search's ef."""
        self._parameters = faiss.SearchParametersHNSW(efSearch=effort)

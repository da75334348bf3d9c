"""Loads rows into a Qdrant Edge shard and indexes all of them, for bench/to_indexed.

    index_qdrant_edge.py ROWS.parquet VECTORS.npy QUERIES.npy FOLDER BATCH_ROWS EF

Its write-ahead log is on, as it is by default; the shard is flushed when all rows are in, because a
flush behind each batch is not how it is used. Prints JSON: seconds to the last row, seconds until
all is indexed, the nearest ten of each query, and what was made.
"""

import json
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import qdrant_edge as qdrant

INDEXED_FROM_KB = 10_000
ONE_SEGMENT_KB = 1 << 30
M, EF_CONSTRUCT, FULL_SCAN_KB = 16, 100, 10
K = 10


def make_shard(folder: str, dims: int) -> qdrant.EdgeShard:
    """As large as it gets, with HNSW over int8 codes."""
    config = qdrant.EdgeConfig(
        vectors=qdrant.EdgeVectorParams(dims, qdrant.Distance.Cosine),
        hnsw_config=qdrant.HnswIndexConfig(M, EF_CONSTRUCT, FULL_SCAN_KB),
        quantization_config=qdrant.ScalarQuantizationConfig(
            qdrant.ScalarType.Int8, quantile=0.99, always_ram=True
        ),
        optimizers=qdrant.EdgeOptimizersConfig(
            default_segment_number=1,
            max_segment_size=ONE_SEGMENT_KB,
            indexing_threshold=INDEXED_FROM_KB,
        ),
    )
    Path(folder).mkdir(parents=True, exist_ok=True)
    return qdrant.EdgeShard.create(folder, config)


def load(shard: qdrant.EdgeShard, rows_path: str, vectors: np.ndarray, batch_rows: int) -> None:
    """All rows with all they have; a row's number is its id."""
    table = pq.read_table(rows_path)
    for first in range(0, len(vectors), batch_rows):
        payloads = table.slice(first, batch_rows).to_pylist()
        points = [
            qdrant.Point(first + index, vectors[first + index].tolist(), payload)
            for index, payload in enumerate(payloads)
        ]
        shard.update(qdrant.UpdateOperation.upsert_points(points))
    shard.flush()


def nearest(shard: qdrant.EdgeShard, queries: np.ndarray, ef: int) -> list[list[int]]:
    """Row numbers of the nearest ten."""
    parameters = qdrant.SearchParams(hnsw_ef=ef)
    return [
        [
            point.id
            for point in shard.search(
                qdrant.SearchRequest(qdrant.Query.Nearest(query.tolist()), K, params=parameters)
            )
        ]
        for query in queries
    ]


def main(rows_path: str, vectors_path: str, queries_path: str, folder: str, *numbers: str) -> None:
    """Loads, indexes, asks."""
    batch_rows, ef = map(int, numbers)
    vectors, queries = np.load(vectors_path), np.load(queries_path)
    shard = make_shard(folder, vectors.shape[1])
    began = time.perf_counter()
    load(shard, rows_path, vectors, batch_rows)
    loaded_s = time.perf_counter() - began
    while shard.optimize():
        pass
    indexed_s = time.perf_counter() - began
    print(
        json.dumps(
            {
                "description": f"Qdrant Edge {metadata.version('qdrant-edge-py')}, int8, m {M}, "
                f"ef_construct {EF_CONSTRUCT}",
                "rows": shard.count(qdrant.CountRequest()),
                "loaded_s": loaded_s,
                "indexed_s": indexed_s,
                "nearest": nearest(shard, queries, ef),
            }
        )
    )
    shard.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Loads rows into a LanceDB table with its default vector index, for bench/storage.

    load_lancedb.py ROWS.parquet VECTORS.npy METRIC FOLDER

Prints JSON: what was made, how many rows it has, and which files are the index. The table is
optimised as LanceDB does it when it is asked to, and old versions of it are removed, so that what
is left is what is needed.
"""

import json
import sys
from datetime import timedelta
from importlib import metadata
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 100_000


def main(rows_path: str, vectors_path: str, metric: str, folder: str) -> None:
    """Makes the table `rows` below `folder`."""
    vectors, rows = np.load(vectors_path, mmap_mode="r"), pq.read_table(rows_path)
    table = None
    for first in range(0, len(vectors), BATCH_ROWS):
        flat = np.ascontiguousarray(vectors[first : first + BATCH_ROWS]).ravel()
        column = pa.FixedSizeListArray.from_arrays(pa.array(flat), vectors.shape[1])
        batch = rows.slice(first, BATCH_ROWS).append_column("vector", column)
        if table is None:
            table = lancedb.connect(folder).create_table("rows", batch)
        else:
            table.add(batch)
    table.create_index(metric=metric, vector_column_name="vector")
    table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
    [index] = table.list_indices()
    query = vectors[0]
    hits = table.search(query).limit(1).to_list()
    print(
        json.dumps(
            {
                "description": f"LanceDB {metadata.version('lancedb')}, index {index.index_type}",
                "rows": table.count_rows(),
                "nearest": hits[0]["id"],
                "index_files": [str(path) for path in Path(folder).glob("rows.lance/_indices")],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

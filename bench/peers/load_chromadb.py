"""Loads rows into a Chroma collection, which always has its index, for bench/storage.

    load_chromadb.py ROWS.parquet VECTORS.npy METRIC FOLDER

Prints JSON: what was made, how many rows it has, and which files are the index.
"""

import json
import sys
from importlib import metadata
from pathlib import Path

import chromadb
import numpy as np
import pyarrow.parquet as pq

BATCH_ROWS = 5_000  # Chroma takes 5,461 at most


def main(rows_path: str, vectors_path: str, metric: str, folder: str) -> None:
    """Makes the collection `rows` below `folder`."""
    vectors, rows = np.load(vectors_path, mmap_mode="r"), pq.read_table(rows_path)
    client = chromadb.PersistentClient(
        path=folder, settings=chromadb.Settings(anonymized_telemetry=False)
    )
    collection = client.create_collection("rows", configuration={"hnsw": {"space": metric}})
    for first in range(0, len(vectors), BATCH_ROWS):
        batch = rows.slice(first, BATCH_ROWS)
        fields = batch.select(["source", "category", "words"]).to_pylist()
        collection.add(
            ids=batch["id"].to_pylist(),
            embeddings=np.array(vectors[first : first + BATCH_ROWS]),
            metadatas=fields,
            documents=batch["document"].to_pylist(),
        )
    hits = collection.query(query_embeddings=np.array(vectors[:1]), n_results=1)
    print(
        json.dumps(
            {
                "description": f"Chroma {metadata.version('chromadb')}, index HNSW",
                "rows": collection.count(),
                "nearest": hits["ids"][0][0],
                "index_files": [str(path) for path in Path(folder).iterdir() if path.is_dir()],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

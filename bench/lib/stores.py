"""Other stores of vectors on the same rows, for their bytes on disk.

Each is loaded by a program of bench/peers in a Python of its own, so that what they need keeps away
from what we measure with.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lib.sets import DataSet
from lib.stats import Run
from lib.workspace import ROOT, BenchError, scratch_folder, tree_bytes

STORES = ("lancedb", "chromadb")
PYTHON = ROOT / "build/stores-venv/bin/python"


def load_store(store: str, data: DataSet, parent: Path) -> Run:
    """The store's bytes for the rows, after it has closed. BenchError if it does not have them."""
    if not PYTHON.exists():
        raise BenchError(f"{PYTHON} is missing. Run: tools/setup bench-stores")
    with scratch_folder(parent, store) as scratch:
        folder = scratch / "store"
        folder.mkdir()
        rows, vectors = _write_input(data, scratch)
        program = ROOT / "bench/peers" / f"load_{store}.py"
        command: list[str | Path] = [PYTHON, program, rows, vectors, data.metric, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{store} failed: {done.stderr.strip()[-1000:]}")
        answer = json.loads(done.stdout.splitlines()[-1])
        if answer["rows"] != len(data.rows) or answer["nearest"] != data.rows.ids[0]:
            raise BenchError(f"{store} does not have the rows: {answer}")
        index_bytes = sum(tree_bytes(Path(path)) for path in answer["index_files"])
        return store_run(data, answer["description"], tree_bytes(folder), index_bytes)


def store_run(data: DataSet, description: str, disk_bytes: int, index_bytes: int) -> Run:
    """The line of the table."""
    count = len(data.rows)
    return {
        "set": data.name,
        "store": description,
        "disk_bytes_row": disk_bytes / count,
        "of_raw": disk_bytes / data.raw_bytes,
        "index_bytes_row": index_bytes / count,
        "of_raw_without_index": (disk_bytes - index_bytes) / data.raw_bytes,
    }


def _write_input(data: DataSet, folder: Path) -> tuple[Path, Path]:
    """The rows as files: all but the vectors, and the vectors."""
    rows = data.rows
    columns = {"id": rows.ids, "document": rows.documents}
    for name in rows.metadata[0]:
        columns[name] = [fields[name] for fields in rows.metadata]  # type: ignore[misc]
    paths = folder / "rows.parquet", folder / "vectors.npy"
    pq.write_table(pa.table(columns), paths[0])
    np.save(paths[1], rows.vectors)
    return paths

"""How long rows take to Avro and back, in one thread, beside fastavro if it is installed.

    python benchmarks/codec.py [--rows 1000] [--dimension 384]

A row has a vector, a document of 100 characters and metadata of three keys: a string, a double and
a long. The figures are microseconds a row: the best of 20 runs, and their median.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import string
import time
from functools import partial
from typing import Any, Callable

import numpy as np

from proximadb import _batching, _results, _uuid7, avro
from proximadb._contract import METHODS
from proximadb._rows import InsertRows

RUNS = 20


def measure(name: str, rows: int, function: Callable[[], Any]) -> None:
    spent = []
    for _ in range(RUNS):
        started = time.perf_counter()
        function()
        spent.append((time.perf_counter() - started) / rows * 1e6)
    print(f"{name:<44} {min(spent):8.2f} {statistics.median(spent):8.2f}")


def make_rows(count: int, dimension: int) -> InsertRows:
    dice = random.Random(1)
    letters = string.ascii_letters + " "
    return InsertRows(
        [f"doc-{i:07}" for i in range(count)],
        np.random.default_rng(1).standard_normal((count, dimension)).astype(np.float32),
        [
            {
                "category": dice.choice(["net", "web", "db"]),
                "price": dice.random(),
                "year": 1990 + i,
            }
            for i in range(count)
        ],
        ["".join(dice.choices(letters, k=100)) for _ in range(count)],
        None,
        None,
    )


def as_dicts(rows: InsertRows, **more: Any) -> list[dict[str, Any]]:
    assert rows.metadata is not None and isinstance(rows.documents, list)
    columns = zip(rows.ids, rows.vectors.tolist(), rows.metadata, rows.documents)
    names = ("id", "vector", "metadata", "document")
    return [{**dict(zip(names, row)), "expires_at_ms": None, **more} for row in columns]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--dimension", type=int, default=384)
    options = parser.parse_args()
    count = options.rows
    rows = make_rows(count, options.dimension)
    mixed = InsertRows(**{**rows.__dict__})
    mixed.metadata = [{**row, f"key-{i % 3}": i} for i, row in enumerate(rows.metadata or [])]
    frame = partial(METHODS["VectorInsert"].encode_with_payload, "docs")

    print(f"{count} rows of {options.dimension} floats, microseconds a row: best, median")
    measure("rows to Avro", count, lambda: rows.encode(0, count))
    measure("rows to gRPC messages", count, lambda: list(_batching.messages(rows, frame)))
    measure("rows whose metadata differ to Avro", count, lambda: mixed.encode(0, count))
    measure("ids made", count, lambda: _uuid7.generate(count))
    try:
        import fastavro
    except ImportError:
        return

    def write(name: str, datum: Any) -> bytes:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, schemas[name], datum)
        return buffer.getvalue()

    names = ("VectorBatch", "RecordBatch", "SearchResult")
    schemas = {n: fastavro.parse_schema(json.loads(avro.schema_text(n))) for n in names}
    batch = {"request_id": bytes(16), "records": as_dicts(rows, timestamp_ms=None)}
    measure("rows to Avro, fastavro", count, lambda: write("VectorBatch", batch))

    stored = as_dicts(rows, version=1000, timestamp_ms=1_700_000_000_000, score=0.5, distance=0.5)
    page = avro.header("RecordBatch") + write("RecordBatch", {"records": stored, "cursor": None})
    measure("records with vectors from Avro", count, lambda: _results.decode_record_batch(page))
    hits = [{**row, "vector": None} for row in stored]
    found = avro.header("SearchResult") + write("SearchResult", {"results": [hits]})
    measure("hits without vectors from Avro", count, lambda: _results.decode_search_result(found))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""seeds_table: writes the seeds of fuzz_table: tiny files of pyarrow, DuckDB, polars and NumPy, in all encodings, codecs and
page versions that are read.

    seeds_table.py
"""
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).resolve().parent / "corpus/fuzz_table"
FOLDER.mkdir(parents=True, exist_ok=True)
VECTOR = pa.list_(pa.float32())
COLUMNS = {
    "vector": pa.array([[1.0, 2.0], None, [], [3.0, None], [4.0] * 9], VECTOR),
    "doubles": pa.array([[1.0, -2.0]] * 5, pa.list_(pa.float64(), 2)),
    "text": pa.array(["abc", None, "", "abcd", "abd"]),
    "tags": pa.array([["a", ""], None, [], ["b", None], ["c"] * 5], pa.list_(pa.string())),
    "long": pa.array([1, None, -5, 2**62, 7], pa.int64()),
    "small": pa.array([1, None, 255, 3, 4], pa.uint8()),
    "real": pa.array([0.5, None, 1e300, -0.0, 2.0], pa.float64()),
    "flag": pa.array([True, None, False, True, True]),
    "half": pa.array(np.arange(5, dtype=np.float16)),
    "time": pa.array([0, 1, None, 3, 4], pa.timestamp("us", "UTC")),
    "fixed": pa.array([b"ab"] * 5, pa.binary(2)),
    "nested": pa.array([{"a": 1}] * 5),
}
DELTA = {"text": "DELTA_BYTE_ARRAY", "tags.list.element": "DELTA_LENGTH_BYTE_ARRAY", "long": "DELTA_BINARY_PACKED",
         "small": "DELTA_BINARY_PACKED", "vector.list.element": "BYTE_STREAM_SPLIT", "real": "BYTE_STREAM_SPLIT", "flag": "RLE"}


def write(name, columns, **settings):
    table = pa.table({column: COLUMNS[column] for column in columns})
    pq.write_table(table, FOLDER / f"{name}.parquet", store_schema=False, **{"compression": "none", **settings})


write("all", COLUMNS, compression="snappy")
for column in COLUMNS:
    write(f"dictionary_{column}", [column])
    write(f"plain_{column}", [column], use_dictionary=False, data_page_version="2.0")
write("delta", [name.split(".")[0] for name in DELTA], use_dictionary=False, column_encoding=DELTA)
write("pages", ["vector", "tags", "text"], data_page_size=1, write_batch_size=1, use_dictionary=False)
for codec in ("snappy", "gzip", "zstd"):
    write(f"codec_{codec}", ["text", "vector"], compression=codec, data_page_version="2.0" if codec == "gzip" else "1.0")
given = pa.table({name: COLUMNS[name] for name in ("vector", "text", "long", "tags")})
pl.from_arrow(given).write_parquet(FOLDER / "polars.parquet")
connection = duckdb.connect()
connection.register("given", given)
connection.execute(f"COPY given TO '{FOLDER}/duckdb.parquet' (FORMAT parquet, PARQUET_VERSION V2)")
for kind in (np.float16, np.float32, np.float64):
    np.save(FOLDER / f"{np.dtype(kind).name}.npy", np.arange(6, dtype=kind).reshape(2, 3))

#!/usr/bin/env python3
"""seeds_table: writes the seeds of fuzz_table: tiny files of pyarrow, DuckDB, polars and NumPy, in all encodings, codecs and
page versions that are read.

    seeds_table.py
"""
import struct
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


# ---- footers that no writer makes: fields of Thrift that come twice, or in another order ----

def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number, kind, value):
    """Kinds: 5 and 6 integers, 8 text, 9 a list of structs, 12 a struct, which ends with a zero."""
    head = bytes([kind]) + varint(2 * number)
    if kind == 8:
        return head + varint(len(value)) + value
    if kind == 9:
        return head + bytes([0xFC]) + varint(len(value)) + b"".join(item + b"\0" for item in value)
    return head + (value + b"\0" if kind == 12 else varint(2 * value))


def schema(leaf_count):
    leaves = [field(1, 5, 1) + field(3, 5, 0) + field(4, 8, b"c%d" % i) for i in range(leaf_count)]
    return field(2, 9, [field(4, 8, b"r") + field(5, 5, leaf_count), *leaves])


def groups(chunk_count):
    meta = field(1, 5, 1) + field(4, 5, 0) + field(5, 6, 1) + field(7, 6, 8) + field(9, 6, 4)
    return field(4, 9, [field(1, 9, [field(3, 12, meta)] * chunk_count) + field(3, 6, 1)])


def write_footer(name, *fields):
    footer = b"".join(fields) + b"\0"
    (FOLDER / f"{name}.parquet").write_bytes(b"PAR1" + bytes(8) + footer + struct.pack("<I", len(footer)) + b"PAR1")


ONE_ROW = field(3, 6, 1)
write_footer("footer_one_schema", schema(1), ONE_ROW, groups(1))
write_footer("footer_two_schemas", schema(1), ONE_ROW, groups(1), schema(40))
write_footer("footer_two_groups", schema(2), ONE_ROW, groups(2), groups(2))
write_footer("footer_schema_last", ONE_ROW, groups(0), schema(40))

#!/usr/bin/env python3
"""seeds_parquet: writes the seeds of fuzz_parquet: tiny files of our own, and tiny files of pyarrow, which have no
checksums, so that changes reach what is behind them.

    seeds_parquet.py PARQUET_TOOL
"""
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).resolve().parent / "corpus/fuzz_parquet"
OURS = ["empty", "vector", "ids", "text", "lists", "numbers", "codes", "compressed_codes", "streams"]
ELEMENT = pa.field("element", pa.float32(), nullable=False)
STRING = pa.field("element", pa.string(), nullable=False)
FOREIGN = {
    "strings": ([["a", ""], None, [], ["b"]], pa.field("s", pa.list_(STRING)), "NONE"),
    "text": (["abc", None, ""], pa.field("t", pa.string()), "NONE"),
    "zstd": (["abc" * 20, None, "abc" * 9], pa.field("z", pa.string()), "ZSTD"),
    "integers": ([7, None, -1, 2], pa.field("i", pa.int32()), "NONE"),
    "doubles": ([1.5, float("nan")], pa.field("d", pa.float64(), nullable=False), "NONE"),
    "flags": ([True, None, False], pa.field("b", pa.bool_()), "NONE"),
}



def write(name, table, compression, **options):
    pq.write_table(table, FOLDER / f"foreign_{name}.parquet", write_page_index=True, compression=compression,
                   store_schema=False, **{"use_dictionary": False, **options})


def write_coded_vectors():
    vectors = pa.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]] * 4, pa.list_(ELEMENT))
    table = pa.table([vectors], schema=pa.schema([pa.field("v", vectors.type, nullable=False)]))
    write("split_vector", table, "NONE", column_encoding={"v.list.element": "BYTE_STREAM_SPLIT"})
    write("split_zstd_vector", table, "ZSTD", column_encoding={"v.list.element": "BYTE_STREAM_SPLIT"})
    write("dictionary_vector", table, "NONE", use_dictionary=True)


def write_aligned_vectors():
    """Plain vectors are read in place where they are aligned: a text of one byte in front of them aligns these."""
    text = pa.array(["x"] * 2, pa.string())
    vectors = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(ELEMENT))
    schema = pa.schema([pa.field("t", pa.string(), nullable=False), pa.field("v", vectors.type, nullable=False)])
    write("vector", pa.table([text, vectors], schema=schema), "NONE")


FOLDER.mkdir(parents=True, exist_ok=True)
for kind in OURS:
    subprocess.run([sys.argv[1], "seed", FOLDER / f"{kind}.parquet", kind], check=True)
for name, (values, field, compression) in FOREIGN.items():
    write(name, pa.table([pa.array(values, field.type)], schema=pa.schema([field])), compression)
write_aligned_vectors()
write_coded_vectors()

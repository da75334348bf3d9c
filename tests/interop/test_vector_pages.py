"""Goal: pyarrow, DuckDB and polars read vectors bit for bit, however they are written: codes of every width, pages that end
anywhere, dictionaries of 1 to 65,536 values, compressed or not, and split by bytes; and our reader reads such vectors of
pyarrow, or refuses them by name. Method: tests/tools/vector_tool writes files from arrays; what readers give is compared by
its bits.

    cmake --build BUILD --target vector_tool && PX_BUILD=BUILD pytest tests/interop/test_vector_pages.py
"""
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
duckdb = pytest.importorskip("duckdb")
pl = pytest.importorskip("polars")

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")) / "tests/vector_tool"


def tool(*args, check=True):
    if not TOOL.exists():
        pytest.skip(f"{TOOL} is not built")
    return subprocess.run([TOOL, *map(str, args)], check=check, capture_output=True, text=True)


def write(folder, bits, encoding, most_row_bytes=0, group_rows=0):
    """A file of the rows of `bits`, an array of uint32."""
    bits.tofile(folder / "floats")
    path = folder / "vectors.parquet"
    tool("write", path, bits.shape[1], folder / "floats", encoding, most_row_bytes, group_rows)
    return path


def bits_of(column, dim):
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False).view(np.uint32).reshape(-1, dim)


def check(path, bits):
    dim = bits.shape[1]
    table = pq.ParquetFile(path, page_checksum_verification=True).read()
    assert pa.types.is_fixed_size_list(table["vector"].type)
    assert np.array_equal(bits_of(table["vector"], dim), bits), "pyarrow"
    found = duckdb.connect().sql(f"select vector from read_parquet('{path}')").to_arrow_table()
    assert np.array_equal(bits_of(found["vector"], dim), bits), "duckdb"
    frame = pl.read_parquet(path)
    assert frame.schema["vector"] == pl.Array(pl.Float32, dim)
    assert np.array_equal(bits_of(frame.to_arrow()["vector"], dim), bits), "polars"
    for first in {0, len(bits) // 2, len(bits) - 1}:  # by way of the offset index
        part = pl.scan_parquet(path).slice(first, 3).collect().to_arrow()["vector"]
        assert np.array_equal(bits_of(part, dim), bits[first:first + 3]), "polars, a slice"
    tool("read", path, path.with_suffix(".f32"))
    assert np.array_equal(np.fromfile(path.with_suffix(".f32"), np.uint32).reshape(-1, dim), bits), "our own reader"


def palette(count):
    """Bits of distinct floats: both zeros first, no NaN (duckdb and polars make one NaN of all)."""
    numbers = np.concatenate([[0x80000000, 0], 0x3f800000 + np.arange(count, dtype=np.uint64) * 37])
    return numbers[:count].astype(np.uint32)


def chunk_of(path, group=0):
    return pq.read_metadata(path).row_group(group).column(0)


def skewed(generator, shape, count):
    """Numbers below count; half of the rows have none but those of the first eighth."""
    numbers = generator.integers(0, count, shape)
    few = generator.integers(0, max(1, count // 8), shape)
    return np.where(generator.random((shape[0], 1)) < 0.5, few, numbers)


@pytest.mark.parametrize("width", range(17))
def test_codes_of_every_width_are_read(width, tmp_path):
    generator = np.random.default_rng(width)
    numbers = skewed(generator, (400, 200), 2 ** width)
    numbers.ravel()[-2 ** width:] = np.arange(2 ** width)
    bits = palette(2 ** width)[numbers]
    path = write(tmp_path, bits, "DICTIONARY")
    assert "RLE_DICTIONARY" in chunk_of(path).encodings and chunk_of(path).has_dictionary_page
    check(path, bits)


@pytest.mark.parametrize("encoding", ["DICTIONARY", "SPLIT"])
@pytest.mark.parametrize("rows, dim, group_rows", [
    (1, 1, 0), (1, 384, 0), (7, 3, 0), (3000, 1, 0), (2500, 7, 1100), (500, 8, 0), (200, 39, 0), (200, 40, 64), (70, 384, 0),
    (64, 384, 0), (65, 384, 0), (300, 1025, 100), (3, 65536, 0)], ids=str)
def test_vectors_of_every_shape_are_read(rows, dim, group_rows, encoding, tmp_path):
    bits = palette(900)[skewed(np.random.default_rng(rows * dim), (rows, dim), 900)]
    check(write(tmp_path, bits, encoding, group_rows=group_rows), bits)


def test_compressed_codes_are_read(tmp_path):
    generator = np.random.default_rng(5)
    bits = palette(256)[generator.integers(0, 256, (4, 1000, 100)).min(axis=0)]
    path = write(tmp_path, bits, "DICTIONARY", most_row_bytes=50, group_rows=300)
    assert chunk_of(path).compression == "ZSTD" and "RLE_DICTIONARY" in chunk_of(path).encodings
    check(path, bits)


def test_exact_bytes_are_compressed_codes(tmp_path):
    rows = np.random.default_rng(8).integers(0, 200, (4, 1000, 128)).min(axis=0).astype(np.float32)
    path = write(tmp_path, rows.view(np.uint32), "SMALLEST", group_rows=300)
    assert chunk_of(path).compression == "ZSTD" and "RLE_DICTIONARY" in chunk_of(path).encodings
    assert rows.nbytes >= 4.2 * chunk_of(path).total_compressed_size
    check(path, rows.view(np.uint32))


def test_half_precision_is_split_and_halved(tmp_path):
    rows = np.random.default_rng(6).normal(size=(2000, 384)).astype(np.float16).astype(np.float32)
    path = write(tmp_path, rows.view(np.uint32), "SMALLEST")
    assert "BYTE_STREAM_SPLIT" in chunk_of(path).encodings and chunk_of(path).compression == "ZSTD"
    assert rows.nbytes >= 2 * chunk_of(path).total_compressed_size
    check(path, rows.view(np.uint32))


def test_too_many_values_for_a_dictionary_are_split(tmp_path):
    rows = np.random.default_rng(7).normal(size=(500, 384)).astype(np.float32)
    path = write(tmp_path, rows.view(np.uint32), "DICTIONARY")
    assert "BYTE_STREAM_SPLIT" in chunk_of(path).encodings
    check(path, rows.view(np.uint32))


VECTORS = pa.list_(pa.field("element", pa.float32(), nullable=False))


def write_foreign(path, rows, **options):
    schema = pa.schema([pa.field("vector", VECTORS, nullable=False)])
    table = pa.table([pa.array(list(rows), VECTORS)], schema=schema)
    pq.write_table(table, path, write_page_index=True, **{"compression": "NONE", "use_dictionary": False, **options})


@pytest.mark.parametrize("options", [
    {}, {"compression": "ZSTD"}, {"column_encoding": {"vector.list.element": "BYTE_STREAM_SPLIT"}},
    {"column_encoding": {"vector.list.element": "BYTE_STREAM_SPLIT"}, "compression": "ZSTD", "data_page_size": 5000},
], ids=str)
def test_our_reader_reads_vectors_of_pyarrow(options, tmp_path):
    rows = np.random.default_rng(8).normal(size=(1000, 24)).astype(np.float32)
    write_foreign(tmp_path / "foreign.parquet", rows, **options)
    tool("read", tmp_path / "foreign.parquet", tmp_path / "found")
    assert np.array_equal(np.fromfile(tmp_path / "found", np.float32).reshape(rows.shape), rows)


def test_our_reader_refuses_other_runs_by_name(tmp_path):
    write_foreign(tmp_path / "foreign.parquet", np.zeros((1000, 24), np.float32), use_dictionary=True)
    result = tool("read", tmp_path / "foreign.parquet", tmp_path / "found", check=False)
    assert result.returncode == 1 and "UNIMPLEMENTED" in result.stderr
    assert "column 'vector', page 0 at offset" in result.stderr and "not one bit-packed run" in result.stderr

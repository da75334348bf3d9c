"""Goal: pyarrow, DuckDB and polars read every value of our Parquet files exactly, see vectors as fixed-size lists, and can
trust statistics, page indexes, bloom filters and checksums; our reader reads plain files of pyarrow and refuses others by name.
Method: tests/tools/parquet_tool writes files of sample rows, awkward on purpose, and says what is in them; floating point
numbers are compared by their bits.

    cmake --build BUILD --target parquet_tool && PX_BUILD=BUILD pytest tests/interop/test_parquet_readers.py
"""
import base64
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pc = pytest.importorskip("pyarrow.compute")
pq = pytest.importorskip("pyarrow.parquet")
duckdb = pytest.importorskip("duckdb")
pl = pytest.importorskip("polars")

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")) / "tests/parquet_tool"
# seed, rows, dimensions, rows a row group (0: one row group), how vectors are written
CASES = [(1, 0, 3, 0, "PLAIN"), (2, 1, 1, 0, "PLAIN"), (3, 1025, 16, 0, "PLAIN"), (4, 2500, 384, 0, "PLAIN"),
         (5, 700, 7, 100, "PLAIN"), (6, 9, 65536, 0, "PLAIN"), (7, 300, 2, 64, "PLAIN"), (8, 1025, 16, 300, "DICTIONARY"),
         (9, 1025, 16, 300, "SPLIT"), (10, 0, 3, 0, "SMALLEST"), (11, 900, 384, 0, "DICTIONARY")]
COLUMNS = ["id", "version", "timestamp", "document", "metadata", "m_tags", "m_flag", "m_small", "m_ratio", "m_price", "m_blob"]
FIELD_IDS = {"id": 1, "version": 2, "vector": 3, "timestamp": 5, "document": 7, "metadata": 8, "m_tags": 100, "m_flag": 102,
             "m_small": 103, "m_ratio": 104, "m_price": 105, "m_blob": 106}
BOUNDED = ["id", "version", "timestamp", "document", "m_flag", "m_small", "m_ratio", "m_price"]


def tool(*args, check=True):
    if not TOOL.exists():
        pytest.skip(f"{TOOL} is not built")
    return subprocess.run([TOOL, *map(str, args)], check=check, capture_output=True, text=True)


class Sample:
    """A file that was written, and what is in it."""

    def __init__(self, folder, seed, rows, dim, group_rows, encoding):
        self.path = folder / f"{seed}.parquet"
        self.rows, self.dim, self.group_rows = rows, dim, group_rows
        self.written = json.loads(tool("write", self.path, seed, rows, dim, group_rows, encoding).stdout)
        lines = tool("expect", seed, rows, dim, folder / f"{seed}.f32").stdout.splitlines()
        values = [json.loads(line) for line in lines]
        self.expected = {name: [row[i] for row in values] for i, name in enumerate(COLUMNS)}
        self.vectors = np.fromfile(folder / f"{seed}.f32", np.uint32).reshape(rows, dim)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[1]}x{case[2]}-{case[4]}")
def sample(request, tmp_path_factory):
    return Sample(tmp_path_factory.mktemp("parquet"), *request.param)


def plain_values(name, column):
    """An Arrow column as parquet_tool shows it."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if name in ("m_ratio", "m_price"):
        bits, size = (np.uint32, np.float32) if name == "m_ratio" else (np.uint64, np.float64)
        numbers = array.fill_null(0).to_numpy(zero_copy_only=False).astype(size, copy=False).view(bits)
        return [int(number) if valid else None for number, valid in zip(numbers, array.is_valid().to_pylist())]
    if name == "timestamp":
        return array.cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_pylist()
    if name == "m_blob":
        return [None if value is None else base64.b64encode(value).decode() for value in array.to_pylist()]
    return array.to_pylist()


def vector_bits(column, dim):
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False).view(np.uint32).reshape(-1, dim)


def check_table(sample, table):
    assert table.num_rows == sample.rows
    for name in COLUMNS:
        assert plain_values(name, table[name]) == sample.expected[name], name
    assert np.array_equal(vector_bits(table["vector"], sample.dim), sample.vectors)


def test_the_tool_reports_the_size(sample):
    assert sample.path.stat().st_size == sample.written["size_bytes"]
    assert sample.written["row_count"] == sample.rows


def test_our_reader_verifies_the_file(sample):
    pages = json.loads(tool("verify", sample.path).stdout)["page_count"]
    lines = [json.loads(line) for line in tool("describe", sample.path).stdout.splitlines()]
    assert sum(line["kind"] == "page" for line in lines) == pages


def test_pyarrow_reads_every_value(sample):
    check_table(sample, pq.ParquetFile(sample.path, page_checksum_verification=True).read())


def test_pyarrow_sees_types(sample):
    schema = pq.read_schema(sample.path)
    vector = schema.field("vector")
    assert pa.types.is_fixed_size_list(vector.type) and vector.type.list_size == sample.dim
    assert vector.type.value_type == pa.float32() and not vector.nullable
    assert schema.field("timestamp").type == pa.timestamp("ms", "UTC")
    assert schema.field("m_tags").type.value_type == pa.string()
    assert not schema.field("id").nullable and schema.field("document").nullable
    assert {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in schema} == FIELD_IDS
    element = vector.type.field(0)
    assert int(element.metadata[b"PARQUET:field_id"]) == 4 and not element.nullable


def test_pyarrow_sees_what_wrote_the_file(sample):
    metadata = pq.read_metadata(sample.path)
    assert metadata.created_by.startswith("proximadb version ")
    assert metadata.metadata[b"proximadb.test"].decode() == 'ä "quoted"'
    groups = -(-sample.rows // sample.group_rows) if sample.group_rows else min(sample.rows, 1)
    assert metadata.num_row_groups == groups


def bounds_of(name, values):
    """What min and max must enclose: NaN has no order."""
    if name in ("m_ratio", "m_price"):
        bits, size = (np.uint32, np.float32) if name == "m_ratio" else (np.uint64, np.float64)
        return [float(value) for value in np.array(values, bits).view(size) if value == value]
    return [value.encode() if isinstance(value, str) else value for value in values]


def test_pyarrow_sees_statistics(sample):
    metadata = pq.read_metadata(sample.path)
    row = 0
    for group_index in range(metadata.num_row_groups):
        group = metadata.row_group(group_index)
        chunks = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
        for name in COLUMNS:
            chunk = chunks.get(name, chunks.get(f"{name}.list.element"))
            assert chunk.has_offset_index
            values = sample.expected[name][row:row + group.num_rows]
            present = [value for value in values if value is not None]
            if name == "m_tags":
                continue
            assert chunk.statistics.null_count == len(values) - len(present), name
            if name not in BOUNDED or not bounds_of(name, present):
                continue
            assert chunk.statistics.has_min_max or name not in ("id", "version", "timestamp", "m_flag", "m_small"), name
            if chunk.statistics.has_min_max:  # missing where a page holds nothing but NaN
                low, high = chunk.statistics.min_raw, chunk.statistics.max_raw
                low, high = (bound.encode() if isinstance(bound, str) else bound for bound in (low, high))
                assert low <= min(bounds_of(name, present)) and high >= max(bounds_of(name, present)), name
        row += group.num_rows
    assert row == sample.rows


def test_duckdb_reads_every_value(sample):
    connection = duckdb.connect()
    columns = ", ".join("epoch_ms(timestamp) as timestamp" if name == "timestamp" else name for name in ["vector", *COLUMNS])
    table = connection.sql(f"select {columns} from read_parquet('{sample.path}')").to_arrow_table()
    index = table.schema.get_field_index("timestamp")
    table = table.set_column(index, "timestamp", table["timestamp"].cast(pa.timestamp("ms", "UTC")))
    check_table(sample, table)


def test_duckdb_finds_every_row_by_its_value(sample):
    """Each filter goes through statistics, page index and bloom filter, any of which may hide rows."""
    connection = duckdb.connect()
    for row in range(0, sample.rows, max(1, sample.rows // 25)):
        for name in ("id", "version"):
            value = sample.expected[name][row]
            found = connection.execute(f"select version from read_parquet('{sample.path}') where {name} = ?", [value]).fetchall()
            assert (sample.expected["version"][row],) in found
    assert connection.execute(f"select count(*) from read_parquet('{sample.path}') where id = 'missing'").fetchone() == (0,)


def test_duckdb_uses_the_bloom_filter(sample):
    connection = duckdb.connect()

    def excluded(name, value):
        rows = connection.execute(f"select bloom_filter_excludes from parquet_bloom_probe('{sample.path}', '{name}', ?)", [value])
        return [row[0] for row in rows.fetchall()]

    if sample.rows == 0:
        assert excluded("id", "missing") == []      # there is no row group
        return
    group_rows = sample.group_rows or sample.rows
    for row in range(0, sample.rows, max(1, sample.rows // 20)):
        assert excluded("id", sample.expected["id"][row])[row // group_rows] is False
        assert excluded("version", sample.expected["version"][row])[row // group_rows] is False
    missing = [flag for number in range(50) for flag in excluded("id", f"missing {number}")]
    assert sum(missing) > 0.9 * len(missing)


def test_duckdb_sees_types(sample):
    rows = duckdb.connect().sql(f"describe select * from read_parquet('{sample.path}')").fetchall()
    types = {row[0]: row[1] for row in rows}
    assert types["vector"] == "FLOAT[]" and types["m_tags"] == "VARCHAR[]" and types["metadata"] == "JSON"
    assert types["timestamp"] == "TIMESTAMP WITH TIME ZONE" and types["m_blob"] == "BLOB"


def test_polars_reads_every_value(sample):
    frame = pl.read_parquet(sample.path)
    assert frame.schema["vector"] == pl.Array(pl.Float32, sample.dim)
    assert frame.schema["timestamp"] == pl.Datetime("ms", "UTC")
    check_table(sample, frame.to_arrow())


def test_polars_finds_every_row_by_its_value(sample):
    for row in range(0, sample.rows, max(1, sample.rows // 10)):
        version = sample.expected["version"][row]
        found = pl.scan_parquet(sample.path).filter(pl.col("version") == version).collect()
        assert sample.expected["id"][row] in found["id"].to_list()


def test_pyarrow_notices_a_damaged_page(sample, tmp_path):
    pages = [json.loads(line) for line in tool("describe", sample.path).stdout.splitlines()]
    pages = [page for page in pages if page["kind"] == "page" and page["column"] in ("vector", "id")]
    assert bool(pages) == (sample.rows > 0)
    for page in pages[:1] + pages[-1:]:
        damaged = bytearray(sample.path.read_bytes())
        damaged[page["offset"] + page["size_bytes"] - 1] ^= 1
        path = tmp_path / "damaged.parquet"
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="(?i)crc"):
            pq.ParquetFile(path, page_checksum_verification=True).read()
        result = tool("verify", path, check=False)
        assert result.returncode == 1 and "its checksum does not match" in result.stderr


PLAIN = {"use_dictionary": False, "write_page_index": True, "compression": "NONE", "data_page_size": 2000}


def foreign_table():
    count = 1000
    return pa.table({
        "text": pa.array([None if i % 7 == 0 else f"text {i}" for i in range(count)], pa.string()),
        "number": pa.array([None if i % 5 == 0 else i * i for i in range(count)], pa.int64()),
        "flag": pa.array([None if i % 3 == 0 else i % 2 == 0 for i in range(count)], pa.bool_()),
        "tags": pa.array([None if i % 4 == 0 else [f"t{j}" for j in range(i % 3)] for i in range(count)],
                         pa.list_(pa.field("element", pa.string(), nullable=False))),
    })


@pytest.mark.parametrize("options", [{}, {"compression": "ZSTD"}, {"write_page_checksum": True}, {"row_group_size": 300}], ids=str)
def test_our_reader_reads_plain_files_of_pyarrow(options, tmp_path):
    table, path = foreign_table(), tmp_path / "foreign.parquet"
    pq.write_table(table, path, **{**PLAIN, **options})
    rows = [json.loads(line) for line in tool("read", path, tmp_path / "vectors").stdout.splitlines()]
    assert rows == [list(row.values()) for row in table.to_pylist()]
    tool("verify", path)


@pytest.mark.parametrize("options, reason", [
    ({"use_dictionary": True}, "column 'text' cannot be read: it has a dictionary"),
    ({"compression": "SNAPPY"}, "column 'text' cannot be read: it is compressed with SNAPPY"),
    ({"write_page_index": False}, "column 'text' cannot be read: it has no offset index"),
    ({"column_encoding": {"number": "DELTA_BINARY_PACKED"}}, "column 'number' cannot be read: its encoding is not PLAIN"),
    ({"data_page_version": "2.0"}, "it is a version 2 data page"),
], ids=str)
def test_our_reader_refuses_by_name_what_it_does_not_read(options, reason, tmp_path):
    path = tmp_path / "foreign.parquet"
    pq.write_table(foreign_table(), path, **{**PLAIN, **options})
    result = tool("read", path, tmp_path / "vectors", check=False)
    assert result.returncode == 1 and "UNIMPLEMENTED" in result.stderr and reason in result.stderr


@pytest.mark.parametrize("array, reason", [
    (pa.array([[1, None]], pa.list_(pa.int64())), "a list whose elements may be null"),
    (pa.array([{"a": 1}], pa.struct({"a": pa.int64()})), "column 'c'"),
    (pa.array([b"12"], pa.binary(2)), "FIXED_LEN_BYTE_ARRAY"),
], ids=["list", "struct", "fixed"])
def test_our_reader_names_types_it_does_not_read(array, reason, tmp_path):
    path = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"c": array}), path, **PLAIN)
    result = tool("read", path, tmp_path / "vectors", check=False)
    assert result.returncode == 1 and "UNIMPLEMENTED" in result.stderr and reason in result.stderr

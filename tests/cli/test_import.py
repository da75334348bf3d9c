"""Goal: `proximadb import` takes what pyarrow, DuckDB, polars and NumPy write, by default and in odd ways, into exactly the rows that
were written; what it does not take it names, with the row or the column, says how many rows are in, and leaves whole batches only.

Method: files of random rows by each writer in each of its codecs, encodings and page versions, imported and scanned through a
server; damaged and impossible files.
"""
import json
import re

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Server, run

DIM = 12
ROWS = 3000
WORDS = ["net", "db", "", "日本語", "a" * 300]


def columns(rows=ROWS, seed=1):
    """What the rows have, by name."""
    numbers = np.random.default_rng(seed)
    return {
        "id": [f"row-{i}" for i in range(rows)],
        "vector": numbers.standard_normal((rows, DIM)).astype(np.float32),
        "document": [None if i % 5 == 0 else f"{WORDS[i % 5]} {i}" for i in range(rows)],
        "word": [None if i % 7 == 0 else WORDS[i % 4] for i in range(rows)],
        "year": [None if i % 3 == 0 else int(i % 50 - 25) for i in range(rows)],
        "price": [None if i % 4 == 0 else float(i) / 8 for i in range(rows)],
        "old": [None if i % 6 == 0 else i % 2 == 0 for i in range(rows)],
        "tags": [None if i % 9 == 0 else WORDS[:i % 4] for i in range(rows)],
    }


FIELDS = ("word", "year", "price", "old", "tags")


def expected(made):
    """{id: (vector, document, metadata)}"""
    return {made["id"][i]: (made["vector"][i].tobytes(), made["document"][i],
                            {name: made[name][i] for name in FIELDS if made[name][i] is not None})
            for i in range(len(made["id"]))}


def table(made, vector_type=None, **types):
    kinds = {"document": pa.string(), "word": pa.string(), "year": pa.int64(), "price": pa.float64(), "old": pa.bool_(),
             "tags": pa.list_(pa.string()), "id": pa.string(), **types}
    vectors = pa.array(list(made["vector"]), vector_type or pa.list_(pa.float32(), DIM))
    return pa.table({name: vectors if name == "vector" else pa.array(values, kinds[name]) for name, values in made.items()})


def imported(data, file, *flags):
    """Imports into a new collection that keeps every bit; gives the rows by a server's scan."""
    done = run("import", file, "--data", data, "--collection", "docs", "--create", "--storage", "exact", "--json", *flags)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["row_count"], scanned(data)


def scanned(data, collection="docs"):
    server = Server(data)
    with server.client() as client:
        rows = {row.id: row for row in client.scan(collection)}
    server.stop()
    return rows


def plain(rows):
    return {name: (row.vector.tobytes(), row.document, dict(row.metadata)) for name, row in rows.items()}


def check(data, file, made, *flags):
    count, rows = imported(data, file, *flags)
    assert count == len(made["id"]) and plain(rows) == expected(made)


# ---- writers ----

PYARROW = {
    "default": {},
    "v2-pages": {"data_page_version": "2.0"},
    "zstd": {"compression": "zstd"},
    "gzip-v2": {"compression": "gzip", "data_page_version": "2.0"},
    "plain": {"use_dictionary": False, "compression": "none"},
    "tiny-pages": {"data_page_size": 200, "write_batch_size": 7, "dictionary_pagesize_limit": 300},
    "tiny-pages-v2": {"data_page_size": 200, "write_batch_size": 7, "data_page_version": "2.0", "compression": "zstd"},
    "row-groups": {"row_group_size": 101},
    "no-page-index-no-statistics": {"write_statistics": False},
    "old-lists": {"use_compliant_nested_type": False},
    "version-1.0": {"version": "1.0"},
    "split": {"use_dictionary": False, "column_encoding": {
        "id": "DELTA_BYTE_ARRAY", "vector.list.element": "BYTE_STREAM_SPLIT", "document": "DELTA_LENGTH_BYTE_ARRAY",
        "year": "DELTA_BINARY_PACKED", "price": "BYTE_STREAM_SPLIT", "old": "RLE", "word": "DELTA_BYTE_ARRAY",
        "tags.list.element": "PLAIN"}},
}


@pytest.mark.parametrize("settings", PYARROW.values(), ids=PYARROW)
def test_import__pyarrow(data, tmp_path, settings):
    made = columns()
    pq.write_table(table(made), tmp_path / "a.parquet", **settings)
    check(data, tmp_path / "a.parquet", made)


@pytest.mark.parametrize("kind", ["list<float>", "list<double>", "large_list<float>", "list<half>", "fixed<double>"])
def test_import__vectors_of_every_kind(data, tmp_path, kind):
    made = columns()
    made["vector"] = made["vector"].astype(np.float16).astype(np.float32)
    kinds = {"list<float>": pa.list_(pa.float32()), "list<double>": pa.list_(pa.float64()), "list<half>": pa.list_(pa.float16()),
             "large_list<float>": pa.large_list(pa.float32()), "fixed<double>": pa.list_(pa.float64(), DIM)}
    if kind == "list<half>":
        halves = {**made, "vector": made["vector"].astype(np.float16)}
        pq.write_table(table(halves, kinds[kind]), tmp_path / "a.parquet")
    else:
        pq.write_table(table(made, kinds[kind]), tmp_path / "a.parquet")
    check(data, tmp_path / "a.parquet", made)


def test_import__small_integers_and_times(data, tmp_path):
    made = columns(50)
    times = np.arange(50) * 1_000_003
    odd = table(made).append_column("timestamp", pa.array(times, pa.timestamp("us", "UTC")))
    odd = odd.append_column("expires_at", pa.array([4_000_000_000_000_000_000] * 50, pa.timestamp("ns")))
    odd = odd.append_column("byte", pa.array(range(50), pa.uint8())).append_column("small", pa.array(range(-9, 41), pa.int16()))
    odd = odd.append_column("large", pa.array([4_294_967_295] * 50, pa.uint32())).append_column("real", pa.array([0.5] * 50, pa.float32()))
    odd = odd.set_column(0, "id", pa.array(range(-10, 40), pa.int32()))
    pq.write_table(odd, tmp_path / "a.parquet", store_schema=False)
    _, rows = imported(data, tmp_path / "a.parquet")
    assert set(rows) == {str(i) for i in range(-10, 40)}
    row = rows["39"]
    assert row.timestamp == 49 * 1_000_003 // 1000 and row.expires_at == 4_000_000_000_000
    assert [row.metadata[name] for name in ("byte", "small", "large", "real")] == [49, 40, 4_294_967_295, 0.5]


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip", "uncompressed"])
@pytest.mark.parametrize("version", ["V1", "V2"])
def test_import__duckdb(data, tmp_path, codec, version):
    made = columns()
    given = table(made, pa.list_(pa.float32()))
    connection = duckdb.connect()
    connection.register("given", given)
    connection.execute(f"COPY (SELECT * FROM given) TO '{tmp_path}/a.parquet' (FORMAT parquet, COMPRESSION {codec}, "
                       f"PARQUET_VERSION {version}, ROW_GROUP_SIZE 2048)")
    check(data, tmp_path / "a.parquet", made)


@pytest.mark.parametrize("settings", [{}, {"compression": "snappy"}, {"compression": "gzip"}, {"compression": "uncompressed"},
                                      {"row_group_size": 500, "data_page_size": 1000}, {"use_pyarrow": True}], ids=str)
def test_import__polars(data, tmp_path, settings):
    made = columns()
    pl.from_arrow(table(made)).write_parquet(tmp_path / "a.parquet", **settings)
    check(data, tmp_path / "a.parquet", made)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_import__npy(data, tmp_path, kind):
    vectors = columns()["vector"].astype(kind)
    np.save(tmp_path / "a.npy", vectors)
    count, rows = imported(data, tmp_path / "a.npy")
    assert count == ROWS
    assert all(rows[str(i)].vector.tobytes() == vectors[i].astype(np.float32).tobytes() for i in range(ROWS))


def test_import__npy_with_ids(data, tmp_path):
    np.save(tmp_path / "a.npy", columns(3)["vector"])
    (tmp_path / "a.npy.ids.jsonl").write_text('"x"\n"é\\n"\n"z"\n')
    assert set(imported(data, tmp_path / "a.npy")[1]) == {"x", "é\n", "z"}
    (tmp_path / "a.npy.ids.jsonl").write_text('"x"\n"y"\n')
    failed = run("import", tmp_path / "a.npy", "--data", data, "--collection", "docs")
    assert failed.returncode == 2 and "fewer lines" in failed.stderr


def test_import__jsonl(data, tmp_path):
    made = columns(300)
    lines = [{"id": made["id"][i], "vector": [float(x) for x in made["vector"][i]], "document": made["document"][i],
              "timestamp": 5, "expires_at": None,
              "metadata": {name: made[name][i] for name in FIELDS if made[name][i] is not None}} for i in range(300)]
    lines[7]["extra"] = "a member is metadata, too"
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\r\n\n")
    _, rows = imported(data, tmp_path / "a.jsonl")
    assert rows["row-7"].metadata["extra"] == lines[7]["extra"] and rows["row-7"].timestamp == 5
    wanted = expected(made)
    assert all(plain(rows)[name] == row for name, row in wanted.items() if name != "row-7")


# ---- names and modes ----

def test_import__names_of_columns(data, tmp_path):
    made = columns(100)
    renamed = table(made).rename_columns(["key", "embedding", "text", "word", "year", "price", "old", "tags"])
    pq.write_table(renamed.append_column("raw", pa.array([{"a": 1}] * 100)), tmp_path / "a.parquet")
    flags = ["--id-column", "key", "--vector-column", "embedding", "--document-column", "text"]
    failed = run("import", tmp_path / "a.parquet", "--data", data, "--collection", "docs", "--create", *flags)
    assert failed.returncode == 2 and "'raw' is a struct or a map" in failed.stderr and "--ignore" in failed.stderr
    check(data, tmp_path / "a.parquet", made, *flags, "--ignore", "raw", "--filterable", "year:long", "--metric", "dot")


def test_import__upsert_can_be_repeated_and_insert_refuses(data, tmp_path):
    made = columns(100)
    pq.write_table(table(made), tmp_path / "a.parquet")
    check(data, tmp_path / "a.parquet", made)
    check(data, tmp_path / "a.parquet", made)
    failed = run("import", tmp_path / "a.parquet", "--data", data, "--collection", "docs", "--mode", "insert")
    assert failed.returncode == 2 and "row-0" in failed.stderr and "nothing was imported" in failed.stderr


# ---- what is refused ----

DAMAGED = ("is not a", "cut off", "makes no sense", "damaged")


def refused(data, file, *flags, rows=0):
    """The message of an import that fails, which says how many rows are in."""
    done = run("import", file, "--data", data, "--collection", "docs", "--create", "--batch-rows", 10, *flags)
    assert done.returncode == (3 if any(word in done.stderr for word in DAMAGED) else 2), done.stderr
    assert ("nothing was imported" if rows == 0 else f"{rows} rows are in") in done.stderr or rows is None, done.stderr
    return done.stderr


def spoiled(made, row, value):
    vectors = [list(map(float, vector)) for vector in made["vector"]]
    vectors[row] = value
    return {**made, "vector": vectors}


@pytest.mark.parametrize("value,word", [([float("nan")] * DIM, "NaN"), ([0.5] * (DIM - 1), "11 dimensions"), (None, "null"),
                                        ([0.5] * (DIM - 1) + [None], "null"), ([], "0 dimensions")], ids=str)
def test_import__names_the_row_that_is_wrong(data, tmp_path, value, word):
    made = spoiled(columns(50), 25, value)
    pq.write_table(table(made, pa.list_(pa.float32())), tmp_path / "a.parquet")
    message = refused(data, tmp_path / "a.parquet", rows=None)
    assert "row 25" in message and word in message, message
    # The batch of the row is refused; those behind it may have been under way.
    count = int(re.search(r"(\d+) rows are in", message)[1])
    assert count in (20, 30, 40) and len(scanned(data)) == count, message


def test_import__lists_the_columns_that_there_are(data, tmp_path):
    pq.write_table(table(columns(5)).rename_columns(["key", "embedding", *table(columns(5)).column_names[2:]]), tmp_path / "a.parquet")
    message = refused(data, tmp_path / "a.parquet", rows=None)
    assert "no column 'id'" in message and "key (text), embedding (list of FLOAT)" in message
    message = refused(data, tmp_path / "a.parquet", "--id-column", "key", rows=None)
    assert "no column 'vector'" in message and "--vector-column" in message
    message = refused(data, tmp_path / "a.parquet", "--id-column", "key", "--ignore", "embedding", "--vector-column", "word",
                      rows=None)
    assert "a vector is a list of numbers" in message


def test_import__names_the_codec(data, tmp_path):
    pq.write_table(table(columns(5)), tmp_path / "a.parquet", compression="brotli")
    message = refused(data, tmp_path / "a.parquet")
    assert "BROTLI" in message and "write it with zstd" in message


@pytest.mark.parametrize("name", ["a.parquet", "a.npy", "a.jsonl"])
def test_import__truncated_files(data, tmp_path, name):
    made = columns(200)
    pq.write_table(table(made), tmp_path / "a.parquet")
    np.save(tmp_path / "a.npy", made["vector"])
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"id": f"{i}", "vector": [1.0, 2.0]}) + "\n" for i in range(5)))
    whole = (tmp_path / name).read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 2):
        (tmp_path / name).write_bytes(whole[:size])
        message = refused(data, tmp_path / name, rows=None)
        assert name in message, message
    assert not data.exists() or name == "a.jsonl"


def test_import__flipped_bits_end_in_an_error_or_in_rows(data, tmp_path):
    """No crash, and no more rows than there were."""
    pq.write_table(table(columns(60)), tmp_path / "a.parquet", data_page_size=300, compression="none")
    whole = (tmp_path / "a.parquet").read_bytes()
    numbers = np.random.default_rng(3)
    for at in numbers.integers(0, len(whole), 60):
        content = bytearray(whole)
        content[at] ^= 1 << int(numbers.integers(8))
        (tmp_path / "a.parquet").write_bytes(content)
        done = run("import", tmp_path / "a.parquet", "--data", data, "--collection", "docs", "--create")
        assert done.returncode in (0, 1, 2, 3), done.stderr
    (tmp_path / "a.parquet").write_bytes(whole)


def test_import__lines_that_are_wrong(data, tmp_path):
    good = json.dumps({"id": "a", "vector": [1.0, 2.0]})
    for bad, word in (('{"id": "b", "vector": [1.0, "2"]}', "no list of numbers"), ('{"id": "b"}', "--vector-column"),
                      ('{"vector": [1.0, 2.0]}', "--id-column"), ("[1]", "no JSON object"), ('{"id": "b"', "line 2"),
                      ('{"id": "b", "vector": [1, 2], "metadata": {"x": {}}}', "objects in metadata"),
                      ('{"id": "b", "vector": [1, 2], "timestamp": "today"}', "milliseconds")):
        (tmp_path / "a.jsonl").write_text(f"{good}\n{bad}\n")
        message = refused(data, tmp_path / "a.jsonl")
        assert word in message and "line 2" in message, message


def test_import__arrays_that_are_wrong(data, tmp_path):
    for array, word in ((np.ones((4, 3), np.int32), "float32"), (np.ones(4, np.float32), "two dimensions"),
                        (np.ones((2, 3, 4), np.float32), "two dimensions"),
                        (np.asfortranarray(np.ones((4, 3), np.float32)), "Fortran")):
        np.save(tmp_path / "a.npy", array)
        assert word in refused(data, tmp_path / "a.npy", rows=None)


def test_import__says_what_to_do(start, data, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 3), np.float32))
    assert "--create" in run("import", tmp_path / "a.npy", "--data", data, "--collection", "docs").stderr
    assert run("import", tmp_path / "b.npy", "--data", data, "--collection", "docs").returncode == 5
    assert ".parquet, .jsonl or .npy" in run("import", tmp_path / "a.csv", "--data", data, "--collection", "docs").stderr
    start(data)
    busy = run("import", tmp_path / "a.npy", "--data", data, "--collection", "docs")
    assert busy.returncode == 4 and "stop the server" in busy.stderr


# ---- the collection ----

def names_of(data):
    return {path.stem for path in (data / "metadata/collections").glob("*.json")}


def test_import__makes_nothing_without_create(data, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 3), np.float32))
    (tmp_path / "empty").mkdir()
    for folder in (data, tmp_path / "empty"):
        failed = run("import", tmp_path / "a.npy", "--data", folder, "--collection", "docs")
        assert failed.returncode == 5, failed.stderr
        assert "there is no collection 'docs'" in failed.stderr and "add --create to make it" in failed.stderr
    assert not data.exists() and not list((tmp_path / "empty").iterdir())
    assert run("import", tmp_path / "a.npy", "--data", data, "--collection", "docs", "--create").returncode == 0
    failed = run("import", tmp_path / "a.npy", "--data", data, "--collection", "other")
    assert failed.returncode == 5 and "add --create to make it" in failed.stderr and names_of(data) == {"docs"}


def test_import__leaves_no_collection_when_nothing_got_in(data, tmp_path):
    good, bad = [json.dumps({"id": name, "vector": [1.0, 2.0]}) for name in "ab"], '{"id": "c", "vector": []}'
    (tmp_path / "a.jsonl").write_text("\n".join([*good, bad]))
    flags = ["import", tmp_path / "a.jsonl", "--data", data, "--collection", "docs", "--create", "--metric", "l2"]
    failed = run(*flags)
    assert failed.returncode == 2 and "nothing was imported" in failed.stderr, failed.stderr
    assert names_of(data) == set()
    failed = run(*flags, "--batch-rows", 1)
    assert failed.returncode == 2 and names_of(data) == {"docs"}, failed.stderr  # rows are in: it stays
    (tmp_path / "a.jsonl").write_text(bad)
    assert run(*flags).returncode == 2 and names_of(data) == {"docs"}  # it was there before


def test_import__refuses_flags_that_do_not_fit_the_collection(data, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "vector": [1.0, 2.0], "year": 1}))
    flags = ["import", tmp_path / "a.jsonl", "--data", data, "--collection", "docs", "--create"]
    made = ["--metric", "l2", "--storage", "exact", "--layout", "plain", "--index", "FLAT", "--filterable", "year:long",
            "--filterable", "word:string", "--dimension", 2]
    assert run(*flags, *made).returncode == 0
    for given in ([], made, ["--filterable", "year:long"], ["--dimension", 2]):
        done = run(*flags, *given)
        assert done.returncode == 0, done.stderr
    for given in (["--metric", "cosine"], ["--storage", "balanced"], ["--layout", "compressed"], ["--index", "HNSW"],
                  ["--filterable", "year:double"], ["--filterable", "other:long"], ["--dimension", 3]):
        failed = run(*flags, *given)
        assert failed.returncode == 2 and f"leave out {given[0]}" in failed.stderr, failed.stderr
        assert given[0] != "--filterable" or given[1].split(":")[0] in failed.stderr


def test_import__takes_as_many_filterable_fields_as_there_may_be(data, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "vector": [1.0, 2.0]}))
    fields = [word for i in range(64) for word in ("--filterable", f"f{i}:long")]
    assert imported(data, tmp_path / "a.jsonl", *fields)[0] == 1
    assert run("import", tmp_path / "a.jsonl", "--data", data, "--collection", "b", "--create", *fields,
               "--filterable", "g:long").returncode == 2


# ---- messages ----

def test_import__names_lines_of_jsonl_and_rows_of_others_once(data, tmp_path):
    for bad, word in (({"id": "c", "vector": [1.0]}, "the vector has 1 dimensions"), ({"id": "", "vector": [1.0, 2.0]}, "id"),
                      ({"id": "c", "vector": [1.0, float("inf")]}, ""), ({"id": "c", "vector": "x"}, "no list")):
        lines = [json.dumps({"id": name, "vector": [1.0, 2.0]}) for name in "ab"]
        (tmp_path / "a.jsonl").write_text("\n\n".join([*lines, json.dumps(bad).replace("Infinity", "1e300")]))
        message = refused(data, tmp_path / "a.jsonl", rows=None)
        assert message.count("line 5: ") == 1 and "row " not in message and word in message, message
    pq.write_table(pa.table({"id": ["a", ""], "vector": [[1.0], [2.0]]}), tmp_path / "a.parquet")
    message = refused(data, tmp_path / "a.parquet", rows=None)
    assert message.count("row 1: ") == message.count("row ") == 1, message


def test_import__numbers_that_are_too_large(data, tmp_path):
    for member, word in (('"n": 100000000000000000000', "an integer beyond 64 bits; send it as a string"),
                         ('"n": -100000000000000000000', "an integer beyond 64 bits; send it as a string"),
                         ('"n": 1e999', "beyond the range of a double"), ('"n": 18446744073709551615', "9,223,372,036"),
                         ('"metadata": {"n": 100000000000000000000}', "an integer beyond 64 bits")):
        (tmp_path / "a.jsonl").write_text(f'{{"id": "a", "vector": [1.0], {member}}}')
        message = refused(data, tmp_path / "a.jsonl")
        assert word in message and "objects" not in message, message
    (tmp_path / "a.jsonl").write_text('{"id": 100000000000000000000, "vector": [1.0]}')
    assert "beyond 64 bits; send it as a string" in refused(data, tmp_path / "a.jsonl")


def test_import__refuses_types_by_the_schema(data, tmp_path):
    connection = duckdb.connect()
    for value, word in (("uuid()", "UUID"), ("INTERVAL 1 DAY", "INTERVAL"), ("'ab'::BLOB", "bytes"), ("1.5::DECIMAL(9, 2)", "DECIMAL")):
        connection.execute(f"COPY (SELECT 'a' AS id, [1.0::FLOAT] AS vector, {value} AS odd) TO '{tmp_path}/a.parquet'")
        message = refused(data, tmp_path / "a.parquet", rows=None)
        assert f"column 'odd' is {word}" in message and "--ignore" in message, message
        assert not data.exists()
    assert imported(data, tmp_path / "a.parquet", "--ignore", "odd")[0] == 1
    message = refused(data, tmp_path / "a.parquet", "--ignore", "odd", "--ignore", "old", rows=None)
    assert "no column 'old'" in message and "id (text), vector (list of FLOAT), odd (DECIMAL)" in message


def test_import__dates_and_times_are_numbers(data, tmp_path):
    connection = duckdb.connect()
    connection.execute(f"COPY (SELECT 'a' AS id, [1.0::FLOAT] AS vector, DATE '1970-01-11' AS d, TIME '00:00:01' AS t, "
                       f"TIMESTAMP '1970-01-01 00:00:01.5' AS s) TO '{tmp_path}/a.parquet'")
    assert imported(data, tmp_path / "a.parquet")[1]["a"].metadata == {"d": 10, "t": 1_000_000, "s": 1500}

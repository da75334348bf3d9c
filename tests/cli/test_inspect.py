"""Goal: `proximadb inspect` shows what is there, beside a running server, and changes nothing.

Method: a collection with rows in files and in the log; what is printed is held against what the server answers,
and the SQL against DuckDB's reading of it.
"""
import json
import subprocess

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import DIMENSION, PROGRAM, SECONDS, fill, run, vectors


@pytest.fixture
def server(start, data):
    running = start(data)
    with running.client() as client:
        fill(client)
    return running


def lines(*arguments):
    """The JSON lines of an inspection that must succeed."""
    shown = run("inspect", *arguments, "--json")
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line) for line in shown.stdout.splitlines()]


def of_kind(kind, found):
    return [line for line in found if line["kind"] == kind]


def snapshot(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_inspect__shows_a_live_log(server, data):
    [path] = (data / "wal/docs").glob("*.wal")
    before = snapshot(data)
    found = lines("wal", path)
    assert snapshot(data) == before
    assert found[0]["kind"] == "header" and found[0]["collection"] == "docs"
    assert [(entry["operation"], entry["row_count"]) for entry in of_kind("entry", found)] == [
        ("INSERT", 200), ("UPDATE", 67), ("DELETE", 40)]
    assert [entry["lsn"] for entry in of_kind("entry", found)] == [1, 201, 268]
    assert found[-1]["end"] == "clean" and found[-1]["row_count"] == 307
    text = run("inspect", "wal", path).stdout.splitlines()
    assert len(text) == len(found)
    assert text[1].startswith("entry") and "operation=INSERT" in text[1] and "row_count=200" in text[1]
    with server.client() as client:
        client.insert("docs", vectors(1), ids=["one more"])
    assert of_kind("entry", lines("wal", path))[-1]["row_count"] == 1
    server.stop()


def test_inspect__shows_a_parquet_file(server, data):
    [path] = (data / "store/docs/vectors").rglob("*.parquet")
    found = lines("parquet", path)
    assert found[0]["kind"] == "file" and found[0]["row_count"] == 200
    columns = {line["name"]: line for line in of_kind("column", found)}
    assert {"id", "version", "vector", "document", "m_group", "m_price"} <= columns.keys()
    assert columns["vector"]["dim_count"] == DIMENSION
    assert "row_count=200" in run("inspect", "parquet", path).stdout
    server.stop()


def test_inspect__shows_a_collection(server, data):
    found = lines("collection", "docs", "--data", data)
    [collection], [store], [log] = (of_kind(kind, found) for kind in ("collection", "store", "log"))
    assert collection["name"] == "docs" and collection["dimension"] == DIMENSION and collection["metric"] == "l2"
    assert store["live_row_count"] == 200 and store["flushed_lsn"] == 200
    parts = [pq.ParquetFile(path).metadata for path in (data / "store/docs").rglob("part_*.parquet")]
    taken = sum(part.row_group(i).column(j).total_compressed_size for part in parts
                for i in range(part.num_row_groups) for j in range(part.num_columns)
                if part.row_group(i).column(j).path_in_schema.startswith("vector."))
    rows = sum(part.num_rows for part in parts)
    assert store["compression_ratio"] == round(rows * DIMENSION * 4 / taken, 2)
    assert log["updated_rows"] == 67 and log["deleted_rows"] == 40
    assert "metric=l2" in run("inspect", "collection", "docs", "--data", data).stdout
    server.stop()


def rows_of_server(client):
    return {record.id: (record.version, record.document, record.metadata["group"], record.metadata["price"],
                        tuple(record.vector)) for record in client.scan("docs")}


def rows_of_sql(data):
    shown = run("inspect", "collection", "docs", "--data", data, "--sql")
    assert shown.returncode == 0, shown.stderr
    relation = duckdb.sql(shown.stdout.strip().rstrip(";"))
    rows = {}
    for row in relation.fetchall():
        row = dict(zip(relation.columns, row))
        assert row["id"] not in rows, "a row that is there twice"
        rows[row["id"]] = (row["version"], row["document"], row["m_group"], row["m_price"],
                           tuple(np.float32(row["vector"])))
    return rows


def test_inspect__gives_sql_of_the_live_rows(server, data):
    """After updates and deletes were flushed, after a second flush, and after a compaction."""
    with server.client() as client:
        client.flush("docs")
        assert rows_of_sql(data) == rows_of_server(client)
        assert "in the log only" not in run("inspect", "collection", "docs", "--data", data, "--sql").stdout
        client.update("docs", ["row-1"], documents=["another text"])
        client.delete("docs", filter="price < 5")
        client.upsert("docs", vectors(2), ids=["row-0", "it's new"], documents=["x", "y"],
                      metadata=[{"group": "g9", "price": -1.0}] * 2)
        assert "writes of" in run("inspect", "collection", "docs", "--data", data, "--sql").stdout.split("\n")[0]
        assert "row-6" in rows_of_sql(data)     # the comment is in nobody's way
        client.flush("docs")
        found = rows_of_sql(data)
        assert found == rows_of_server(client)
        assert {"row-0", "it's new"} <= found.keys() and "row-6" not in found
        client.compact("docs")
        assert rows_of_sql(data) == rows_of_server(client) == found
    server.stop()
    assert rows_of_sql(data) == found           # without a server, too


def test_inspect__gives_sql_of_an_empty_collection(start, data):
    server = start(data)
    with server.client() as client:
        client.create_collection("docs", dimension=DIMENSION)
    assert rows_of_sql(data) == {}
    server.stop()


def test_inspect__tells_damage(server, data):
    server.stop()
    [path] = (data / "wal/docs").glob("*.wal")
    content = bytearray(path.read_bytes())
    content[of_kind("entry", lines("wal", path))[1]["block_offset"] + 30] ^= 1
    path.write_bytes(content)
    shown = run("inspect", "wal", path, "--json")
    assert shown.returncode == 3
    assert str(path) in shown.stderr and "offset" in shown.stderr
    assert len(of_kind("entry", [json.loads(line) for line in shown.stdout.splitlines()])) == 1


@pytest.mark.parametrize("words, status, message", [
    ([], 2, "say what to look at"),
    (["walll", "x"], 2, "'walll' is none"),
    (["wal"], 2, "say which: 'inspect wal FILE'"),
    (["wal", "no/such.wal"], 5, "no/such.wal"),
    (["wal", "x", "--data", "y"], 2, "a file needs no --data"),
    (["parquet", "x", "--sql"], 2, "--sql is for collections only"),
    (["collection", "docs"], 2, "a collection needs its data folder"),
    (["collection", "docs", "--data", "no/such"], 5, "no/such"),
    (["collection", "../docs", "--data", "."], 2, "name"),
    (["collection", "docs", "--data", ".", "--sql", "--json"], 2, "leave one of them out"),
    (["wal", "a", "b"], 2, "one argument too many"),
])
def test_inspect__refuses_what_it_cannot_show(tmp_path, words, status, message):
    shown = run("inspect", *words, cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (status, "")
    assert message in shown.stderr


def test_inspect__misses_a_collection(server, data):
    shown = run("inspect", "collection", "dox", "--data", data)
    assert shown.returncode == 5 and "dox" in shown.stderr
    server.stop()


def test_inspect__refuses_other_files(tmp_path):
    (tmp_path / "x").write_text("no file of ours")
    for kind in ("wal", "parquet"):
        shown = run("inspect", kind, tmp_path / "x")
        assert shown.returncode == 3 and str(tmp_path / "x") in shown.stderr


def test_inspect__notices_a_full_disk(server, data):
    [path] = (data / "wal/docs").glob("*.wal")
    for words in ([], ["--json"]):
        with open("/dev/full", "w") as full:
            shown = subprocess.run([PROGRAM, "inspect", "wal", path, *words], stdout=full, stderr=subprocess.PIPE,
                                   text=True, timeout=SECONDS)
        assert shown.returncode == 1 and "No space left" in shown.stderr
    server.stop()

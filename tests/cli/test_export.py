"""Goal: `proximadb export` writes exactly the rows that are live, and `import` makes the same collection of them; the file is whole
or not there.

Method: a collection with every kind of value and a history of updates, deletes and expiry; exported, read by others, imported, and
compared with the server's scan.
"""
import json
import os
import signal
import subprocess
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import PROGRAM, Server, run

FIELDS = {"word": "string", "year": "long", "price": "double", "old": "boolean", "tags": "string_array", "metadata": "string"}
DIM = 5


def fill(client):
    """Rows in parts and in the log; some deleted, replaced, expired."""
    client.create_collection("docs", DIM, filterable=FIELDS)
    vectors = np.random.default_rng(2).standard_normal((400, DIM)).astype(np.float32)
    metadata = [{"word": "é\n", "year": i, "price": i / 4, "old": i % 2 == 0, "tags": ["a", "b"][:i % 3], "note": None,
                 "metadata": "a field of this name", "double": 2.0, "long": 2} if i % 10 else {} for i in range(400)]
    client.insert("docs", vectors, ids=[f"r{i}" for i in range(400)], metadata=metadata, timestamps=[7 + i for i in range(400)],
                  documents=[None if i % 3 else f"text \"{i}\"" for i in range(400)],
                  expires_at=[1000 if i < 5 else 4_000_000_000_000 if i < 9 else None for i in range(400)])
    client.flush("docs")
    client.upsert("docs", vectors[:50] * 2, ids=[f"r{i + 100}" for i in range(50)])
    client.delete("docs", ids=["r200", "r201"])


@pytest.fixture
def folder(start, data):
    server = start(data)
    with server.client() as client:
        fill(client)
    server.stop()
    return data


def comparable(row, has_all=True):
    kept = (row.document, {key: (type(value), value) for key, value in row.metadata.items()}, row.timestamp, row.expires_at)
    return (row.vector.tobytes(), *(kept if has_all else ()))


def rows_of(data, has_all=True):
    server = Server(data)
    with server.client() as client:
        rows = {row.id: comparable(row, has_all) for row in client.scan("docs")}
    server.stop()
    return rows


@pytest.mark.parametrize("format", ["parquet", "jsonl", "npy"])
def test_export__comes_back_as_it_was(folder, tmp_path, format):
    file = tmp_path / f"docs.{format}"
    done = run("export", "docs", "--data", folder, f"--{format}", file, "--json")
    assert done.returncode == 0, done.stderr
    expected = rows_of(folder, format != "npy")
    assert json.loads(done.stdout)["row_count"] == len(expected) == 393
    done = run("import", file, "--data", tmp_path / "again", "--collection", "docs", "--create",
               *[word for name in FIELDS for word in ("--filterable", f"{name}:{FIELDS[name]}")])
    assert done.returncode == 0, done.stderr
    assert rows_of(tmp_path / "again", format != "npy") == expected
    assert not list(tmp_path.glob("*.tmp"))


def test_export__is_plain_parquet(folder, tmp_path):
    run("export", "docs", "--data", folder, "--parquet", tmp_path / "docs.parquet")
    found = pq.read_table(tmp_path / "docs.parquet")
    assert found.column_names == ["vector", "id", "timestamp", "expires_at", "document", "metadata", "old", "price", "tags", "word",
                                  "year"]
    rows = {row["id"]: row for row in found.to_pylist()}
    assert len(rows) == 393 and rows["r11"]["year"] == 11 and rows["r11"]["tags"] == ["a", "b"]
    assert json.loads(rows["r11"]["metadata"]) == {"note": None, "metadata": "a field of this name", "double": 2.0, "long": 2}


def test_export__says_what_is_wrong(start, folder, tmp_path):
    assert run("export", "none", "--data", folder, "--jsonl", tmp_path / "a").returncode == 5
    assert run("export", "docs", "--data", tmp_path / "nowhere", "--jsonl", tmp_path / "a").returncode == 5
    assert not (tmp_path / "nowhere").exists()
    assert "one of --parquet" in run("export", "docs", "--data", folder).stderr
    failed = run("export", "docs", "--data", folder, "--jsonl", tmp_path / "no/folder/a")
    assert failed.returncode == 5 and "no/folder" in failed.stderr
    assert list(tmp_path.glob("a*")) == []
    start(folder)
    busy = run("export", "docs", "--data", folder, "--jsonl", tmp_path / "a")
    assert busy.returncode == 4 and "stop the server" in busy.stderr


# ---- targets ----

def test_export__replaces_regular_files_only(folder, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to_pipe").symlink_to("pipe")
    (tmp_path / "to_folder").symlink_to("folder")
    (tmp_path / "to_nothing").symlink_to("nothing")
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")  # as /dev/stdout is, which a failure would replace
    before = {path: path.lstat().st_ino for path in tmp_path.iterdir()}
    for target in ("pipe", "to_pipe", "to_nothing", "stdout", "folder", "to_folder"):
        failed = run("export", "docs", "--data", folder, "--jsonl", tmp_path / target)
        word = "a folder" if "folder" in target else "no regular file"
        assert failed.returncode == 2 and word in failed.stderr and "name a file" in failed.stderr, failed.stderr
        assert {path: path.lstat().st_ino for path in tmp_path.iterdir()} == before
    (tmp_path / "a.npy.ids.jsonl").mkdir()
    assert run("export", "docs", "--data", folder, "--npy", tmp_path / "a.npy").returncode == 2
    assert not list(tmp_path.glob("*.tmp"))


def test_export__keeps_links_and_files_of_others(folder, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a.jsonl").write_text("old")
    (tmp_path / "link").symlink_to("there/a.jsonl")
    (tmp_path / "link.tmp").write_text("of the user")
    (tmp_path / "there/a.jsonl.tmp").write_text("of the user")
    done = run("export", "docs", "--data", folder, "--jsonl", tmp_path / "link")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "link").is_symlink() and len((tmp_path / "there/a.jsonl").read_text().splitlines()) == 393
    assert (tmp_path / "link.tmp").read_text() == (tmp_path / "there/a.jsonl.tmp").read_text() == "of the user"
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["a.jsonl", "a.jsonl.tmp"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_export__leaves_nothing_when_it_is_interrupted(start, data, tmp_path, number):
    server = start(data)
    with server.client() as client:
        client.create_collection("docs", 256)
        for i in range(10):
            client.insert("docs", np.ones((5000, 256), np.float32), ids=[f"{i}-{j}" for j in range(5000)])
    server.stop()
    export = subprocess.Popen([PROGRAM, "export", "docs", "--data", data, "--jsonl", tmp_path / "a.jsonl"], stderr=subprocess.PIPE,
                              text=True)
    while not list(tmp_path.glob("a.jsonl.*.tmp")):
        assert export.poll() is None
        time.sleep(0.001)
    time.sleep(0.02)  # the signals are caught right behind the opening
    export.send_signal(number)
    assert "interrupted" in export.communicate(timeout=60)[1] and export.returncode == 1
    assert list(tmp_path.iterdir()) == [data]


@pytest.mark.parametrize("format", ["parquet", "jsonl", "npy"])
def test_export__an_empty_collection_comes_back_empty(start, data, tmp_path, format):
    server = start(data)
    with server.client() as client:
        client.create_collection("docs", DIM)
    server.stop()
    file = tmp_path / f"docs.{format}"
    assert run("export", "docs", "--data", data, f"--{format}", file).returncode == 0
    flags = ["import", file, "--data", tmp_path / "again", "--collection", "docs", "--json"]
    if format == "jsonl":
        failed = run(*flags, "--create")
        assert failed.returncode == 2 and "say --dimension COUNT" in failed.stderr
        assert run(*flags, "--create", "--dimension", DIM).returncode == 0
    for create in ([] if format == "jsonl" else ["--create"], []):
        done = run(*flags, *create)
        assert done.returncode == 0 and json.loads(done.stdout)["row_count"] == 0, done.stderr
    server = start(tmp_path / "again")
    with server.client() as client:
        assert client.count("docs") == 0 and client.get_collection("docs").dimension == DIM
    server.stop()

"""Goal: `proximadb backup` copies what a running server holds, and `proximadb restore` gives it back; mistakes and
damage have the exit statuses that the manual says.
Method: two collections with files and logs, served all the time; what a restored folder answers is compared.
"""
import json
import os

import pytest
from conftest import answers, fill, run, settle, vectors


@pytest.fixture
def server(start, data):
    server = start(data)
    with server.client() as client:
        for name, count in (("docs", 200), ("more", 20)):
            fill(client, count, name)
            settle(data, name)
    return server


def told(done, kind):
    return [line for line in map(json.loads, done.stdout.splitlines()) if line["kind"] == kind]


@pytest.mark.parametrize("flags", [(), ("--copy",)])
def test_backup__beside_a_server(start, server, data, tmp_path, flags):
    before = sorted(path.relative_to(data) for path in data.rglob("*"))
    made = run("backup", "--data", data, tmp_path / "made", "--json", *flags)
    assert made.returncode == 0, made.stderr
    assert sorted(path.relative_to(data) for path in data.rglob("*")) == before
    assert [line["name"] for line in told(made, "collection")] == ["docs", "more"]
    [summary] = told(made, "summary")
    assert (summary["linked_count"] > 0) == (not flags)
    part = next((tmp_path / "made/store/docs").rglob("part_*.parquet"))
    assert os.stat(part).st_nlink == (1 if flags else 2)
    with server.client() as client:
        expected = {name: answers(client, name) for name in ("docs", "more")}
        client.delete("docs", ids=["row-1", "row-2"])
        client.compact("docs")                      # the parts of the backup lose their first names
        client.delete_collection("more")

    restored = run("restore", tmp_path / "made", "--data", tmp_path / "restored")
    assert restored.returncode == 0, restored.stderr
    assert "restored_as=docs" in restored.stdout
    with start(tmp_path / "restored").client() as client:
        assert {name: answers(client, name) for name in ("docs", "more")} == expected


def test_restore__one_collection_under_another_name(start, server, data, tmp_path):
    assert run("backup", "--data", data, tmp_path / "made", "--collection", "docs").returncode == 0
    with server.client() as client:
        expected = answers(client)
        client.insert("docs", vectors(1), ids=["new"])
    busy = run("restore", tmp_path / "made", "--data", data, "--collection", "docs:old")
    assert busy.returncode == 4 and f"pid {server.process.pid}" in busy.stderr
    second = run("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert second.returncode == 4 and "stop it first, or give this one a folder of its own" in second.stderr
    assert "stop it first" in busy.stderr and "of its own" not in busy.stderr
    server.stop()
    (tmp_path / "file").touch()
    assert run("backup", "--data", data, tmp_path / "file").returncode == 2
    assert run("restore", tmp_path / "made", "--data", data).returncode == 1        # the name is taken
    assert run("restore", tmp_path / "made", "--data", data, "--collection", "none:x").returncode == 5
    assert run("restore", tmp_path / "made", "--data", data, "--collection", "docs:old").returncode == 0
    with start(data).client() as client:
        assert answers(client, "old") == expected
        assert client.count("docs") == client.count("old") + 1
        client.delete_collection("docs")
        client.compact("old")
        assert answers(client, "old") == expected


def test_backup__refuses_mistakes(server, data, tmp_path):
    made = tmp_path / "made"
    assert run("backup").returncode == 2 and run("restore").returncode == 2
    assert run("backup", "--data", data).returncode == 2
    assert run("backup", "--data", tmp_path / "none", made).returncode == 5
    inside = run("backup", "--data", data, data / "made")
    assert inside.returncode == 2 and "outside" in inside.stderr
    assert run("backup", "--data", data, made, "--collection", "none").returncode == 5
    assert not made.exists()
    assert run("backup", "--data", data, made).returncode == 0
    again = run("backup", "--data", data, made)
    assert again.returncode == 2 and "not empty" in again.stderr
    served = run("serve", "--data", made, "--listen", "127.0.0.1:0")
    assert served.returncode == 2 and "is a backup" in served.stderr
    assert run("restore", data, "--data", tmp_path / "x").returncode == 2
    assert run("restore", tmp_path / "none", "--data", tmp_path / "x").returncode == 5
    assert not (tmp_path / "x").exists()


def test_restore__names_the_damaged_file(server, data, tmp_path):
    made = tmp_path / "made"
    assert run("backup", "--data", data, made, "--copy").returncode == 0
    for path in (next(made.rglob("part_*.parquet")), next(made.rglob("*.wal"))):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        restored = run("restore", made, "--data", tmp_path / "x")
        assert restored.returncode == 3 and path.name in restored.stderr
        assert not (tmp_path / "x").exists()
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    (made / "BACKUP.json").unlink()
    assert run("restore", made, "--data", tmp_path / "x").returncode == 2
    (made / "BACKUP.json.tmp").touch()
    unfinished = run("restore", made, "--data", tmp_path / "x")
    assert unfinished.returncode == 3 and "not finished" in unfinished.stderr

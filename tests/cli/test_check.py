"""Goal: `proximadb check` is silent about a sound folder and names the file of any changed byte.

Method: a folder with every kind of file; one byte flipped in each of them, one after the other.
"""
import json
import shutil

import pytest
from conftest import fill, run, vectors


@pytest.fixture
def folder(start, data):
    """A data folder at rest with parts, deletes, a log and two collections."""
    server = start(data)
    with server.client() as client:
        fill(client)
        client.flush("docs")
        client.insert("docs", vectors(3), ids=["a", "b", "c"])
        fill(client, 20, "more")
    server.stop()
    return data


def check(folder, *flags):
    return run("check", "--data", folder, *flags)


def test_check__finds_nothing_in_a_sound_folder(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    checked = check(folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "damage_count=0" in checked.stdout and "collection_count=2" in checked.stdout
    checked = check(folder, "--json")
    [summary] = [json.loads(line) for line in checked.stdout.splitlines()]
    assert summary["kind"] == "summary" and summary["damage_count"] == 0 and summary["live_row_count"] > 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("pattern", ["store/docs/vectors/**/*.parquet", "store/docs/deletes/*.parquet",
                                     "store/docs/MANIFEST.json", "metadata/collections/docs.json"])
def test_check__names_the_file_of_a_flipped_byte(folder, pattern):
    path = sorted(folder.glob(pattern))[0]
    size = path.stat().st_size
    copy = path.read_bytes()
    for at in (size // 3, size // 2, size - 2):
        flip(path, at)
        checked = check(folder)
        assert checked.returncode == 3, f"byte {at} of {path}: {checked.stdout}"
        assert any(line.startswith("damage") and path.name in line for line in checked.stdout.splitlines())
        findings = [json.loads(line) for line in check(folder, "--json").stdout.splitlines()]
        assert any(finding.get("severity") == "damage" and path.name in finding["file"] for finding in findings)
        path.write_bytes(copy)
    assert check(folder).returncode == 0


def test_check__names_a_log_with_a_flipped_byte(folder):
    path = next(path for path in sorted(folder.glob("wal/docs/*.wal")))
    shown = run("inspect", "wal", path, "--json")
    entries = [json.loads(line) for line in shown.stdout.splitlines() if '"entry"' in line]
    flip(path, entries[0]["block_offset"] + 40)
    checked = check(folder)
    assert checked.returncode == 3
    assert path.name in checked.stdout


def test_check__misses_a_part(folder):
    path = next(folder.glob("store/docs/vectors/**/*.parquet"))
    path.unlink()
    checked = check(folder)
    assert checked.returncode == 3 and path.name in checked.stdout


def test_check__leaves_a_running_server_alone(start, folder):
    server = start(folder)
    checked = check(folder)
    assert checked.returncode == 4
    assert f"pid {server.process.pid}" in checked.stderr
    server.stop()


def test_check__takes_what_a_kill_leaves_for_no_damage(start, folder):
    server = start(folder)
    with server.client() as client:
        client.insert("docs", vectors(3, seed=9), ids=["x", "y", "z"])
    server.kill()
    checked = check(folder)
    assert checked.returncode == 0, checked.stdout


def test_check__refuses_what_is_no_data_folder(tmp_path):
    assert run("check").returncode == 2
    missing = check(tmp_path / "none")
    assert missing.returncode == 5 and "none" in missing.stderr
    empty = check(tmp_path)
    assert empty.returncode != 0 and str(tmp_path) in empty.stderr
    shutil.rmtree(tmp_path)

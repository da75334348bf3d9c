"""Goal: every program and statement that the documents show runs as it stands, and does what it is said to do.
Method: the blocks of the documents in their order, against a server of their own; only the address is another one.
"""
import json
import re
import shlex
import shutil
import subprocess
import sys
from glob import glob

import duckdb
import pytest
from conftest import BUILD, PROGRAM, ROOT, blocks

from proximadb import ProximaDBClient


def run_python(server, program):
    return server.run([sys.executable, "-"], program.replace("localhost:5678", server.address))


def test_readme__python_and_the_files(server):
    example, files = blocks("README.md", "python")
    printed = run_python(server, example).splitlines()
    assert len(printed) == 6                # five hits and the count
    assert "text 3 {'category': 'net'" in printed[0]
    assert printed[-1] == "990"

    with ProximaDBClient(server.address) as client:
        client.flush("docs")
    (server.folder / "docs.sql").write_text(server.sql("docs"))
    shown = run_python(server, files)
    assert "fixed_size_list<element: float" in shown
    assert "1 INSERT 1000" in shown and "1001 UPDATE 1" in shown and "1002 DELETE 10" in shown

    command = next(line.strip() for line in (ROOT / "docs/format/wal.md").read_text().splitlines() if "python3 -c" in line)
    log = glob(f"{server.folder}/data/wal/docs/*.wal")[0]
    assert "1 INSERT 1000" in server.run([sys.executable, *shlex.split(command)[1:-1], log])


@pytest.mark.skipif(not PROGRAM.exists(), reason="the build has no proximadb")
def test_readme__commands(server):
    """Those that look at files; serve and check are what every test here begins and ends with."""
    run_python(server, blocks("README.md", "python")[0])
    with ProximaDBClient(server.address) as client:
        client.flush("docs")
    values = {"NAME": "docs", "DIR": "data"}
    told = re.findall(r"^\| `(proximadb (?:inspect|version)[^`]*)`", (ROOT / "README.md").read_text(), re.M)
    assert len(told) == 4
    for command in told:
        folder, suffix = ("wal/docs", "wal") if " wal " in command else ("store/docs/vectors/cluster_000", "parquet")
        values["FILE"] = glob(f"{server.folder}/data/{folder}/*.{suffix}")[0]
        for option in ([], ["--sql"]) if "[--sql]" in command else ([],):
            words = [values.get(word, word) for word in command.split() if word != "[--sql]"]
            assert server.run([*words, *option]).strip(), command


def test_readme__curl(server):
    create, insert, search, count, others = blocks("README.md", "sh")[0].splitlines()
    answers = [json.loads(server.run(["curl", "-sS", "-f", *shlex.split(line)[1:]]))
               for line in (create, insert, search, count)]
    assert answers[0]["name"] == "notes" and answers[1]["affected"] == 1
    assert [hit["id"] for hit in answers[2]["hits"]] == ["a"] and answers[3] == {"count": 1}
    shown = server.run(["curl", "-sS", "-f", *shlex.split(others)[1:]])
    assert "ok\n" in shown and 'proximadb_vectors{collection="notes"} 1' in shown


def test_readme__c(tmp_path):
    (tmp_path / "example.c").write_text(blocks("README.md", "c")[0])
    subprocess.run([shutil.which("cc"), "-std=gnu17", "-Wall", "-Wextra", "-Werror", "example.c", f"-I{ROOT}/include",
                    f"-L{BUILD}", f"-Wl,-rpath,{BUILD}", "-lproximadb", "-o", "example"], cwd=tmp_path, check=True)
    for _ in range(2):                      # the second time there is a collection already
        shown = subprocess.run(["./example"], cwd=tmp_path, check=True, capture_output=True, text=True)
        assert shown.stdout == "a 0\n"


def test_client_readme__first_example(server):
    shown = run_python(server, blocks("sdk/python/README.md", "python")[0]).splitlines()
    assert len(shown) == 5 + 1000 - 199     # five hits, and a scan of what was not deleted


def test_viper__sql_by_hand_gives_the_live_rows(server, monkeypatch):
    """Rows that were replaced and deleted since they were flushed are left out, and nothing else."""
    statement = blocks("docs/format/viper.md", "sql")[0]
    run_python(server, blocks("README.md", "python")[0])
    with ProximaDBClient(server.address) as client:
        client.flush("docs")
        top = [hit.id for hit in client.scan("docs", filter="price > 9.85", include_vectors=False)]
        client.update("docs", top[:1], metadata=[{"price": 50.0}])
        client.delete("docs", top[1:2])
        client.flush("docs")
        rows = {row.id: row for row in client.scan("docs", include_vectors=False)}
    monkeypatch.chdir(server.folder)
    connection = duckdb.connect()
    for part in statement.split(";"):
        if part.strip():
            best = connection.execute(part)
    best = best.fetchall()
    expected = sorted(rows.values(), key=lambda row: -row.metadata["price"])[:3]
    assert [(row.id, row.version, row.metadata["category"], row.metadata["price"], row.document) for row in expected] == best

    everything = statement.replace("ORDER BY part.m_price DESC LIMIT 3", "").split(";")
    assert {row[0] for row in connection.execute(everything[-2]).fetchall()} == set(rows)

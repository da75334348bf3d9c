"""readers: five programs that read a collection's files, each in its own way, and give its live rows in one form.

    rows = READERS["polars"](folder)        # of the collection docs in folder/data: {id: row}

A row has its columns by name: the vector as bytes of float32, times in milliseconds, the rest as Python's values.
DuckDB, pyarrow and polars are asked by the programs of docs/READING.md; parquet-java and hyparquet by those beside this file.
"""
import json
import os
import re
import struct
import subprocess
from pathlib import Path

import downloads
import duckdb
import numpy

ROOT = downloads.ROOT
PROGRAMS = Path(__file__).parent / "readers"
RUN_SECONDS = 120
JARS = [
    ("org/apache/parquet/parquet-hadoop-bundle/1.15.2/parquet-hadoop-bundle-1.15.2.jar",
     "220f830593084f7ee2d2b839beda501d20af551fd20cf368cda99fdc3d9431eb"),
    ("org/apache/hadoop/hadoop-client-api/3.4.1/hadoop-client-api-3.4.1.jar",
     "a964d4daa054c9615bbafb4553efbb140fa7fb9ac6f358a24393f183a5703438"),
    ("org/apache/hadoop/hadoop-client-runtime/3.4.1/hadoop-client-runtime-3.4.1.jar",
     "f6a800a159f918670db533606d33560d6c13b7e13f14eda493280ae33b9eeb2f"),
    ("com/github/luben/zstd-jni/1.5.6-6/zstd-jni-1.5.6-6.jar",
     "1f85db623bf653860d10e13e7b1ca6609301f66994dc93784c92a66019516bb9"),
    ("org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar",
     "d3ef575e3e4979678dc01bf1dcce51021493b4d11fb7f1be8ad982877c16a1c0"),
    ("org/slf4j/slf4j-nop/1.7.36/slf4j-nop-1.7.36.jar",
     "c214958b07816cb4412b30c7bdbd4308ffdc6ba2a83767b8f3a9229cbd9274d6"),
    ("commons-logging/commons-logging/1.2/commons-logging-1.2.jar",
     "daddea1ea0be0f56978ab3006b8ac92834afeefbd9b7e4e6316fca57df0fa636"),
]
TIMES = ("timestamp", "expires_at")


# ---- programs of docs/READING.md ----

def recipe(heading, language):
    """The program below that heading."""
    section = (ROOT / "docs/READING.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.search(rf"^```{language}\n(.*?)^```", section, re.M | re.S)[1]


def in_folder(folder, run):
    """What `run` gives in that folder."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        return run()
    finally:
        os.chdir(before)


def plain(row):
    made = {key: value for key, value in row.items() if key != "vector"}
    made["vector"] = numpy.asarray(row["vector"], numpy.float32).tobytes()
    for name in TIMES:
        made[name] = row[name] if row[name] is None else round(row[name].timestamp() * 1000)
    return made


def by_id(rows):
    """Each id once."""
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def run_python(heading, folder):
    names = {"print": lambda *_: None}
    in_folder(folder, lambda: exec(recipe(heading, "python"), names))
    return names["rows"]


def read_pyarrow(folder):
    return by_id([plain(row) for row in run_python("pyarrow", folder).to_pylist()])


def read_polars(folder):
    return by_id([plain(row) for row in run_python("polars", folder).to_dicts()])


def read_duckdb(folder):
    statement = recipe("DuckDB", "sql")
    if not manifest(folder)["deletes"]:             # as the document says
        statement = statement.split("    AND NOT EXISTS")[0] + ";"
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for part in statement.split(";"):
        if part.strip():
            result = in_folder(folder, lambda part=part: connection.execute(part))
    names = [column[0] for column in result.description]
    return by_id([plain(dict(zip(names, row))) for row in in_folder(folder, result.fetchall)])


# ---- programs of their own ----

def manifest(folder):
    return json.loads((folder / "data/store/docs/MANIFEST.json").read_text())


def run_java(*words):
    path = ":".join(str(downloads.jar(*one)) for one in JARS)
    classes = downloads.java_classes(PROGRAMS / "LiveRows.java", path)
    return output(["java", *downloads.JAVA_OPTIONS, "-cp", f"{path}:{classes}", "LiveRows", *words])


def run_node(*words):
    return output(["node", downloads.node_folder(PROGRAMS) / "live_rows.mjs", *words])


def output(command):
    done = subprocess.run(command, capture_output=True, timeout=RUN_SECONDS)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return done.stdout.decode()


def read_by_program(run):
    """The reader that calls it with the files that the manifest lists."""
    def read(folder):
        parts, deletes = ([file["path"] for file in manifest(folder)[key]] for key in ("parts", "deletes"))
        lines = run(folder / "data/store/docs", *parts, "--", *deletes).split("\n")
        return by_id([from_line(json.loads(line)) for line in lines if line])
    return read


def from_line(row):
    row["vector"] = numpy.array([int(row["vector"][i:i + 8], 16) for i in range(0, len(row["vector"]), 8)], "<u4").tobytes()
    for name in ("version", *TIMES, "m_year", "m_late"):
        if row.get(name) is not None:
            row[name] = int(row[name])
    if row.get("m_price") is not None:
        row["m_price"] = struct.unpack(">d", bytes.fromhex(row["m_price"]))[0]
    return row


READERS = {"pyarrow": read_pyarrow, "polars": read_polars, "duckdb": read_duckdb,
           "parquet-java": read_by_program(run_java), "hyparquet": read_by_program(run_node)}

"""Goal: five independent readers of Parquet (pyarrow, DuckDB, polars, parquet-java, hyparquet) get from a collection's files
exactly the rows that the server gives, in every storage profile: ids, versions, vectors bit for bit, metadata, documents and
times, deleted, superseded and expired rows left out. And what is there to skip by (statistics, page indexes, bloom filters) makes
them skip.
Method: a random history of writes, flushes and compactions; then all readers against a scan (readers.py has how each reads).

    cmake --build BUILD --target engine_server && PX_BUILD=BUILD pytest tests/interop/test_matrix.py

PX_TEST_SEED   repeats a run
PX_STEPS       writes of a history; default 90
"""
import json
import os
import subprocess
import sys

import duckdb
import numpy
import pyarrow.dataset
import pytest
from engine import Engine
from exact import exact
from history import ALL_FIELDS, DIMS, FIELDS, SEED, History
from pyarrow import parquet
from readers import READERS, manifest, run_java, run_node

STEPS = int(os.environ.get("PX_STEPS", "90"))
# Keywords of create_collection, one line for each way in which a collection may be stored.
PROFILES = [
    {"storage": "balanced"},
    {"storage": "compact"},
    {"storage": "exact"},
    {"storage": "exact", "layout": "plain"},
]


def name_of(profile):
    return "-".join(map(str, profile.values()))


# ---- rows ----

def comparable(row):
    """A row of a reader: the metadata out of its columns and the JSON."""
    metadata = json.loads(row["metadata"]) if row["metadata"] is not None else {}
    metadata |= {key[2:]: value for key, value in row.items() if key.startswith("m_") and value is not None}
    return (row["version"], row["vector"], exact(metadata), row["document"], row["timestamp"], row["expires_at"])


def scanned(client):
    return {row.id: (row.version, row.vector.tobytes(), exact(dict(row.metadata)), row.document, row.timestamp, row.expires_at)
            for row in client.scan("docs")}


# ---- the matrix ----

@pytest.fixture(scope="module", params=PROFILES, ids=name_of)
def collection(request, tmp_path_factory):
    """The folder of a collection with a history, and the rows that the server gives."""
    print(f"PX_TEST_SEED={SEED}")
    folder = tmp_path_factory.mktemp("matrix")
    with Engine(folder / "data") as engine:
        engine.client.create_collection("docs", DIMS, metric="l2", filterable=FIELDS, **request.param)
        history = History(engine.client, request.param["storage"])
        history.insert()
        engine.client.flush("docs")     # a part without the field that comes now
        engine.client.update_collection("docs", ALL_FIELDS)
        for step in range(1, STEPS + 1):
            history.step()
            if step % 7 == 0:
                engine.client.flush("docs")
            if step == STEPS // 2:
                engine.client.compact("docs", cluster_count=3)
        engine.client.flush("docs")
        yield folder, scanned(engine.client)


def test_matrix__the_history_has_everything_that_may_go_wrong(collection):
    folder, rows = collection
    found = manifest(folder)
    assert len(rows) > 100 and len(found["parts"]) > 3 and found["deletes"]
    clusters = {part["cluster"] for part in found["parts"]}
    assert 0 in clusters and max(clusters) > 0
    assert sum(part["row_count"] for part in found["parts"]) > found["live_row_count"] > len(rows), "dead and expired rows"


@pytest.mark.parametrize("reader", READERS)
def test_matrix__reads_what_the_server_gives(collection, reader):
    folder, expected = collection
    found = {name: comparable(row) for name, row in READERS[reader](folder).items()}
    assert found.keys() == expected.keys()
    for name, row in found.items():
        assert row == expected[name], name


# ---- skipping ----

ROWS = 5000
ABSENT = "row-02500x"           # between two ids that are there
PRESENT = "row-02500"


@pytest.fixture(scope="module", params=PROFILES, ids=name_of)
def part(request, tmp_path_factory):
    """A part of many pages, whose ids, versions and years rise."""
    folder = tmp_path_factory.mktemp("skipping")
    with Engine(folder / "data") as engine:
        engine.client.create_collection("docs", DIMS, filterable={"year": "long"}, **request.param)
        vectors = numpy.random.default_rng(SEED).standard_normal((ROWS, DIMS)).astype(numpy.float32)
        engine.client.insert("docs", vectors, ids=[f"row-{i:05d}" for i in range(ROWS)],
                             metadata=[{"year": i // 100} for i in range(ROWS)])
        engine.client.flush("docs")
    return folder / "data/store/docs" / manifest(folder)["parts"][0]["path"]


def test_skipping__pyarrow_reads_no_row_group_out_of_bounds(part):
    found = parquet.read_metadata(part).row_group(0)
    bounds = {found.column(i).path_in_schema: found.column(i).statistics for i in range(found.num_columns)}
    assert (bounds["id"].min, bounds["id"].max) == ("row-00000", f"row-{ROWS - 1:05d}")
    assert (bounds["m_year"].min, bounds["m_year"].max) == (0, ROWS // 100 - 1)
    fragment, = pyarrow.dataset.dataset(part).get_fragments()
    field = pyarrow.dataset.field
    for inside, outside in ((field("m_year") == 3, field("m_year") == 50), (field("id") == PRESENT, field("id") == "sow"),
                            (field("version") == bounds["version"].max, field("version") > bounds["version"].max)):
        assert len(fragment.split_by_row_group(inside)) == 1 and fragment.split_by_row_group(outside) == []


def test_skipping__duckdb_uses_the_bloom_filter(part):
    def probe(value):
        return duckdb.execute("SELECT bloom_filter_excludes FROM parquet_bloom_probe(?, 'id', ?)", [str(part), value]).fetchall()
    assert probe(PRESENT) == [(False,)]
    assert sum(probe(f"{ABSENT}{i}") == [(True,)] for i in range(20)) > 15
    stored = duckdb.execute("SELECT path_in_schema, stats_min_value, stats_max_value, bloom_filter_offset IS NOT NULL "
                            "FROM parquet_metadata(?) WHERE path_in_schema IN ('id', 'm_year')", [str(part)]).fetchall()
    assert sorted(stored) == [("id", "row-00000", f"row-{ROWS - 1:05d}", True), ("m_year", "0", str(ROWS // 100 - 1), False)]


def test_skipping__polars_reads_no_row_group_out_of_bounds(part):
    program = "import polars, sys; print(polars.scan_parquet(sys.argv[1]).filter(polars.col('m_year') == int(sys.argv[2])).collect().height)"
    def run(year):
        done = subprocess.run([sys.executable, "-c", program, part, str(year)], capture_output=True, text=True, check=True,
                              env={**os.environ, "POLARS_VERBOSE": "1"})
        return int(done.stdout), "reading 0 / 1 row groups" in done.stderr
    assert run(3) == (100, False) and run(50) == (0, True)


def test_skipping__parquet_java_uses_statistics_bloom_filters_and_page_indexes(part):
    """Rows that are left by each of the three alone."""
    asked = [("id", "sow"), ("version", str(1 << 40)), ("id", ABSENT), ("id", PRESENT)]
    lines = run_java("--pages", part, *(word for pair in asked for word in pair)).splitlines()
    above, late, absent, present = ([int(number) for number in line.split()] for line in lines)
    assert above[0] == late[0] == 0 and absent[:2] == [ROWS, 0]
    everything, bloom, pages = present
    assert everything == bloom == ROWS and 1 <= pages <= 512


def test_ranges__parquet_java_finds_the_rows_as_spark_and_hadoop_ask_for_them(part):
    """They give each task a range of bytes, and a row group belongs to the range that has its middle."""
    assert int(run_java("--range", part)) == ROWS


def test_skipping__hyparquet_uses_page_indexes_and_bloom_filters(part):
    """Bytes that are read without and with page indexes, and rows found with bloom filters."""
    without, with_indexes, rows = map(int, run_node("--pages", part, "id", PRESENT).split())
    assert with_indexes < without / 2 and rows == 1
    assert run_node("--pages", part, "id", ABSENT).split()[2] == "0"

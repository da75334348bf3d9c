"""Goal: the files of a collection say to anybody what the server says. pyarrow, DuckDB and polars read every part, with the
vectors bit by bit as they were inserted, or as the storage profile rounds them; the SQL that `inspect collection --sql` prints gives the live rows, no more and no
less, after inserts, updates, deletes, flushes and compactions; a filter means the same in DuckDB on the parts as in the
server; delete files are Iceberg's position deletes; and the collection's JSON has the fields that it is described by.
Method: under each storage profile a random history through the SDK, with a model of what must be there. At every checkpoint all files are read.

    cmake --build BUILD --target engine_server libproximadb && PX_BUILD=BUILD pytest tests/interop/test_open_files.py

PX_TEST_SEED   repeats a run
PX_STEPS       writes of a history; default 90
"""
import datetime
import json
import os
import random
import time

import numpy
import pytest
from engine import Engine, inspect_sql
from exact import exact
from history import ALL_FIELDS, DIMS, FIELDS, SEED, History

duckdb = pytest.importorskip("duckdb")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

STEPS = int(os.environ.get("PX_STEPS", "90"))
CHECKPOINT = 30                 # steps between two
PROFILES = [("balanced", None), ("compact", None), ("exact", "compressed"), ("exact", "plain")]
DELETE_COLUMNS = {"file_path": (2147483546, "string"), "pos": (2147483545, "int64")}


def to_ms(moment):
    return moment if moment is None else round(moment.timestamp() * 1000)


# ---- comparing ----

def bits(values):
    return numpy.asarray(values, numpy.float32).tobytes()


def merged_metadata(row):
    """A row's metadata out of the JSON and the columns of the fields; what has a column is in the JSON only if null."""
    found = json.loads(row["metadata"]) if row["metadata"] is not None else {}
    for column, value in row.items():
        if column.startswith("m_") and value is not None:
            assert column[2:] not in found
            found[column[2:]] = value
    return found


def check_row(row, expected, live):
    """A row of a part, read by anybody, as a dict of columns."""
    assert bits(row["vector"]) == expected.vector.tobytes()
    assert row["document"] == expected.document
    assert to_ms(row["timestamp"]) == expected.timestamp
    assert to_ms(row["expires_at"]) == expected.expires_at
    assert exact(merged_metadata(row)) == exact(expected.metadata), live


class Files:
    """The files of the collection."""

    def __init__(self, folder, history):
        self.folder, self.history = folder, history
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.parts = [path for path in self.listed() if path.name.startswith("part_")]
        self.deletes = [path for path in self.listed() if path.parent.name == "deletes"]

    def listed(self):
        """The files that the manifest lists: what the store is. Others may be there while a reader holds an old state."""
        store = self.folder / "store/docs"
        manifest = json.loads((store / "MANIFEST.json").read_text())
        centroids = [manifest["centroids"]] if manifest.get("centroids") else []
        return sorted(store / file["path"] for file in [*manifest["parts"], *manifest["deletes"], *centroids])

    def ask(self, sql, params=None):
        result = self.connection.execute(sql, params)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row)) for row in result.fetchall()]

    def check_parts(self):
        """Every part by every reader, dead rows included: {(part, position): (id, version)}."""
        found = {}
        for path in self.parts:
            table = parquet.read_table(path, partitioning=None)
            rows = table.to_pylist()
            vectors = table["vector"].combine_chunks()
            assert vectors.type == pyarrow.list_(vectors.type.value_field, DIMS)
            for i, row in enumerate(rows):
                row["vector"] = vectors[i].values.to_numpy()
            by_duckdb = self.ask("SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)])
            frame = polars.read_parquet(path, hive_partitioning=False)
            assert frame.schema["vector"] == polars.Array(polars.Float32, DIMS)
            by_polars = frame.to_dicts()
            assert len(rows) == len(by_duckdb) == len(by_polars) > 0
            for row, *others in zip(rows, by_duckdb, by_polars):
                expected = self.history.versions[row["id"], row["version"]]
                check_row(row, expected, path)
                for other in others:
                    assert (other["id"], other["version"]) == (row["id"], row["version"])
                    check_row(other, expected, path)
            name = str(path.relative_to(self.folder / "store/docs"))
            found |= {(name, i): (row["id"], row["version"]) for i, row in enumerate(rows)}
        return found

    def check_deletes(self):
        """Iceberg's columns, by name and number; each names a row of a part."""
        rows_of = {str(path.relative_to(self.folder / "store/docs")): parquet.read_metadata(path).num_rows
                   for path in self.parts}
        dead = set()
        for path in self.deletes:
            schema = parquet.read_schema(path)
            for name, (number, kind) in DELETE_COLUMNS.items():
                field = schema.field(name)
                assert str(field.type) == kind and not field.nullable
                assert int(field.metadata[b"PARQUET:field_id"]) == number
            for row in parquet.read_table(path).to_pylist():
                if row["file_path"] in rows_of:
                    assert row["pos"] < rows_of[row["file_path"]]
                    dead.add((row["file_path"], row["pos"]))
        return dead

    def live_rows(self):
        return self.ask(inspect_sql(self.folder, "docs"))

    def check_live_rows(self):
        """The SQL against the model and against the server."""
        rows = {row["id"]: row for row in self.live_rows()}
        expected = dict(self.history.rows())
        assert rows.keys() == expected.keys()
        for name, row in rows.items():
            assert row["version"] == self.history.live[name]
            check_row(row, expected[name], "live")
        scanned = {row.id: row for row in self.history.client.scan("docs")}
        assert scanned.keys() == expected.keys()
        for name, row in scanned.items():
            assert row.version == self.history.live[name]
            assert row.vector.tobytes() == expected[name].vector.tobytes()
            assert exact(dict(row.metadata)) == exact(expected[name].metadata)

    def check_rows(self):
        """Each row that is not dead is live or has expired, and is there once; compaction has taken expired ones out."""
        stored, dead = self.check_parts(), self.check_deletes()
        left = [row for place, row in stored.items() if place not in dead]
        assert len({name for name, _ in left}) == len(left)
        assert all(self.history.live[name] == version for name, version in left)
        expired = {row for row in left if self.history.is_expired(row[0])}
        assert set(left) - expired == {(name, self.history.live[name]) for name, _ in self.history.rows()}
        return len(left)

    def check_description(self, row_count):
        """The fields of the collection's JSON."""
        found = json.loads((self.folder / "metadata/collections/docs.json").read_text())
        assert found["name"] == "docs" and found["dimension"] == DIMS and found["index_type"] == "HNSW"
        created = datetime.datetime.fromisoformat(found["created_at"])
        assert abs(time.time() - created.timestamp()) < 3600 and created.tzinfo is not None
        assert found["vector_count"] == row_count and isinstance(found["vector_count"], int)
        assert found["storage"]["profile"] == self.history.storage
        assert found["metric"] == "l2" and len(found["id"]) == 36


# The same text in the server, where {name} is the field, and in DuckDB, where it is its column.
FILTERS = [
    "{year} = 2024", "{year} != 2024", "NOT {year} = 2024", "{year} IN (0, 1, 2000)", "{year} NOT IN (0, 1, NULL)",
    "{year} BETWEEN -1 AND 2000", "{year} < {price}", "{price} >= 9.99 AND {price} < 1e10", "{price} = 0",
    "{word} = 'it''s'", "{word} LIKE 'x%'", "{word} LIKE '%\\_' ESCAPE '\\'", "{word} > 'm' OR {word} IS NULL",
    "{old}", "NOT {old} AND {year} > 1", "{old} IS NULL OR {price} IS NOT NULL", "{tags} IS NULL",
    "{word} IN ('db', 'net') AND NOT ({year} = 1999 OR {old})", "{late} IS NULL", "{late} > 3 OR {price} > 1",
]


def check_filters(files):
    """Each filter chooses the same rows, and all of them together some and not all."""
    live = inspect_sql(files.folder, "docs").rstrip().rstrip(";")
    chosen = set()
    for text in FILTERS:
        condition = text.format(**{name: name for name in ALL_FIELDS})
        ours = {row.id for row in files.history.client.scan("docs", filter=condition)}
        where = text.format(**{name: f"m_{name}" for name in ALL_FIELDS})
        theirs = {row["id"] for row in files.ask(f"SELECT id FROM ({live}) WHERE {where}")}
        assert ours == theirs, text
        chosen.add(len(ours))
    assert len(chosen) > 5


def check_all(engine, history):
    engine.client.flush("docs")
    files = Files(engine.folder, history)
    files.check_live_rows()
    row_count = files.check_rows()
    check_filters(files)
    files.check_description(row_count)
    return files


def check_folders(files):
    """After a compaction every part is in the folder of its cluster, and there are several."""
    manifest = json.loads((files.folder / "store/docs/MANIFEST.json").read_text())
    clusters = {part["cluster"] for part in manifest["parts"]}
    assert len(clusters) >= 2 and min(clusters) > 0
    assert {path.parent.name for path in files.parts} == {f"cluster_{number:03}" for number in clusters}


@pytest.mark.parametrize(("storage", "layout"), PROFILES)
def test_files__say_what_the_server_says(tmp_path, storage, layout):
    print(f"PX_TEST_SEED={SEED}")
    with Engine(tmp_path / "data") as engine:
        engine.client.create_collection("docs", DIMS, metric="l2", storage=storage, layout=layout, filterable=FIELDS)
        history = History(engine.client, storage)
        check_nothing(engine)
        history.insert()
        engine.client.flush("docs")     # a part without the field that comes now
        engine.client.update_collection("docs", ALL_FIELDS)
        for step in range(1, STEPS + 1):
            history.step()
            if step % 7 == 0:
                engine.client.flush("docs")
            if step % CHECKPOINT == CHECKPOINT // 2:
                engine.client.compact("docs", cluster_count=random.Random(step).choice([None, 1, 5]))
            if step % CHECKPOINT == 0:
                files = check_all(engine, history)
        assert files.deletes, "the history has no delete files"
        result = engine.client.compact("docs", cluster_count=4)
        assert result.cluster_count >= 2
        files = check_all(engine, history)
        check_folders(files)
        engine.stop()
        files = Files(engine.folder, history)
        assert sorted((engine.folder / "store/docs").rglob("*.parquet")) == files.listed()
        assert files.check_parts() and {row["id"] for row in files.live_rows()} == dict(history.rows()).keys()


def check_nothing(engine):
    """A collection without parts has the columns, and no rows."""
    connection = duckdb.connect()
    found = connection.execute(inspect_sql(engine.folder, "docs"))
    assert [column[0] for column in found.description][:3] == ["id", "version", "vector"]
    assert {column[0] for column in found.description} >= {f"m_{name}" for name in FIELDS}
    assert found.fetchall() == []

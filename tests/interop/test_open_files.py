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
from proximadb import CLEAR
from rounding import stored

duckdb = pytest.importorskip("duckdb")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
STEPS = int(os.environ.get("PX_STEPS", "90"))
CHECKPOINT = 30                 # steps between two
DIMS = 24
PROFILES = [("balanced", None), ("compact", None), ("exact", "compressed"), ("exact", "plain")]
FIELDS = {"word": "string", "year": "long", "price": "double", "old": "boolean", "tags": "string_array"}
ALL_FIELDS = {**FIELDS, "late": "long"}
WORDS = ["net", "db", "it's", "", "日本語", "a\nb", "x" * 300, "%_"]
DELETE_COLUMNS = {"file_path": (2147483546, "string"), "pos": (2147483545, "int64")}


def to_ms(moment):
    return moment if moment is None else round(moment.timestamp() * 1000)


class Row:
    """A version of a row as it was accepted."""

    def __init__(self, vector, metadata, document, timestamp, expires_at):
        self.vector, self.metadata, self.document = vector, metadata, document
        self.timestamp, self.expires_at = timestamp, expires_at


class History:
    """Random writes, what is live after them, and every version that ever was."""

    def __init__(self, client, storage):
        self.client, self.storage = client, storage
        self.random = random.Random(SEED)
        self.numbers = numpy.random.default_rng(SEED)
        self.live = {}              # id -> version
        self.versions = {}          # (id, version) -> Row
        self.made = 0

    # ---- random values

    def vectors(self, count):
        """Any bits that are a number: of either sign, subnormal, large; each row with a norm that float32 holds."""
        bits = self.numbers.integers(0, 2**32, (count, DIMS), numpy.uint32)
        exponent = (bits >> 23) & 0xff
        is_extreme = (exponent > 0x9f) | ((exponent > 0) & (exponent < 0x60))
        bits = numpy.where(is_extreme, (bits & 0x807f_ffff) | 0x3f80_0000, bits)
        bits[:, 0] = (bits[:, 0] & 0x807f_ffff) | 0x3f80_0000
        return bits.astype(numpy.uint32).view(numpy.float32)

    def value(self, kind):
        pick = self.random.choice
        return {"string": lambda: pick(WORDS),
                "long": lambda: pick([0, 1, -1, 1999, 2000, 2024, 2**63 - 1, -2**63]),
                "double": lambda: pick([0.0, -0.0, 0.5, 9.99, 10.0, 1e300, 5e-324, 0.1]),
                "boolean": lambda: pick([True, False]),
                "string_array": lambda: [pick(WORDS) for _ in range(self.random.randrange(4))]}[kind]()

    def metadata(self, fields):
        """Values that fit the filterable fields, some of them null or missing, and keys that have no column."""
        made = {}
        for name, kind in fields.items():
            if self.random.random() < 0.7:
                made[name] = None if self.random.random() < 0.1 else self.value(kind)
        for name in ("note", "späte", 'quo"te', "sub.key"):
            if self.random.random() < 0.3:
                made[name] = self.value(self.random.choice(list(FIELDS.values())))
        return made

    def document(self):
        return self.random.choice([None, "", "a text", "two\nlines", "日本語 😀" * 40])

    def expires_at(self):
        """Never, in a year that is far, or long ago."""
        return self.random.choice([None] * 6 + [4_000_000_000_000, 1_000])

    def some_ids(self, most):
        ids = sorted(self.live)
        return self.random.sample(ids, min(len(ids), self.random.randrange(1, most + 1)))

    # ---- writes

    def keep(self, ids, versions, rows):
        for name, version, row in zip(ids, versions.tolist(), rows, strict=True):
            self.live[name] = version
            self.versions[name, version] = row

    def put(self, call, ids):
        vectors = self.vectors(len(ids))
        rows = [Row(vector, self.metadata(FIELDS), self.document(), self.random.choice([1, 1_700_000_000_000]),
                    self.expires_at()) for vector in stored(vectors, self.storage)]
        result = call("docs", vectors, ids=ids, metadata=[row.metadata for row in rows],
                      documents=[row.document for row in rows], timestamps=[row.timestamp for row in rows],
                      expires_at=[row.expires_at for row in rows])
        self.keep(ids, result.versions, rows)

    def insert(self):
        count = self.random.choice([1, 3, 40, 300])
        ids = [f"{self.random.choice(['row', 'é', 'a/b'])}-{self.made + i}" for i in range(count)]
        self.made += count
        self.put(self.client.insert, ids)

    def upsert(self):
        self.put(self.client.upsert, self.some_ids(60))

    def update(self):
        """Of rows that have not expired: a vector, some metadata, the document, the expiry, or several of them."""
        ids = [name for name in self.some_ids(60) if not self.is_expired(name)]
        if not ids:
            return
        old = [self.versions[name, self.live[name]] for name in ids]
        vectors = self.vectors(len(ids)) if self.random.random() < 0.5 else None
        changes = [self.metadata(FIELDS) for _ in ids] if self.random.random() < 0.7 else None
        documents = [self.random.choice([None, "new", CLEAR]) for _ in ids]
        expires = self.random.choice([None, CLEAR, 5_000_000_000_000])
        result = self.client.update("docs", ids, vectors=vectors, metadata=changes, documents=documents, expires_at=expires)
        rows, vectors = [], vectors if vectors is None else stored(vectors, self.storage)
        for i, row in enumerate(old):
            merged = {**row.metadata, **(changes[i] if changes else {})}
            if changes:
                merged = {key: value for key, value in merged.items() if key not in changes[i] or value is not None}
            rows.append(Row(row.vector if vectors is None else vectors[i], merged,
                            {None: row.document, CLEAR: None}.get(documents[i], documents[i]), row.timestamp,
                            {None: row.expires_at, CLEAR: None}.get(expires, expires)))
        self.keep(ids, result.versions, rows)

    def delete(self):
        ids = self.some_ids(40)
        self.client.delete("docs", ids=[*ids, "unknown"])
        for name in ids:
            del self.live[name]

    def delete_by_filter(self):
        year = self.random.choice([0, 1, -1, 1999])
        chosen = [name for name, row in self.rows() if row.metadata.get("year") == year and row.metadata.get("old") is True]
        assert self.client.delete("docs", filter="year = $year AND old", params={"year": year}) == len(chosen)
        for name in chosen:
            del self.live[name]

    def is_expired(self, name):
        expires_at = self.versions[name, self.live[name]].expires_at
        return expires_at is not None and expires_at < time.time() * 1000

    def rows(self):
        """Of those that a reader sees."""
        return [(name, self.versions[name, version]) for name, version in self.live.items() if not self.is_expired(name)]

    def step(self):
        weights = {self.insert: 5, self.upsert: 3, self.update: 5, self.delete: 2, self.delete_by_filter: 1}
        self.random.choices(list(weights), list(weights.values()))[0]()


# ---- comparing ----

def bits(values):
    return numpy.asarray(values, numpy.float32).tobytes()


def exact(value):
    """Compares with types and bits: 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    if isinstance(value, float):
        return ("float", numpy.float64(value).tobytes())
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)


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
        """Every part by every reader, dead rows included."""
        total = 0
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
            total += len(rows)
        return total

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
        return len(dead)

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
        return len(rows)

    def check_description(self):
        """The fields of the collection's JSON."""
        found = json.loads((self.folder / "metadata/collections/docs.json").read_text())
        assert found["name"] == "docs" and found["dimension"] == DIMS and found["index_type"] == "HNSW"
        created = datetime.datetime.fromisoformat(found["created_at"])
        assert abs(time.time() - created.timestamp()) < 3600 and created.tzinfo is not None
        assert found["vector_count"] == len(self.history.live) and isinstance(found["vector_count"], int)
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
    stored, dead, live = files.check_parts(), files.check_deletes(), files.check_live_rows()
    expired = len(history.live) - len(history.rows())
    assert stored == dead + live + expired
    check_filters(files)
    files.check_description()
    return files


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
        assert {path.parent.name for path in files.parts} >= {"cluster_001", "cluster_002"}
        engine.stop()
        files = Files(engine.folder, history)
        assert sorted((engine.folder / "store/docs").rglob("*.parquet")) == files.listed()
        assert files.check_parts() > 0 and {row["id"] for row in files.live_rows()} == dict(history.rows()).keys()


def check_nothing(engine):
    """A collection without parts has the columns, and no rows."""
    connection = duckdb.connect()
    found = connection.execute(inspect_sql(engine.folder, "docs"))
    assert [column[0] for column in found.description][:3] == ["id", "version", "vector"]
    assert {column[0] for column in found.description} >= {f"m_{name}" for name in FIELDS}
    assert found.fetchall() == []

"""Goal: a filter means in the engine what the same text means in DuckDB over typed columns, and what SQL says.
Method: random filters over random rows, evaluated by the engine (tests/tools/filter_eval), by DuckDB, and by the
evaluator of filter_oracle.py. Any difference fails the test with the text and the row.

    cmake --build BUILD --target filter_eval && PX_BUILD=BUILD pytest tests/interop/test_filter_duckdb.py

PX_FILTER_COUNT   filters of each test; default 1500
PX_TEST_SEED      repeats a run
"""
import json
import os
import random
import subprocess
from pathlib import Path

import filter_oracle
import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNT = int(os.environ.get("PX_FILTER_COUNT", "1500"))
SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
TABLE_COUNT = 20
ROW_COUNT = 30

COLUMN_TYPES = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", list: "VARCHAR[]"}
FIELD_TYPES = {str: "string", int: "long", float: "double", bool: "boolean", list: "string_array"}


class Engine:
    """The helper program: a line in, a line out."""

    def __init__(self):
        program = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")) / "tests/filter_eval"
        if not program.exists():
            pytest.skip(f"{program} is not built")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, text, params, rows, fields=None):
        request = {"filter": text, "params": params, "rows": rows}
        if fields is not None:
            request["fields"] = fields
        self.process.stdin.write(json.dumps(request, ensure_ascii=False).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "values" in answer, f"{answer}\nfilter: {text}\nparams: {params}\nPX_TEST_SEED={SEED}"
        return [{"T": True, "F": False, "U": None}[letter] for letter in answer["values"]]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0


@pytest.fixture
def engine():
    engine = Engine()
    yield engine
    engine.close()


def check_equal(got, expected, who, text, params, rows):
    for row, one, other in zip(rows, got, expected, strict=True):
        assert one is other, (f"the engine says {one}, {who} says {other}\nfilter: {text}\nparams: {params}\n"
                              f"row: {row}\nPX_TEST_SEED={SEED}")


def make_tables(source, connection):
    """Random rows, and each set of them as a table of DuckDB."""
    names = ", ".join('"' + name.replace('"', '""') + '" ' + COLUMN_TYPES[kind]
                      for name, kind in filter_oracle.TYPED.items())
    tables = []
    for number in range(TABLE_COUNT):
        rows = [source.row() for _ in range(ROW_COUNT)]
        connection.execute(f"CREATE TABLE rows{number} (nr INTEGER, {names})")
        marks = ", ".join("?" * (len(filter_oracle.TYPED) + 1))
        connection.executemany(f"INSERT INTO rows{number} VALUES ({marks})",
                               [[nr, *(row.get(name) for name in filter_oracle.TYPED)]
                                for nr, row in enumerate(rows)])
        tables.append(rows)
    return tables


def ask_duckdb(connection, number, text, params):
    query = f"SELECT CAST(({text}\n) AS BOOLEAN) FROM rows{number} ORDER BY nr"
    return [row[0] for row in connection.execute(query, params).fetchall()]


def test_filter__means_what_duckdb_means(engine):
    duckdb = pytest.importorskip("duckdb")
    print(f"PX_TEST_SEED={SEED}")
    source = filter_oracle.Source(SEED, mixed=False)
    connection = duckdb.connect()
    tables = make_tables(source, connection)
    fields = {name: FIELD_TYPES[kind] for name, kind in filter_oracle.TYPED.items()
              if name.isidentifier()}
    seen = set()
    for nr in range(COUNT):
        tree = source.tree(source.random.randrange(4))
        params = filter_oracle.params_of(tree)
        writer = filter_oracle.Writer(source, sql=False)
        text = writer.tree(tree)
        sql = filter_oracle.Writer(source, sql=True).tree(tree)
        number = nr % TABLE_COUNT
        rows = tables[number]
        got = engine.ask(text, params, rows, fields if nr % 2 else None)
        seen.update(got)
        check_equal(got, [filter_oracle.evaluate(tree, row) for row in rows], "the oracle", text, params, rows)
        check_equal(got, ask_duckdb(connection, number, sql, params), "DuckDB", text, params, rows)
    assert seen == {True, False, None} or COUNT < 10


def test_filter__is_exact_over_mixed_types(engine):
    """Fields without a type, and numbers that no double holds: outside what DuckDB's columns can say."""
    print(f"PX_TEST_SEED={SEED}")
    source = filter_oracle.Source(SEED, mixed=True)
    for nr in range(COUNT):
        tree = source.tree(source.random.randrange(4))
        params = filter_oracle.params_of(tree)
        text = filter_oracle.Writer(source, sql=False).tree(tree)
        rows = [source.row() for _ in range(10)]
        got = engine.ask(text, params, rows)
        check_equal(got, [filter_oracle.evaluate(tree, row) for row in rows], "the oracle", text, params, rows)

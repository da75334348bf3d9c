"""bench/to_indexed: from the first durable insert to a fully indexed collection.

The clock starts before the first batch of 1,000 rows and runs until every row is acknowledged and
in the index. Ours is loaded through the SDK and indexes while rows come in; it is done when the
collection says that no row is left to be indexed. Qdrant Edge is loaded in process and optimised;
pgvector by COPY, a commit a batch, with its HNSW index made behind it, on all cores, which is its
quickest way. Each is asked some queries at the end, so that a rate has its recall beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np
import proximadb
import pyarrow as pa
import pyarrow.parquet as pq

from lib import postgres
from lib.checks import check_count
from lib.contest import PYTHON as ANN_PYTHON
from lib.load import BATCH_ROWS, COLLECTION, create, insert_all
from lib.options import Measurement, run_program
from lib.report import Column, Goal, Report
from lib.rows import Rows, load_rows
from lib.server import Server
from lib.sets import row_numbers
from lib.stats import Run, grouped, median_run
from lib.workspace import ROOT, BenchError, scratch_folder, tree_bytes
from measure.clustering import nearest_rows

K = 10
POLL_S = 0.1
LONGEST_WAIT_S = 3_600.0
EF = 100  # of the peers' searches
WANTED_RATIO = 3.0
PEERS = ("qdrant-edge", "pgvector")
# As large as an index of the rows needs it, and all cores; PostgreSQL's defaults are made for less.
INDEX_SETTINGS = ("maintenance_work_mem = '4GB'", "max_parallel_maintenance_workers = {cores}")
CREATE_INDEX = (
    "CREATE INDEX ON items USING hnsw (embedding vector_cosine_ops) "
    "WITH (m = 16, ef_construction = 64)"
)
COLUMNS = (
    Column("system", "system", "s"),
    Column("loaded_s", "all rows in s", ",.1f"),
    Column("indexed_s", "all indexed s", ",.1f"),
    Column("rows_s", "rows/s", ",.0f"),
    Column("disk_bytes_row", "disk B/row", ",.0f"),
    Column("recall", "recall@10", ".3f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--batch", type=int, default=BATCH_ROWS, help="rows of a call; %(default)s")
    parser.add_argument("--queries", type=int, default=100, help="asked at the end; %(default)s")
    parser.add_argument("--peers", default=",".join(PEERS), help="default %(default)s")


MEASUREMENT = Measurement(
    "to_indexed",
    "From the first durable insert to a fully indexed collection",
    runs=1,
    rows=1_000_000,
    more=_options,
)


def rows_to_index(info: Any) -> int:
    """How many rows of a collection are not in its index. BenchError if it does not say."""
    lag: int | None = getattr(info, "index_lag", None)
    if lag is None:
        raise BenchError("get_collection() does not tell how many rows are left to be indexed")
    return lag


def wait_until_indexed(client: proximadb.ProximaDBClient, name: str) -> None:
    """BenchError if that takes an hour."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while rows_to_index(client.get_collection(name)) > 0:
        if time.monotonic() > deadline:
            raise BenchError(f"not all rows were indexed within {LONGEST_WAIT_S:.0f} s")
        time.sleep(POLL_S)


def _recall(found: list[list[int]], truth: Any) -> float:
    hits = [len(set(rows) & set(near)) for rows, near in zip(found, truth.tolist(), strict=True)]
    return sum(hits) / (K * len(hits))


def _run(system: str, times_s: tuple[float, float], rows: Rows, disk: int, recall: float) -> Run:
    loaded_s, indexed_s = times_s
    return {
        "system": system,
        "loaded_s": loaded_s,
        "indexed_s": indexed_s,
        "rows_s": len(rows) / indexed_s,
        "disk_bytes_row": disk / len(rows),
        "recall": recall,
    }


def _proximadb(rows: Rows, truth: Any, options: Namespace) -> tuple[Run, str]:
    os.sync()
    with (
        scratch_folder(options.folder, "indexed") as scratch,
        Server(scratch / "data") as server,
        server.client() as client,
    ):
        create(client, index_type="HNSW")
        began = time.perf_counter()
        insert_all(client, rows, options.batch)
        loaded_s = time.perf_counter() - began
        wait_until_indexed(client, COLLECTION)
        indexed_s = time.perf_counter() - began
        check_count(client, COLLECTION, len(rows))
        hits = [client.search(COLLECTION, query, k=K) for query in rows.queries]
        found = [row_numbers([hit.id for hit in each]).tolist() for each in hits]
        disk = tree_bytes(server.data)
    recall = _recall(found, truth)
    return _run("proximadb", (loaded_s, indexed_s), rows, disk, recall), "defaults"


def _qdrant_edge(rows: Rows, truth: Any, options: Namespace) -> tuple[Run, str]:
    os.sync()
    with scratch_folder(options.folder, "indexed-qdrant") as scratch:
        paths = [scratch / name for name in ("rows.parquet", "vectors.npy", "queries.npy")]
        columns: dict[str, Any] = {"id": rows.ids, "document": rows.documents}
        for name in rows.metadata[0]:
            columns[name] = [fields[name] for fields in rows.metadata]
        pq.write_table(pa.table(columns), paths[0])
        np.save(paths[1], rows.vectors)
        np.save(paths[2], rows.queries)
        shard = scratch / "shard"
        script = ROOT / "bench/peers/index_qdrant_edge.py"
        command = [ANN_PYTHON, script, *paths, shard, str(options.batch), str(EF)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"qdrant-edge failed: {done.stderr.strip()[-1000:]}")
        answer = json.loads(done.stdout.splitlines()[-1])
        if answer["rows"] != len(rows):
            raise BenchError(f"qdrant-edge has {answer['rows']} rows of {len(rows)}")
        times_s = answer["loaded_s"], answer["indexed_s"]
        recall = _recall(answer["nearest"], truth)
        run = _run("qdrant-edge", times_s, rows, tree_bytes(shard), recall)
    return run, f"{answer['description']}, ef {EF}"


def _pgvector(rows: Rows, truth: Any, options: Namespace) -> tuple[Run, str]:
    os.sync()
    with (
        scratch_folder(options.folder, "indexed-pgvector") as scratch,
        postgres.Postgres(scratch) as cluster,
        cluster.connect() as connection,
    ):
        postgres.create_table(connection)
        for setting in INDEX_SETTINGS:
            connection.execute(("SET " + setting.format(cores=os.cpu_count())).encode())
        began = time.perf_counter()
        for batch in rows.batches(options.batch):
            postgres.copy_batch(connection, batch)
        loaded_s = time.perf_counter() - began
        connection.execute(CREATE_INDEX)
        indexed_s = time.perf_counter() - began
        connection.execute(f"SET hnsw.ef_search = {EF}".encode())
        found = [_pgvector_nearest(connection, query) for query in rows.queries]
        disk = tree_bytes(cluster.data)
        description = postgres.describe(connection)
    run = _run("pgvector", (loaded_s, indexed_s), rows, disk, _recall(found, truth))
    return run, f"{description}; m 16, ef_construction 64, ef_search {EF}"


def _pgvector_nearest(connection: Any, query: Any) -> list[int]:
    text = "[" + ",".join(map(repr, query.tolist())) + "]"
    statement = "SELECT id FROM items ORDER BY embedding <=> %s::vector LIMIT %s"
    rows = connection.execute(statement, (text, K)).fetchall()
    numbers: list[int] = row_numbers([row[0] for row in rows]).tolist()
    return numbers


SYSTEMS = {"proximadb": _proximadb, "qdrant-edge": _qdrant_edge, "pgvector": _pgvector}


def goals_of(runs: list[Run]) -> list[Goal]:
    """How many times quicker ours is than each peer, by medians."""
    medians = {group[0]["system"]: median_run(group) for group in grouped(runs, ["system"])}
    ours = medians["proximadb"]["indexed_s"]
    return [
        Goal(f"{name} / proximadb", run["indexed_s"] / ours, WANTED_RATIO, is_least=True)
        for name, run in medians.items()
        if name != "proximadb"
    ]


def measure(options: Namespace) -> None:
    """All runs, the systems in turn."""
    peers = [name for name in options.peers.split(",") if name]
    unknown = set(peers) - set(PEERS)
    if unknown:
        raise BenchError(f"there is no peer {', '.join(sorted(unknown))}")
    rows = load_rows(options.datasets, options.rows).with_queries(options.queries)
    truth = nearest_rows(rows.vectors, rows.queries, K)
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    report.note("rows", f"{len(rows):,} in batches of {options.batch:,}; {rows.origin}")
    runs: list[Run] = []
    settings: dict[str, str] = {}
    for _ in range(options.runs):
        for name in ("proximadb", *peers):
            run, settings[name] = SYSTEMS[name](rows, truth, options)
            runs.append(run)
    for name, text in settings.items():
        report.note(name, text)
    report.runs(COLUMNS, runs, kind=["system"])
    report.goals(goals_of(runs))
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

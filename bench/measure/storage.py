"""bench/storage: what each storage profile keeps of vectors, in how many bytes, how fast to read.

Each data set is loaded once for each profile, flushed and compacted. All vectors are then fetched
back from the server: recall is that of exact search over those, against the true nearest rows of
the original float32, over all queries that the set has. The server answers some of the queries
itself, which must be the same. Sizes are those of the files behind a clean stop; random rows are
then read from these files by the engine's own reader. In the same run other stores get the rows.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import proximadb

from lib.access import file_access, process_get_us, sdk_get_us
from lib.checks import check_count
from lib.disk import Disk, measure_disk
from lib.errors import component_errors, score_errors
from lib.load import BALANCED, COLLECTION, PROFILES, Profile, create, insert_all
from lib.options import Measurement, run_program
from lib.recall import Recall, exact_scores, nearest, recall_of
from lib.report import Column, Goal, Report
from lib.rows import Vectors
from lib.server import Server
from lib.sets import KINDS, DataSet, RowNumbers, load_set
from lib.stats import Run, median_run
from lib.stores import STORES, load_store, store_run
from lib.workspace import BenchError, scratch_folder

K = 10
SERVER_QUERIES = 50
SCORE_TOLERANCE = 1e-6
SCAN_ROWS = 5_000
PEER_SET = "minilm"
# The log's last file is closed when it was idle for a minute; nobody is to wait for that here.
IDLE_LOG = ("--wal-idle", "1s")
LOG_IDLE_S = 3.0
IDLE_TIMEOUT_S = 600.0
POLL_S = 0.2
SIZES = (
    Column("set", "set", "s"),
    Column("profile", "profile", "s"),
    Column("rows", "rows", ",.0f"),
    Column("ratio", "raw / vectors", ".2f"),
    Column("vector_bytes_row", "vectors B/row", ",.1f"),
    Column("document_bytes_row", "documents B/row", ",.1f"),
    Column("id_bytes_row", "ids B/row", ",.1f"),
    Column("field_bytes_row", "fields B/row", ",.1f"),
    Column("rest_bytes_row", "rest B/row", ",.1f"),
    Column("log_bytes_row", "log B/row", ",.1f"),
    Column("disk_bytes_row", "all files B/row", ",.1f"),
    Column("of_raw", "of raw", ".3f"),
    Column("of_raw_without_log", "without log", ".3f"),
)
PRECISION = (
    Column("set", "set", "s"),
    Column("profile", "profile", "s"),
    Column("queries", "queries", ",.0f"),
    Column("recall", "recall@10", ".5f"),
    Column("recall_low", "95 % from", ".5f"),
    Column("recall_high", "to", ".5f"),
    Column("component_error", "component error", ".2e"),
    Column("component_of_bound", "of its bound", ".3f"),
    Column("score_error", "score error", ".2e"),
    Column("score_of_bound", "of its bound", ".3f"),
)
ACCESS = (
    Column("set", "set", "s"),
    Column("profile", "profile", "s"),
    Column("random_us", "random us/row", ".2f"),
    Column("thousand_ms", "1,000 rows ms", ".2f"),
    Column("first_us", "untouched us/row", ".2f"),
    Column("in_order_us", "in order us/row", ".2f"),
    Column("process_get_us", "get() in process us/row", ".2f"),
    Column("sdk_get_us", "get() by SDK us/row", ".2f"),
)
STORE = (
    Column("set", "set", "s"),
    Column("store", "store", "s"),
    Column("disk_bytes_row", "all files B/row", ",.0f"),
    Column("of_raw", "of raw", ".2f"),
    Column("index_bytes_row", "its index B/row", ",.0f"),
    Column("of_raw_without_index", "of raw without", ".2f"),
)


def _options(parser: ArgumentParser) -> None:
    names = [profile.name for profile in PROFILES]
    parser.add_argument("--sets", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--profiles", nargs="+", choices=names, default=names)
    parser.add_argument("--queries", type=int, default=10_000, help="at most; %(default)s")
    parser.add_argument("--peers", nargs="*", choices=STORES, default=list(STORES))
    parser.add_argument(
        "--peer-sets",
        nargs="+",
        choices=list(KINDS),
        default=[PEER_SET],
        help="default %(default)s",
    )


MEASUREMENT = Measurement(
    "storage",
    "Bytes, recall, errors and random access of the storage profiles",
    runs=5,
    rows=1_000_000,
    more=_options,
)


def _stored_vectors(client: proximadb.ProximaDBClient, data: DataSet) -> Vectors:
    """All vectors as the server has them, in the order of the rows."""
    stored = np.full_like(data.rows.vectors, np.nan)
    row_of = {id_: row for row, id_ in enumerate(data.rows.ids)}
    for record in client.scan(COLLECTION, batch_size=SCAN_ROWS):
        row = row_of[record.id]
        if record.document != data.rows.documents[row]:
            raise BenchError(f"row '{record.id}' has another document")
        stored[row] = record.vector
    if np.isnan(stored).any():
        raise BenchError("a scan did not give all rows")
    return stored


def _check_searches(
    client: proximadb.ProximaDBClient, data: DataSet, stored: Vectors, found: RowNumbers
) -> None:
    """BenchError unless the server's answers are what numpy finds among the stored vectors."""
    queries = data.rows.queries
    row_of = {id_: row for row, id_ in enumerate(data.rows.ids)}
    for number, query in enumerate(queries[:SERVER_QUERIES]):
        hits = client.search(COLLECTION, query, k=K, exact=True)
        rows = np.array([row_of[hit.id] for hit in hits])
        of_query = np.full(K, number)
        if len(set(rows)) != K:
            raise BenchError(f"a search for {K} rows gave {len(set(rows))}")
        scores = exact_scores(stored, queries, rows, of_query, data.metric)
        best = exact_scores(stored, queries, found[number], of_query, data.metric)
        tolerance = SCORE_TOLERANCE * np.maximum(1, np.abs(best))
        own = np.array([hit.score for hit in hits])
        if (np.abs(scores - best) > tolerance).any() or (np.abs(own - scores) > tolerance).any():
            raise BenchError("a search gave other rows or scores than numpy finds")


def _precision(
    data: DataSet, stored: Vectors, truth: RowNumbers, relative_error: float
) -> tuple[Run, RowNumbers]:
    """Recall and errors, and what exact search over the stored vectors finds."""
    original, queries, metric = data.rows.vectors, data.rows.queries, data.metric
    is_same = np.array_equal(original.view(np.uint32), stored.view(np.uint32))
    if relative_error == 0 and not is_same:
        raise BenchError("a profile that states no error has changed a vector")
    if is_same:
        found, recall = truth, Recall(1.0, 1.0, 1.0)
    else:
        found = nearest(stored, queries, K, metric, start=truth)
        recall = recall_of(found, truth, original, queries, metric)
    component, component_part = component_errors(original, stored, relative_error)
    score, score_part = score_errors(original, stored, queries, truth, metric, relative_error)
    if max(component_part, score_part) > 1:
        raise BenchError("a vector or a score is off by more than the collection states")
    figures: Run = {
        "queries": len(queries),
        "recall": recall.mean,
        "recall_low": recall.low,
        "recall_high": recall.high,
        "component_error": component,
        "component_of_bound": component_part,
        "score_error": score,
        "score_of_bound": score_part,
    }
    return figures, found


def _wait_until_idle(client: proximadb.ProximaDBClient) -> None:
    """Until nothing in the background changes the files any more."""
    time.sleep(LOG_IDLE_S)
    deadline = time.monotonic() + IDLE_TIMEOUT_S
    while client.get_collection(COLLECTION).compaction_state != "idle":
        if time.monotonic() > deadline:
            raise BenchError("compaction in the background does not end")
        time.sleep(POLL_S)


def _sizes(data: DataSet, disk: Disk) -> Run:
    count = len(data.rows)
    if disk.row_count != count:
        raise BenchError(f"the parts have {disk.row_count} rows, {count} were inserted")
    return {
        "rows": count,
        "ratio": data.raw_bytes / disk.vectors,
        "vector_bytes_row": disk.vectors / count,
        "document_bytes_row": disk.documents / count,
        "id_bytes_row": disk.ids / count,
        "field_bytes_row": disk.fields / count,
        "rest_bytes_row": disk.rest / count,
        "log_bytes_row": disk.log / count,
        "disk_bytes_row": disk.total / count,
        "of_raw": disk.total / data.raw_bytes,
        "of_raw_without_log": (disk.total - disk.log) / data.raw_bytes,
        "disk_bytes": disk.total,
        "log_bytes": disk.log,
    }


def _access(data: DataSet, folder: Path, stored: Vectors, scratch: Path, runs: int) -> Run:
    """The median of each time, and all runs of the one that goals are about."""
    each = [
        {
            **file_access(folder, stored, scratch),
            "process_get_us": process_get_us(folder, data.rows, scratch),
        }
        for _ in range(runs)
    ]
    return {**median_run(each), "random_us_runs": [run["random_us"] for run in each]}


def _one_profile(data: DataSet, truth: RowNumbers, profile: Profile, options: Namespace) -> Run:
    """All figures of a set in a profile."""
    with scratch_folder(options.folder, "storage") as scratch:
        folder = scratch / "data"
        with Server(folder, *IDLE_LOG) as server, server.client() as client:
            create(
                client,
                profile.storage,
                profile.layout,
                dim_count=data.rows.vectors.shape[1],
                metric=data.metric,
            )
            insert_all(client, data.rows)
            client.flush(COLLECTION)
            client.compact(COLLECTION)
            check_count(client, COLLECTION, len(data.rows))
            stored = _stored_vectors(client, data)
            stated = client.get_collection(COLLECTION).relative_error
            precision, found = _precision(data, stored, truth, stated)
            _check_searches(client, data, stored, found)
            get_us = sdk_get_us(client, data.rows)
            _wait_until_idle(client)
        return {
            "set": data.name,
            "profile": profile.name,
            **_sizes(data, measure_disk(folder)),
            **precision,
            **_access(data, folder, stored, scratch, options.runs),
            "sdk_get_us": get_us,
        }


def _profiles_of(data: DataSet, names: Sequence[str]) -> list[Profile]:
    """Half precision is there to see what `exact` makes of it."""
    return [
        profile
        for profile in PROFILES
        if profile.name in names and (profile.name == "exact" or not KINDS[data.name].is_half)
    ]


def _peers(data: DataSet, runs: Sequence[Run], options: Namespace) -> list[Run]:
    """Our default profile and the other stores, on one set."""
    if data.name not in options.peer_sets or not options.peers:
        return []
    ours: list[Run] = []
    for run in runs:
        if run["set"] == data.name and run["profile"] == BALANCED.name:
            name = f"ProximaDB, {BALANCED.name}"
            ours.append(store_run(data, name, run["disk_bytes"], 0))
            without_log = run["disk_bytes"] - run["log_bytes"]
            ours.append(store_run(data, f"{name}, but its log", without_log, 0))
    return ours + [load_store(store, data, options.folder) for store in options.peers]


def goals_of(runs: Sequence[Run], time_scale: float) -> list[Goal]:
    """What was aimed at, of the sets and profiles that were measured."""
    goals: list[Goal] = []
    for run in runs:
        name, of_text = f"{run['profile']}, {run['set']}", run["set"] in ("minilm", "text1m")
        least, most = _BOUNDS[run["profile"]]
        if run["set"] == "minilm-half":
            least = {"ratio": 2.0}
        elif (run["set"], run["profile"]) == ("sift1m", "compact"):
            most = _COLD  # bytes are four times smaller only when they are compressed
        most = {key: bound for key, bound in most.items() if key != "of_raw" or of_text}
        for key, bound in least.items():
            goals.append(Goal(f"{name}: {_LABELS[key]}", run[key], bound, is_least=True))
        for key, bound in most.items():
            scale = 1.0 if key == "of_raw" else time_scale
            goals.append(Goal(f"{name}: {_LABELS[key]}", run[key], bound * scale, is_least=False))
    return goals


_HOT = {"random_us": 5.0, "thousand_ms": 3.0}
_COLD = {"random_us": 100.0}
_BOUNDS: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "balanced": ({"ratio": 3.0, "recall_high": 0.998}, {"of_raw": 0.5, **_HOT}),
    "exact": ({"ratio": 1.15, "recall": 1.0}, _COLD),
    "exact plain": ({"recall": 1.0}, _HOT),
    "compact": ({"ratio": 4.0, "recall": 0.99}, _HOT),
}
_LABELS = {
    "ratio": "raw / vectors",
    "recall": "recall@10",
    "recall_high": "recall@10, end of its interval",
    "of_raw": "all files of raw",
    "random_us": "us of a random row",
    "thousand_ms": "ms of 1,000 random rows",
}


def measure(options: Namespace) -> None:
    """All sets, each in all profiles, and then in the other stores."""
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    runs: list[Run] = []
    peers: list[Run] = []
    for name in options.sets:
        data = load_set(options.datasets, name, options.rows)
        data = data.with_queries(options.queries)
        report.note(name, data.rows.origin)
        vectors, queries = data.rows.vectors, data.rows.queries
        truth = nearest(vectors, queries, K, data.metric, start=data.nearest)
        for profile in _profiles_of(data, options.profiles):
            runs.append(_one_profile(data, truth, profile, options))
        peers += _peers(data, runs, options)
    report.note(
        "checked",
        f"each: all vectors fetched back and counted, {SERVER_QUERIES} searches equal to numpy's, "
        "errors within what the collection states, rows read from the files bit by bit",
    )
    report.table("sizes", SIZES, runs)
    report.table("precision", PRECISION, runs)
    report.table("access", ACCESS, runs)
    if peers:
        report.table("stores", STORE, peers)
    report.goals(goals_of(runs, report.calibration.target_scale))
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

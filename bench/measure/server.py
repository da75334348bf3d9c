"""bench/server: searches by an index through the server, one client and many in flight.

The rows are loaded into a collection with a graph, flushed and indexed. The queries are asked once,
and what comes back is held against the true neighbours: that is the recall. Then the same requests
are asked again and again,

    Python SDK      by one client, one after the other
    native, N       by a C program over one connection, N in flight all the time, which holds every
                    answer against the first one, byte by byte

with metadata and documents of the hits, as the SDK asks unless it is told otherwise, and without.
Server CPU is the process's, divided by the requests; that of the C program is not in it, but it runs
on the same cores.
"""

from __future__ import annotations

import struct
import subprocess
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import grpc
import proximadb
from proximadb import _requests, _results
from proximadb._contract import METHODS

from lib.checks import check_count
from lib.load import COLLECTION, create, insert_all
from lib.options import Measurement, run_program
from lib.procfs import cpu_s
from lib.report import Column, Goal, Report
from lib.server import Server
from lib.sets import DataSet, load_set, row_numbers
from lib.stats import Run, grouped, median_run, percentile
from lib.workspace import BenchError, program, scratch_folder
from measure.to_indexed import wait_until_indexed

K = 10
METHOD = METHODS["VectorSearch"]
SET = "minilm"
SDK = "Python SDK"
IN_FLIGHT = (1, 8)
WARM_UP_S = 0.3
LEAST_RECALL = 0.95
SDK_LEAST_S, SDK_MOST_MS, NATIVE_LEAST_S = 2_500.0, 0.5, 10_000.0
COLUMNS = (
    Column("way", "way", "s"),
    Column("hits", "hits", "s"),
    Column("queries_s", "queries/s", ",.0f"),
    Column("p50_ms", "p50 ms", ".3f"),
    Column("p99_ms", "p99 ms", ".3f"),
    Column("server_us", "server CPU us", ".1f"),
    Column("recall", "recall@10", ".3f"),
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run; %(default)s")


MEASUREMENT = Measurement(
    "server",
    "Searches by an index through the server",
    runs=3,
    rows=100_000,
    more=_options,
)


class Asked:
    """The requests of one kind with their answers, as they go over the wire."""

    def __init__(self, data: DataSet, server: Server, folder: Path, with_metadata: bool) -> None:
        """Asks each once. BenchError where the answers are not good enough to be repeated."""
        self.with_metadata = with_metadata
        self.hits = "whole" if with_metadata else "ids"
        settings = _requests.SearchSettings(
            K, None, None, False, with_metadata, None, None, False, None
        ).encode()
        requests = [
            METHOD.encode_with_payload(
                COLLECTION, _requests.search_payload(query[None, :], settings)
            )
            for query in data.rows.queries
        ]
        with grpc.insecure_channel(server.address) as channel:
            answers = list(map(channel.unary_unary(METHOD.path), requests))
        self.recall = _recall(data, answers)
        self.requests = folder / f"{self.hits}.requests"
        self.answers = folder / f"{self.hits}.answers"
        self.requests.write_bytes(_packed(requests))
        self.answers.write_bytes(_packed(answers))


def _packed(messages: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(message)) + message for message in messages)


def _recall(data: DataSet, answers: list[bytes]) -> float:
    if data.nearest is None:
        raise BenchError(f"the nearest rows are known of the whole {data.name} only")
    found = 0
    for answer, nearest in zip(answers, data.nearest, strict=True):
        payload = METHOD.decode_response(answer).avro_payload
        (hits,) = _results.decode_search_result(payload)
        if len(hits) != K:
            raise BenchError(f"a search for {K} rows gave {len(hits)}")
        found += len(set(row_numbers([hit.id for hit in hits])) & set(nearest[:K]))
    recall = found / (K * len(answers))
    if recall < LEAST_RECALL:
        raise BenchError(f"searches found {recall:.3f} of the nearest rows")
    return recall


def _through_sdk(
    client: proximadb.ProximaDBClient, queries: Iterator[object], seconds: float, metadata: bool
) -> list[float]:
    times_s = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        client.search(COLLECTION, next(queries), k=K, include_metadata=metadata)
        times_s.append(time.perf_counter() - began)
    return times_s


def _native(server: Server, asked: Asked, in_flight: int, seconds: float) -> tuple[float, list[float]]:
    """The seconds that it took, and those of each call."""
    port = server.address.rpartition(":")[2]
    command: list[str | Path] = [
        program("bench_load"),
        port,
        METHOD.path,
        asked.requests,
        asked.answers,
        "1",
        str(in_flight),
        str(seconds),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(done.stderr.strip())
    whole, *each = (int(line) / 1e9 for line in done.stdout.split())
    return whole, each


class Bench:
    """A server with the indexed collection."""

    def __init__(self, server: Server, data: DataSet, options: Namespace) -> None:
        self._server, self._data = server, data
        self._seconds: float = options.seconds

    def load(self, folder: Path) -> list[Asked]:
        """The rows and their index; what will be asked."""
        with self._server.client() as client:
            create(client, index_type="HNSW")
            insert_all(client, self._data.rows)
            client.flush(COLLECTION)
            wait_until_indexed(client, COLLECTION)
            check_count(client, COLLECTION, len(self._data.rows))
        return [Asked(self._data, self._server, folder, flag) for flag in (True, False)]

    def run(self, asked: Asked) -> list[Run]:
        """Each way once."""
        runs = [self._sdk(asked)]
        for in_flight in IN_FLIGHT:
            _native(self._server, asked, in_flight, WARM_UP_S)
            before_s = cpu_s(self._server.pid)
            whole_s, times_s = _native(self._server, asked, in_flight, self._seconds)
            runs.append(self._figures(f"native, {in_flight}", asked, whole_s, times_s, before_s))
        return runs

    def _sdk(self, asked: Asked) -> Run:
        queries = cycle(self._data.rows.queries)
        with self._server.client() as client:
            _through_sdk(client, queries, WARM_UP_S, asked.with_metadata)
            before_s = cpu_s(self._server.pid)
            times_s = _through_sdk(client, queries, self._seconds, asked.with_metadata)
        return self._figures(SDK, asked, sum(times_s), times_s, before_s)

    def _figures(
        self, way: str, asked: Asked, whole_s: float, times_s: list[float], before_s: float
    ) -> Run:
        return {
            "way": way,
            "hits": asked.hits,
            "queries_s": len(times_s) / whole_s,
            "p50_ms": percentile(times_s, 50) * 1e3,
            "p99_ms": percentile(times_s, 99) * 1e3,
            "server_us": (cpu_s(self._server.pid) - before_s) / len(times_s) * 1e6,
            "recall": asked.recall,
        }


def _goals(runs: list[Run], scale: float) -> list[Goal]:
    medians = {
        (group[0]["way"], group[0]["hits"]): median_run(group)
        for group in grouped(runs, ["way", "hits"])
    }
    sdk, native = medians[SDK, "whole"], medians[f"native, {IN_FLIGHT[-1]}", "whole"]
    return [
        Goal("one client of the SDK, queries/s", sdk["queries_s"], SDK_LEAST_S / scale, True),
        Goal("one client of the SDK, p50 ms", sdk["p50_ms"], SDK_MOST_MS * scale, False),
        Goal("8 in flight, queries/s", native["queries_s"], NATIVE_LEAST_S / scale, True),
    ]


def measure(options: Namespace) -> None:
    """All runs."""
    data = load_set(options.datasets, SET, options.rows)
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder)
    report.note("rows", f"{data.rows.origin}, k = {K}, HNSW, storage balanced")
    runs: list[Run] = []
    with (
        scratch_folder(options.folder, "server") as scratch,
        Server(scratch / "data") as server,
    ):
        bench = Bench(server, data, options)
        kinds = bench.load(scratch)
        for _ in range(options.runs):
            for asked in kinds:
                runs += bench.run(asked)
    report.note("checked", "every answer of the C program is the first one's, byte by byte")
    report.runs(COLUMNS, runs, kind=["way", "hits"])
    report.goals(_goals(runs, report.calibration.target_scale))
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

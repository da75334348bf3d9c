"""Goal: a payload reaches the log file without a copy but the one that docs/ARCHITECTURE.md names: what was read together
with frame headers, at most one connection buffer a message.
Method: the real server, linked so that it counts its copies (tests/tools/copies_count.c), gets one message at a time from
the SDK over a socket. Of each message is asked

    what pwritev wrote that does not lie where read and readv put it: at most the one copy, and the log's own framing.
        This is told by address, so it holds for copies of any size and make;
    which places in the code copied 256 bytes or more at a time: only those of PLACES below, and no more than is said
        there. Any other fails the test with its name.

A server with one copy more (copies_mutant) must fail both.

    cmake --preset copies && cmake --build build/copies --target copies_server copies_mutant
    PX_BUILD=build/copies pytest tests/copies

PX_COPIES_SHOW   prints the places
"""
import json
import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
from proximadb import CLEAR, ProximaDBClient

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PX_BUILD", ROOT / "build/copies")).absolute() / "tests"
STOP_SECONDS = 30
CONNECTION_BUFFER = 16 << 10
SMALLEST_PIECE = 1 << 10        # of a message that is worth receiving in place
ONE_COPY = CONNECTION_BUFFER + SMALLEST_PIECE
LARGE = 256                     # as in copies_count.c
FRAMING = 1 << 10               # of a message in the log: block, entry, checksum, padding
ROW_FRAMING = 32                # in Avro: sizes, branches, ends of arrays
DIMS = 384
COLLECTIONS = {"docs": DIMS, "wide": 4096}


@dataclass
class Place:
    """A function of ours that copies, by the name that the debugger knows it by."""
    function: str
    file: str
    calls: int
    size: int

    def __str__(self):
        return f"{self.function} in {self.file}: {self.size} bytes in {self.calls} calls"


class Report:
    """What was counted while one message went through."""

    def __init__(self, program, counted):
        assert not counted["overflowed"]
        self.written = counted["written"]
        self.in_place = counted["in_place"]
        self.places = merge(zip(symbolise(program, [site["address"] for site in counted["sites"]]),
                                counted["sites"]))


def symbolise(program, addresses):
    """(function, file) of each address that a call returns to."""
    if not addresses:
        return []
    lines = subprocess.run(["addr2line", "-f", "-e", program, *(hex(address - 1) for address in addresses)],
                           check=True, capture_output=True, text=True).stdout.splitlines()
    return [(function, Path(where.rsplit(":", 1)[0]).name) for function, where in zip(lines[0::2], lines[1::2])]


def merge(found):
    """The same function may copy at several places."""
    places = {}
    for name, site in found:
        place = places.setdefault(name, Place(*name, 0, 0))
        place.calls += site["calls"]
        place.size += site["bytes"]
    return places


class Counter:
    """A running server, and the socket by which its counting is switched."""

    def __init__(self, name, folder):
        self.program = BUILD / name
        if not self.program.exists():
            pytest.skip(f"{self.program} is not built; see the head of {Path(__file__).name}")
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [self.program, folder], stdout=subprocess.PIPE, text=True, pass_fds=[theirs.fileno()],
                env={**os.environ, "PX_COPIES_FD": str(theirs.fileno())})
        self.orders = ours.makefile("rwb", buffering=0)
        ours.close()
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.address = line.split()[-1]
        self.client = None
        self.connect()

    def connect(self):
        if self.client is not None:
            self.client.close()
        self.client = ProximaDBClient(self.address, message_bytes=32 << 20)

    def ask(self, order):
        self.orders.write(order)
        answer = bytearray()
        while not answer.endswith(b"\n"):
            piece = self.orders.read(1 << 16)
            assert piece, "the server has ended"
            answer += piece
        return json.loads(answer)

    def count(self, work, *arguments, **named):
        """The report of one call of the client."""
        self.ask(b"a")
        work(*arguments, **named)
        report = Report(self.program, self.ask(b"r"))
        if "PX_COPIES_SHOW" in os.environ:
            print(f"\nwritten {report.written}, of it in place {report.in_place}")
            print("".join(f"    {place}\n" for place in report.places.values()), end="")
        return report

    def stop(self):
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_SECONDS) == 0
        self.process.stdout.close()
        self.orders.close()


@pytest.fixture
def start(tmp_path):
    started = []

    def make(name):
        counter = Counter(name, tmp_path / name)
        started.append(counter)
        for collection, dims in COLLECTIONS.items():
            counter.client.create_collection(collection, dims, index_type="FLAT")
        return counter

    yield make
    for counter in started:
        counter.stop()


def vectors(count, dims=DIMS, seed=7):
    return numpy.random.default_rng(seed).standard_normal((count, dims), dtype=numpy.float32)


def ids(count, prefix):
    return [f"{prefix}-{number}" for number in range(count)]


def size_of_ids(count, prefix):
    return sum(map(len, ids(count, prefix)))


# Function and file -> the most bytes it may copy for a message of so many rows of so many bytes of vector and text.
PLACES = {
    # The one copy between the receive buffer and the log file.
    ("store", "exchange.c"): lambda rows, vector, text: ONE_COPY,
    # Beside that path: each row once into the memtable, and the memtable's list of its blocks.
    ("px_memtable_stage", "memtable.c"): lambda rows, vector, text: rows * vector,
    ("copy_text", "memtable.c"): lambda rows, vector, text: rows * text,
    ("grow_array", "memtable.c"): lambda rows, vector, text: 4 << 10,
}
# Likewise, of an update: metadata that is merged with the row's.
MERGE_PLACES = {
    ("px_buffer_append", "buffer.c"): lambda rows, vector, text: rows * text,
    ("grow", "buffer.c"): lambda rows, vector, text: 4 * text,
}


def show(report):
    return f"written {report.written}, of it in place {report.in_place}; copies of {LARGE} bytes and more:\n" + \
        "\n".join(f"    {place}" for place in report.places.values())


def check(report, payload, rows, vector, text=0, places=PLACES):
    """What a message of `payload` bytes may cost."""
    __tracebackhide__ = True
    assert payload <= report.written <= payload + rows * ROW_FRAMING + FRAMING, show(report)
    for name, place in report.places.items():
        assert name in places, f"a copy that ARCHITECTURE.md does not name: {place}\n{show(report)}"
        limit = places[name](rows, vector, text)
        assert place.size <= limit, f"more copied than the {limit} bytes expected: {place}\n{show(report)}"
    assert report.written - report.in_place <= ONE_COPY + FRAMING, show(report)


# ---- tests ----

BATCHES = [(DIMS, rows) for rows in (1, 11, 42, 100, 333, 1000, 5000)] + [(4096, 500)]


@pytest.fixture
def counter(start):
    """A server whose collections have log files already; what is counted begins on a new connection."""
    counter = start("copies_server")
    for collection, dims in COLLECTIONS.items():
        counter.client.insert(collection, vectors(1, dims), ids=["first"])
    counter.connect()
    return counter


@pytest.mark.parametrize("dims, rows", BATCHES)
def test_copies__of_a_batch_are_one_connection_buffer(counter, dims, rows):
    """The first on a connection that has not shaken hands yet, then some more."""
    collection = next(name for name, size in COLLECTIONS.items() if size == dims)
    data = vectors(rows, dims)
    for number in range(4):
        report = counter.count(counter.client.insert, collection, data, ids=ids(rows, number))
        check(report, data.nbytes + size_of_ids(rows, number), rows, 4 * dims)
        assert report.in_place >= data.nbytes - ONE_COPY


def test_copies__of_all_writes_are_one_connection_buffer(counter):
    """Upserts, updates of vectors, documents and metadata, and deletes, with texts that are large themselves."""
    rows, text = 1000, 3000
    client, data, names = counter.client, vectors(rows), ids(rows, "row")
    documents = [str(number % 10) * text for number in range(rows)]
    report = counter.count(client.upsert, "docs", data, ids=names, documents=documents)
    check(report, data.nbytes + rows * text + size_of_ids(rows, "row"), rows, 4 * DIMS, text)
    report = counter.count(client.update, "docs", names, vectors=data[::-1])
    check(report, data.nbytes + size_of_ids(rows, "row"), rows, 4 * DIMS, text)
    metadata = [{"text": "x" * text}] * rows
    report = counter.count(client.update, "docs", names, metadata=metadata, documents=CLEAR)
    check(report, rows * text + size_of_ids(rows, "row"), rows, 4 * DIMS, 2 * text,
          PLACES | MERGE_PLACES)
    report = counter.count(client.delete, "docs", ids=names)
    check(report, size_of_ids(rows, "row"), rows, 0)


def test_copies__that_are_too_many_are_found(start):
    """The server copies each payload before the engine gets it."""
    counter = start("copies_mutant")
    data = vectors(1000)
    counter.client.insert("docs", data, ids=ids(1000, "first"))
    report = counter.count(counter.client.insert, "docs", data, ids=ids(1000, "row"))
    assert report.written - report.in_place > data.nbytes
    with pytest.raises(AssertionError, match="__wrap_proximadb_submit in copies_mutant.c"):
        check(report, data.nbytes + size_of_ids(1000, "row"), 1000, 4 * DIMS)

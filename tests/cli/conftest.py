"""The program `proximadb` as its users run it.

    cmake --build BUILD --target proximadb && PX_BUILD=BUILD pytest tests/cli

Needs the packages of tests/requirements.txt and the SDK of this checkout; `tools/setup test` installs both.
"""
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from proximadb import ProximaDBClient

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (ROOT / os.environ.get("PX_BUILD", "build/dev") / "proximadb").resolve()
SECONDS = 60
# What the caller of the tests has in the environment must not set any flag.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PROXIMADB_")}
DIMENSION = 8


def run(*arguments, environment=None, **settings):
    """Runs a command to its end; gives returncode, stdout and stderr."""
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS,
                          env={**ENVIRONMENT, **(environment or {})}, **settings)


class Server:
    """`proximadb serve` on a free port, ready for clients."""

    def __init__(self, data, *arguments, environment=None, listen="127.0.0.1:0", **settings):
        words = ["serve"]
        words += ["--data", data] if data is not None else []
        words += ["--listen", listen] if listen is not None else []
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
        self.process = subprocess.Popen([PROGRAM, *map(str, [*words, *arguments])], text=True,
                                        env={**ENVIRONMENT, **(environment or {})}, **settings)
        self.line = self.process.stdout.readline()
        assert self.line, f"no server: {self.process.communicate()[1]}"
        self.address = self.line.split()[-1]
        self.log = None

    def client(self):
        return ProximaDBClient(self.address)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """The exit status; what it wrote is then in `output` and `log`."""
        self.output, log = self.process.communicate(timeout=SECONDS)
        self.log = log or ""
        return self.process.returncode

    def stop(self):
        """Stops it as an operator would; sanitizers' findings are an exit status, too."""
        self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.log

    def kill(self):
        self.signal(signal.SIGKILL)
        self.wait()


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def start():
    """start(data, flags...) gives a Server; what still runs behind a test is killed."""
    servers = []

    def begin(*arguments, **settings):
        servers.append(Server(*arguments, **settings))
        return servers[-1]

    yield begin
    died = [server for server in servers if server.log is None and server.process.poll() is not None]
    for server in servers:
        if server.log is None:
            server.kill()
    assert not died, f"a server ended by itself, with {died[0].process.returncode}: {died[0].log}"


def vectors(count, seed=1):
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def fill(client, count=200, name="docs"):
    """A collection with rows in files and in the log: written, flushed, then updated and deleted.

    Every third row is updated, every fifth deleted; some of both are neither flushed.
    """
    ids = [f"row-{i}" for i in range(count)]
    client.create_collection(name, dimension=DIMENSION, metric="l2",
                             filterable={"group": "string", "price": "double"})
    client.insert(name, vectors(count), ids=ids, documents=[f"text {i}" for i in range(count)],
                  metadata=[{"group": f"g{i % 3}", "price": i / 4, "note": "it's"} for i in range(count)])
    client.flush(name)
    client.update(name, ids[::3], vectors=vectors(len(ids[::3]), seed=2))
    client.delete(name, ids=ids[::5])
    return ids


def settle(data, name="docs"):
    """Waits until what a flush does behind its answer is done: the collection's JSON is written, the old log file gone."""
    deadline = time.monotonic() + SECONDS
    while len(list((data / "wal" / name).glob("*"))) > 1 or list((data / "metadata/collections").glob("*.tmp")):
        assert time.monotonic() < deadline, "the flush does not end"
        time.sleep(0.01)


def answers(client, name="docs"):
    """All that a client can ask for, in a form that can be compared."""
    hits = client.search(name, vectors(5, seed=3), k=10)
    records = sorted(client.scan(name), key=lambda record: record.id)
    return (client.count(name), client.count(name, filter="group = 'g1'"),
            [[(hit.id, hit.distance, hit.version) for hit in row] for row in hits],
            [(r.id, r.version, r.document, tuple(sorted(r.metadata.items())), r.vector.tobytes()) for r in records])

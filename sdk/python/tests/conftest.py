"""Fixtures of all tests: a seed that is printed, the fake server, and both clients behind one face.

PX_TEST_SEED           the seed of random tests; a random one by default
PROXIMADB_TEST_TARGET  host:port of a real server for test_contract.py, instead of the fake
PROXIMADB_TEST_API_KEY the key of that server, if it wants one
PROXIMADB_TEST_PROGRAM the program `proximadb`, of which a server is started and stopped for that
"""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_server import FakeServer

from proximadb import AsyncProximaDBClient, ProximaDBClient

SEED = int(os.environ.get("PX_TEST_SEED", random.randrange(1 << 32)))


class Program:
    """`proximadb serve` on a free port of the loopback interface and a folder that goes with it."""

    def __init__(self, path: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="proximadb-contract-"))
        self.log = self.folder / "log"
        command = [path, "serve", "--data", self.folder / "data", "--listen", "127.0.0.1:0"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.process.kill()
            raise pytest.UsageError(f"{path} does not serve: {self.log.read_text()}")
        self.target = line.split()[-1]

    def stop(self) -> None:
        """Raises UsageError unless it was there to the end, and ends well."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status: int | str = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "that it does not end"
        if status != 0:
            raise pytest.UsageError(f"the server's status is {status}; its log is {self.log}")
        shutil.rmtree(self.folder)


def pytest_configure(config: pytest.Config) -> None:
    """Before test_contract.py is imported, which asks for the target."""
    path = os.environ.get("PROXIMADB_TEST_PROGRAM")
    if path:
        program = Program(path)
        os.environ["PROXIMADB_TEST_TARGET"] = program.target
        config.add_cleanup(program.stop)


def pytest_report_header() -> str:
    against = os.environ.get("PROXIMADB_TEST_TARGET", "the fake server")
    return f"PX_TEST_SEED={SEED}, contract against {against}"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


@pytest.fixture
def dice() -> random.Random:
    return random.Random(SEED)


@pytest.fixture
def fake():
    server = FakeServer()
    yield server
    server.stop()


class BlockingFace:
    """AsyncProximaDBClient with the methods of ProximaDBClient, on a loop of its own."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = AsyncProximaDBClient(*arguments, **settings)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any, **settings: Any) -> Any:
            result = method(*arguments, **settings)
            if inspect.isasyncgen(result):
                return self._iterate(result)
            return self.loop.run_until_complete(result)

        return call

    def _iterate(self, generator: Any) -> Any:
        while True:
            try:
                yield self.loop.run_until_complete(generator.__anext__())
            except StopAsyncIteration:
                return

    def __enter__(self) -> BlockingFace:
        return self

    def __exit__(self, *error: object) -> None:
        self.loop.run_until_complete(self.client.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@pytest.fixture(params=[ProximaDBClient, BlockingFace], ids=["blocking", "asyncio"])
def make_client(request):
    """Makes clients of either kind and closes them in the end."""
    made = []

    def make(*arguments: Any, **settings: Any) -> Any:
        made.append(request.param(*arguments, **settings))
        return made[-1].__enter__()

    yield make
    for client in made:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client, fake):
    """A client of the fake server with a collection "docs" of dimension 4."""
    connected = make_client(fake.target, timeout=10.0)
    connected.create_collection("docs", 4, metric="l2")
    fake.calls.clear()
    return connected


@pytest.fixture
def unique_name() -> str:
    return f"test-{uuid.uuid4().hex}"

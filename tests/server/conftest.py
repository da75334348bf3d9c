"""The server that the tests of this folder talk to: tests/tools/fake_server, the real server in front of a fake engine.

    cmake --build BUILD --target fake_server && PX_BUILD=BUILD pytest tests/server

Needs the Python packages pytest, grpcio, grpcio-tools, grpcio-health-checking, grpcio-reflection, googleapis-common-protos
and hpack.
"""
import importlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")) / "tests/fake_server"
STOP_SECONDS = 30


class Server:
    """A running fake_server. Its exit status, which sanitizers make known what they found by, must be 0."""

    def __init__(self, *args):
        if not PROGRAM.exists():
            pytest.skip(f"{PROGRAM} is not built")
        self.process = subprocess.Popen([PROGRAM, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line + self.process.stderr.read()
        self.address = line.split()[-1]
        self.host, port = self.address.rsplit(":", 1)
        self.port = int(port)
        self.log = None

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        if self.log is not None:
            return
        self.terminate()
        try:
            _, self.log = self.process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.log = ""
            raise
        assert self.process.returncode == 0, self.log


@pytest.fixture(scope="session")
def server():
    """One server for all tests that leave it as it was."""
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def start_server():
    """Starts servers with options of their own."""
    started = []

    def start(*args):
        started.append(Server(*args))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="session")
def proto(tmp_path_factory):
    """The modules that protoc makes of the contract: proto.messages and proto.services.

    They are made of a copy with a name of its own: the SDK, which may be installed beside the tests' other packages, is
    the package `proximadb`.
    """
    folder = tmp_path_factory.mktemp("proto")
    shutil.copy(ROOT / "proto/proximadb/v1/proximadb.proto", folder / "contract.proto")
    status = protoc.main(["protoc", f"-I{folder}", f"--python_out={folder}", f"--grpc_python_out={folder}",
                          str(folder / "contract.proto")])
    assert status == 0
    sys.path.insert(0, str(folder))

    class Modules:
        messages = importlib.import_module("contract_pb2")
        services = importlib.import_module("contract_pb2_grpc")

    yield Modules
    sys.path.remove(str(folder))

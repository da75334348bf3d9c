"""What the tests of this folder talk to, and with: tests/tools/fake_server (the real server in front of a fake engine),
tests/tools/engine_server (the real engine), and the official clients of clients/go.mod.

    cmake --build BUILD --target server_programs && PX_BUILD=BUILD build/test-venv/bin/python -m pytest tests/server

Needs the packages of tests/requirements.txt, and Go, which builds the clients into build/go. What is missing fails a
test: one that is skipped would pass in silence.
"""
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")).absolute() / "tests"
CLIENTS = ROOT / "build/go"
STOP_SECONDS = 60   # a sanitizer looks for leaks then
BUILD_SECONDS = 600
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:", "Assertion")


class Server:
    """A running server. It must end by itself with status 0, having logged nothing that a sanitizer or an assert says."""

    def __init__(self, program, *args):
        path = PROGRAMS / program
        assert path.exists(), f"{path} is not built: cmake --build {PROGRAMS.parent} --target {program}"
        self.errors = tempfile.TemporaryFile("w+", errors="replace")    # not a pipe, which fills up
        self.process = subprocess.Popen([path, *map(str, args)], stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{program} does not listen: {line}{self.read_errors()}")
        self.address = line.split()[-1]
        self.host, port = self.address.rsplit(":", 1)
        self.port = int(port)
        self.log = None

    def read_errors(self):
        self.errors.seek(0)
        return self.errors.read()

    def resident_bytes(self):
        """The memory that the server has in use."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        if self.log is not None:
            return
        self.terminate()
        try:
            self.process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        finally:
            self.log = self.read_errors()
            self.errors.close()
        assert self.process.returncode == 0, f"status {self.process.returncode}: {self.log}"
        assert not any(report in self.log for report in REPORTS), self.log


@pytest.fixture(scope="session")
def server():
    """One server for all tests that leave it as it was."""
    running = Server("fake_server")
    yield running
    running.stop()


@pytest.fixture
def start_server():
    """Starts servers with options of their own."""
    started = []

    def start(*args, program="fake_server"):
        started.append(Server(program, *args))
        return started[-1]

    yield start
    failures = []
    for each in started:
        try:
            each.stop()
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            failures.append(failure)    # the others must be stopped, too
    assert not failures, failures


@pytest.fixture
def engine_server(start_server, tmp_path):
    """A server on the real engine, with an empty data folder."""
    return start_server(tmp_path / "data", program="engine_server")


@pytest.fixture(scope="session")
def clients():
    """The folder with grpcurl, grpc-health-probe and h2spec. Go's cache makes this quick when nothing has changed."""
    go = shutil.which("go")
    assert go, "Go is not installed (Debian: golang-go); it builds the clients that the server is tested with"
    packages = [line.split('"')[1] for line in (ROOT / "tests/server/clients/clients.go").read_text().splitlines()
                if line.startswith("\t_ ")]
    CLIENTS.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "build", "-ldflags=-s -w", "-o", f"{CLIENTS}/", *packages], check=False, text=True,
                          cwd=ROOT / "tests/server/clients", env=environment, timeout=BUILD_SECONDS,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return CLIENTS


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

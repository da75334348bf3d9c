"""`proximadb serve` as a child process, on a port of the loopback interface."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import proximadb

from lib.workspace import BenchError, program

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 120.0
POLL_S = 0.0005
LOG_TAIL_LINES = 5


class Server:
    """One data folder with a server that is started, stopped or killed by its process id.

    As a context manager it is started, and at the end stopped if it runs.
    """

    def __init__(self, data: Path, *options: str) -> None:
        """`options` of `proximadb serve` beside the folder and the address."""
        self.data = data
        self._options = options
        self.address = f"127.0.0.1:{_free_port()}"
        self._log = data.with_name(f"{data.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running server."""
        if self._process is None:
            raise BenchError("the server does not run")
        return self._process.pid

    def start(self) -> None:
        """Returns when the port takes connections. BenchError with its log if it does not."""
        self.data.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [
            program("proximadb"),
            "serve",
            "--data",
            self.data,
            "--listen",
            self.address,
            *self._options,
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._takes_connections():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"the server did not start:\n{self.log_tail()}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """SIGTERM, and waits. BenchError if it does not end well."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            status = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BenchError(f"the server did not stop:\n{self.log_tail()}") from None
        if status != 0:
            raise BenchError(f"the server ended with status {status}:\n{self.log_tail()}")

    def kill(self) -> None:
        """SIGKILL, and waits."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self, timeout: float | None = 300.0) -> proximadb.ProximaDBClient:
        """A client of this server."""
        return proximadb.ProximaDBClient(self.address, timeout=timeout)

    def log_tail(self) -> str:
        """The last lines that the server wrote."""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
        else:
            self.kill()  # what went wrong is the news, not how it stops

    def _takes_connections(self) -> bool:
        host, _, port = self.address.rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return True
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

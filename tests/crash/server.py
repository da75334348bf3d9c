"""A server that is killed, and a client that tells what was answered from what was lost.

PX_CRASH_SERVER   the command that starts it, with {data} for the data folder; it has to print "listening on HOST:PORT"
PX_BUILD          where the default one, tests/engine_server, was built
"""
import os
import shlex
import subprocess
import threading
from pathlib import Path

import grpc
from oracle import Violation
from proximadb import ProximaDBClient
from proximadb._operations import Operations
from proximadb._results import decode_write_result
from proximadb.grpc_client import GrpcClient, run
from proximadb.errors import from_rpc

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")) / "tests/engine_server"
COMMAND = os.environ.get("PX_CRASH_SERVER", f"{PROGRAM} {{data}}")
# So small that a second of writing flushes and closes log files many times.
SMALL = "--memtable-bytes 100000 --wal-file-bytes 150000"
# ... and that a few hundred rows are lists and parts enough for compaction in the background to cluster, split, merge and
# fold all the time.
COMPACTING = "--memtable-bytes 15000 --wal-file-bytes 150000 --compaction-scale 8000 --list-rows 16"
TIMEOUT_S = 30.0


class Lost(Exception):
    """The connection broke before the answer came."""


class Server:
    """A process on the data folder. `log` is the path of a file for what it prints besides its address. `limits` are
    for the default program only."""

    def __init__(self, data, log, limits=SMALL):
        self.is_killed = False
        self.log = log
        with open(log, "ab") as file:
            command = COMMAND.format(data=shlex.quote(str(data)))
            if "PX_CRASH_SERVER" not in os.environ:
                command = f"{command} {limits}"
            self.process = subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, stderr=file)

    def wait_for_address(self):
        """HOST:PORT. Raises Violation if it ends without one."""
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            raise Violation(f"the server does not start: '{line}', status {self.process.wait()}; see {self.log}")
        return line.split()[-1]

    def kill(self):
        """SIGKILL. Raises Violation if it had ended by itself."""
        self.is_killed = True
        status = self.process.poll()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if status is not None:
            raise Violation(f"the server ended by itself, status {status}; see {self.log}")


class Wire(GrpcClient):
    """Keeps each thread's last request and answer, and does not try again when the connection is gone."""

    def __init__(self, address, server):
        super().__init__(address, None, None)
        self.server = server
        self.last = threading.local()

    async def attempt(self, method, request, timeout):
        self.last.request = (method, request)
        try:
            self.last.answer = await super().attempt(method, request, timeout)
        except grpc.RpcError as failure:
            if from_rpc(failure).reason:
                raise                   # the engine's word
            if not self.server.is_killed:
                raise Violation(f"the server went away: {failure.code().name}: {failure.details()}") from failure
            raise Lost from None
        return self.last.answer


class Client(ProximaDBClient):
    """The SDK's client over a Wire. Any thread."""

    def __init__(self, address, server):
        super().__init__(address)
        super().close()
        self.wire = Wire(address, server)
        self._operations = Operations(self.wire, TIMEOUT_S)

    def last_request(self):
        """What this thread sent last, for `repeat`."""
        return self.wire.last.request

    def last_result(self):
        """The outcome of this thread's last write, which succeeded."""
        return decode_write_result(self.wire.last.answer.avro_payload)

    def repeat(self, request):
        """Sends a write again, the request id included; its outcome."""
        try:
            answer = run(self.wire.attempt(*request, TIMEOUT_S))
        except grpc.RpcError as failure:
            raise from_rpc(failure) from None
        return decode_write_result(answer.avro_payload)

"""engine: a real server on a data folder of its own, for the tests of this folder; and what looks at the files it leaves.

    with Engine(folder, "--wal-file-bytes", 65536) as engine:
        engine.client.create_collection("docs", 3)
"""
import ctypes
import os
import signal
import subprocess
from pathlib import Path

import pytest
from proximadb import ProximaDBClient

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")).absolute()
PROGRAM = BUILD / "tests/engine_server"
STOP_SECONDS = 30


class Engine:
    """A running server. It ends with the block: gracefully, unless it was stopped or killed before."""

    def __init__(self, folder, *options):
        if not PROGRAM.exists():
            pytest.skip(f"{PROGRAM} is not built")
        self.folder = Path(folder)
        self.process = subprocess.Popen([PROGRAM, folder, *map(str, options)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line + self.process.stderr.read()
        self.address = line.split()[-1]
        self.client = ProximaDBClient(self.address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:
            self.stop()

    def end(self, number):
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=STOP_SECONDS)
        self.client.close()
        return log

    def stop(self):
        """As SIGTERM does: what is under way is finished, files are closed."""
        log = self.end(signal.SIGTERM)
        assert self.process.returncode == 0, log

    def kill(self):
        """As a crash does: nothing is finished."""
        self.end(signal.SIGKILL)
        assert self.process.returncode == -signal.SIGKILL


# ---- inspecting ----

class Error(ctypes.Structure):
    """struct proximadb_error of proximadb.h."""
    _fields_ = [("status", ctypes.c_int), ("os_errno", ctypes.c_int), ("row_index", ctypes.c_int64),
                ("expected", ctypes.c_int64), ("actual", ctypes.c_int64), ("message", ctypes.c_char * 400)]


SINK = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)
INSPECT_SQL = 4


def inspect_sql(folder, collection):
    """The statement that `proximadb inspect collection NAME --data DIR --sql` prints: by the program, if it is built and
    has the command, otherwise by the function of the library that the command calls."""
    program = BUILD / "proximadb"
    if program.exists() and subprocess.run([program, "inspect", "--help"], capture_output=True).returncode == 0:
        return subprocess.run([program, "inspect", "collection", collection, "--data", folder, "--sql"], check=True,
                              capture_output=True, text=True).stdout
    library = ctypes.CDLL(BUILD / "libproximadb.so")
    pieces, error = [], Error()

    def take(_, text, size):
        pieces.append(ctypes.string_at(text, size))
        return True

    status = library.proximadb_inspect(INSPECT_SQL, os.fsencode(folder), collection.encode(), SINK(take), None,
                                       ctypes.byref(error))
    assert status == 0, error.message.decode()
    return b"".join(pieces).decode()

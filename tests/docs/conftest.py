"""What the tests of the documents share: the blocks of a document, and a server with a folder of its own.

    cmake --build BUILD --target proximadb engine_server libproximadb && PX_BUILD=BUILD pytest tests/docs

The server is `proximadb serve`; a build without it is tested by tests/tools/engine_server, which is the same server.
"""
import ctypes
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")).absolute()
PROGRAM = BUILD / "proximadb"
ENGINE_SERVER = BUILD / "tests/engine_server"
INSPECT_SQL = 4             # PROXIMADB_INSPECT_SQL
SINK = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)


def blocks(document, language):
    """The fenced blocks of that language, in order."""
    text = (ROOT / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


class Server:
    """A server whose data is in `folder`/data."""

    def __init__(self, folder):
        self.folder = folder
        command = ([PROGRAM, "serve", "--data", "data", "--listen", "127.0.0.1:0"] if PROGRAM.exists()
                   else [ENGINE_SERVER, "data"])
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True,
                                        stderr=(folder / "server.log").open("w"))
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), (folder / "server.log").read_text()
        self.address = line.split()[-1]

    def run(self, command, text=None):
        """Runs a command in the server's folder; what it prints. The documents' address becomes the server's."""
        command = [part.replace("localhost:5678", self.address) for part in command]
        environment = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=self.folder, input=text, capture_output=True, text=True, timeout=120,
                              env=environment)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def sql(self, collection):
        """What `proximadb inspect collection --sql` prints."""
        if PROGRAM.exists():
            return self.run(["proximadb", "inspect", "collection", collection, "--data", "data", "--sql"])
        library, pieces = ctypes.CDLL(str(BUILD / "libproximadb.so")), []
        sink = SINK(lambda _, text, size: pieces.append(text[:size]) is None)
        status = library.proximadb_inspect(INSPECT_SQL, str(self.folder / "data").encode(), collection.encode(), sink,
                                           None, None)
        assert status == 0
        return b"".join(pieces).decode()

    def stop(self):
        """Ends the server, which must leave sound files."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        if PROGRAM.exists():
            assert "damage_count=0" in self.run(["proximadb", "check", "--data", "data"])


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path)
    yield running
    running.stop()

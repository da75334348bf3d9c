"""A server to churn, and how its limits follow from the size of the run.

PX_BUILD    where tests/engine_server was built

The full run has the limits that users have. A reduced one has all of them divided by one number, memtable and log files
included, so that as many parts, clusters and compactions arise of its few rows.
"""
import os
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (ROOT / os.environ.get("PX_BUILD", "build/dev")).absolute() / "tests/engine_server"
MIB = 1 << 20
STOP_S = 120


class Limits:
    """Of a server whose sizes are divided by `scale`."""

    def __init__(self, scale, list_rows=0, index_rows=0):
        self.scale = scale
        self.list_rows = list_rows
        self.index_rows = index_rows                # that are worth one; 0: as users have it
        self.memtable_bytes = 64 * MIB // scale
        self.wal_file_bytes = 256 * MIB // scale
        self.least_part_bytes = 8 * MIB // scale    # on average
        self.most_part_bytes = 256 * MIB // scale

    def arguments(self):
        given = {"--memtable-bytes": self.memtable_bytes, "--wal-file-bytes": self.wal_file_bytes,
                 "--compaction-scale": self.scale, "--list-rows": self.list_rows,
                 "--index-rows": self.index_rows}
        return [str(word) for pair in given.items() for word in pair]


class Server:
    """A running one, of which nothing may go wrong: what it warns of fails the test."""

    def __init__(self, data, log, limits):
        assert PROGRAM.exists(), f"{PROGRAM} is not built: cmake --build build/dev --target engine_server"
        self.log = Path(log)
        with self.log.open("ab") as file:
            self.process = subprocess.Popen([PROGRAM, str(data), *limits.arguments()], stdout=subprocess.PIPE,
                                            stderr=file, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"the server does not start: {line}{self.log.read_text()}"
        self.address = line.split()[-1]
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_S)
        finally:
            self.process.kill()
            self.process.stdout.close()
        if kind is None:
            assert status == 0, self.log.read_text()
            bad = [line for line in self.log.read_text().splitlines() if "cannot" in line or "damaged" in line]
            assert not bad, bad

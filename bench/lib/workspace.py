"""Where programs are found and where files go."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build/bench"
DATASETS = ROOT / "build/datasets"


class BenchError(Exception):
    """A measurement cannot run, or what it measured was wrong; the message says which."""


def build_folder() -> Path:
    """The CMake build that is measured: PX_BUILD, otherwise build/release."""
    return Path(os.environ.get("PX_BUILD", ROOT / "build/release")).resolve()


def program(name: str) -> Path:
    """An executable of the build. BenchError if it is not there."""
    places = [build_folder() / name, build_folder() / "bench/native" / name]
    for path in places:
        if os.access(path, os.X_OK):
            return path
    raise BenchError(
        f"{places[0]} is not built. Start measurements by bench/NAME, which builds it."
    )


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new folder below `parent`, removed with all that is in it at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def file_bytes(path: Path) -> int:
    """The space that a file takes on the device."""
    block_bytes = 512  # of st_blocks, whatever the file system's own
    return path.stat().st_blocks * block_bytes


def tree_bytes(folder: Path) -> int:
    """The space that the files below a folder take on the device."""
    return sum(file_bytes(path) for path in folder.rglob("*") if path.is_file())

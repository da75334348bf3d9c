"""What all sets share: errors, log lines, files that are whole or absent, blocks that are kept."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

SEED = 7
REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
LONGEST_QUOTE_CHARS = 2_000
STARTED_AT = time.monotonic()

Item = TypeVar("Item")
Result = TypeVar("Result")


class DataSetError(Exception):
    """A set cannot be made; the message says what to do."""


def log(message: str) -> None:
    """One line with the seconds since the start, on standard error."""
    print(f"[{time.monotonic() - STARTED_AT:7.1f} s] {message}", file=sys.stderr, flush=True)


def run_tool(command: Sequence[str | Path], folder: Path, hint: str) -> None:
    """Runs a program in `folder`. DataSetError with its own words and `hint` if that fails."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DataSetError(f"the program '{command[0]}' is not installed. {hint}") from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-LONGEST_QUOTE_CHARS:]
        line = " ".join(str(part) for part in command)
        raise DataSetError(f"'{line}' ended with status {done.returncode}:\n{said}\n{hint}")


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` make a file beside `path`, which then takes its place: whole, or not at all.

    The file written keeps the ending of `path`, because numpy adds its own to names without one.
    """
    partial = path.with_name(f"partial.{path.name}")
    write(partial)
    os.replace(partial, path)


def save_array(path: Path, array: npt.NDArray[Any]) -> None:
    """`array` as a .npy file."""
    replace_file(path, lambda partial: np.save(partial, array))


def save_facts(path: Path, facts: dict[str, object], sources: Iterable[str]) -> None:
    """A set's .json: its facts, what it was made from, and the versions of the libraries."""
    pins = [
        line.partition("==")[0] for line in REQUIREMENTS.read_text().splitlines() if "==" in line
    ]
    libraries = {name: metadata.version(name) for name in pins}
    text = (
        json.dumps({**facts, "sources": sorted(sources), "libraries": libraries}, indent=2) + "\n"
    )
    replace_file(path, lambda partial: partial.write_text(text))


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """function(item) of each item, computed by `workers` threads, given in the order of the items.

    What has not begun when the caller stops, or is interrupted, is dropped.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class BlockStore:
    """Arrays that a stopped run has finished, by a key of all that they depend on. Any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(
        self, key: bytes, make: Callable[[], Sequence[npt.NDArray[Any]]]
    ) -> list[npt.NDArray[Any]]:
        """The arrays kept under `key`; those of make(), kept from now on, if there are none."""
        path = self._folder / f"{hashlib.sha256(key).hexdigest()}.npz"
        if not path.exists():
            arrays = list(make())
            replace_file(path, lambda partial: np.savez(partial, *arrays))
            return arrays
        with np.load(path) as kept:
            return [kept[f"arr_{index}"] for index in range(len(kept.files))]

    def remove(self) -> None:
        """Drops all blocks, when the set is finished."""
        for path in self._folder.glob("*.npz"):
            path.unlink()
        self._folder.rmdir()

"""Showing how a large write goes on."""

from __future__ import annotations

import sys
import time
from typing import Callable

from proximadb.types import Progress

Report = Callable[[int, int], None]


def reporter(progress: Progress) -> Report:
    """What to call with (rows done, rows in all) after each acknowledgement."""
    if callable(progress):
        return progress
    return _Line() if progress else _nothing


def _nothing(done: int, total: int) -> None:
    pass


class _Line:
    """One line on the standard error stream, written over until it is done."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        rate = done / max(time.monotonic() - self._started, 1e-9)
        end = "\n" if done == total else ""
        print(
            f"\rproximadb: {done:,} of {total:,} rows, {rate:,.0f} rows/s ",
            end=end,
            file=sys.stderr,
            flush=True,
        )

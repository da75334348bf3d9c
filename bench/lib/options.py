"""Options that all measurements have, and the way they are run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import proximadb

from lib.workspace import DATASETS, RESULTS, BenchError


@dataclass(frozen=True)
class Measurement:
    """A program of bench/: its name, what it shows, and its defaults."""

    name: str
    title: str
    runs: int
    rows: int | None = None  # None: it inserts none
    more: Callable[[argparse.ArgumentParser], None] = field(default=lambda parser: None)


def parse(measurement: Measurement) -> argparse.Namespace:
    """The command line: --runs, --rows, --datasets, --folder, and what the measurement adds."""
    parser = argparse.ArgumentParser(
        prog=f"bench/{measurement.name}", description=measurement.title + "."
    )
    parser.add_argument("--runs", type=int, default=measurement.runs, help="default %(default)s")
    if measurement.rows is not None:
        rows_help = "rows to insert; default %(default)s"
        parser.add_argument("--rows", type=int, default=measurement.rows, help=rows_help)
        parser.add_argument(
            "--datasets", type=Path, default=DATASETS, help="made by bench/data/make; %(default)s"
        )
    parser.add_argument(
        "--folder",
        type=Path,
        default=RESULTS,
        help="where data is written for the time of a run, on the device to measure; %(default)s",
    )
    measurement.more(parser)
    options = parser.parse_args()
    if options.runs < 1 or getattr(options, "rows", 1) < 1:
        parser.error("--rows and --runs must be 1 or more")
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    return options


def run_program(measurement: Measurement, measure: Callable[[argparse.Namespace], None]) -> None:
    """Parses, measures, and ends the program: status 1 with a sentence if something is wrong."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers are stopped then, too
    options = parse(measurement)
    try:
        measure(options)
    except (BenchError, proximadb.ProximaDBError) as error:
        sys.exit(f"{measurement.name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{measurement.name}: stopped")

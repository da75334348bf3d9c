"""bench/data/make: makes one data set."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from datasets.work import DataSetError

SETS = ("texts", "minilm", "text1m", "sift1m", "glove50")
FEWEST_ROWS = 10


def parse(words: list[str]) -> argparse.Namespace:
    """The options; `out` as an absolute path."""
    parser = argparse.ArgumentParser(
        prog="bench/data/make", description="Makes a data set; bench/data/README.md describes them."
    )
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--rows", type=int, help="rows to make; default: the full set")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).resolve().parents[3] / "build/datasets",
        help="folder for the set and for downloads; default build/datasets",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="threads; default one per core"
    )
    options = parser.parse_args(words)
    if options.rows is not None and options.rows < FEWEST_ROWS:
        parser.error(f"--rows must be {FEWEST_ROWS} or more")
    if options.workers < 1:
        parser.error("--workers must be 1 or more")
    options.out = options.out.resolve()
    return options


def main() -> int:
    """Makes the set that the command line names."""
    options = parse(sys.argv[1:])
    recipe = importlib.import_module(f"datasets.{options.set}")
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        recipe.make(options.out, options.rows or recipe.DEFAULT_ROWS, options.workers)
    except DataSetError as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make: stopped; the same command goes on where it was", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Indexes on disk: each is built once, by a process of its own, with what that cost beside it.

    python -m contenders.cache STEM NAME CACHE THREADS

builds NAME over the set STEM into CACHE/SET/NAME-KEY, unless it is there. The key is of all that an
index depends on: rows, settings, and the library's version or, for ours, the extension's bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from contenders.contender import Contender
from contenders.files import SetFiles
from contenders.registry import contender_class

COST_FILE = "build.json"


def version_of(kind: type[Contender]) -> str:
    """Of the contender's library."""
    if kind.distribution:
        return metadata.version(kind.distribution)
    from contenders import native

    return native.version()


def index_folder(cache: Path, files: SetFiles, kind: type[Contender]) -> Path:
    """Where the index is, or will be."""
    facts = [kind.name, version_of(kind), files.fingerprint(), kind.build_settings]
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    return cache / files.name / f"{kind.name}-{key}"


def build_once(cache: Path, files: SetFiles, name: str, threads: int) -> Path:
    """The folder of the index, which is complete if it is there at all."""
    kind = contender_class(name)
    folder = index_folder(cache, files, kind)
    if folder.exists():
        return folder
    partial = folder.with_name(f"partial-{os.getpid()}-{folder.name}")
    partial.mkdir(parents=True)
    try:
        cost = _build(kind, files, partial, threads)
        (partial / COST_FILE).write_text(json.dumps(cost, indent=2) + "\n")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _build(kind: type[Contender], files: SetFiles, folder: Path, threads: int) -> dict[str, Any]:
    """What it cost."""
    base = files.base()
    contender = kind(files.shape())
    began, cpu_began = time.perf_counter(), _cpu_s()
    contender.build(base, folder, threads)
    cpu_s, wall_s = _cpu_s() - cpu_began, time.perf_counter() - began
    contender.save(folder)
    return {
        "contender": kind.name,
        "version": version_of(kind),
        "settings": kind.build_settings,
        "set": files.name,
        "threads": threads,
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "load": os.getloadavg()[0],  # with other work beside it, a build takes more CPU time
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "index_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def _cpu_s() -> float:
    """Of all threads of this process, and of programs that it ran to their end."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID)
    return own + children.ru_utime + children.ru_stime


def read_cost(folder: Path) -> dict[str, Any]:
    """What build_once() wrote."""
    cost: dict[str, Any] = json.loads((folder / COST_FILE).read_text())
    return cost


def main(stem: str, name: str, cache: str, threads: str) -> None:
    """Prints the folder."""
    print(build_once(Path(cache), SetFiles(Path(stem)), name, int(threads)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

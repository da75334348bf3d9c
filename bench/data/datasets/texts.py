"""texts.parquet: unique short English texts that people wrote, with source and category.

Sources are taken in a fixed order until there are enough rows, so that a shorter file is the
beginning of a longer one: Debian's synopses, WordNet, Debian's long descriptions, dictionaries,
manuals. Packages are fetched only when they are reached.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datasets import sources
from datasets.debian import Archive
from datasets.prose import is_prose, squeeze
from datasets.work import DataSetError, log, replace_file, save_facts

DEFAULT_ROWS = 1_100_000
SOURCES = (
    sources.synopses,
    sources.wordnet,
    sources.long_descriptions,
    sources.dictionaries,
    sources.manuals,
)
Origins = dict[str, tuple[str, str]]


def texts_path(out: Path, needed_by: str) -> Path:
    """The file of an earlier run. DataSetError with the command that makes it if there is none."""
    path = out / "texts.parquet"
    if not path.exists():
        raise DataSetError(
            f"{path} is missing, which {needed_by} is made from. Run first:\n"
            f"    bench/data/make texts --out {out}"
        )
    return path


def make(out: Path, rows: int, workers: int) -> None:
    """Makes the set; `workers` is not used, because the time goes into reading."""
    del workers
    archive = Archive(out / "apt")
    origins = _collect(archive, rows)
    names, categories = zip(*origins.values(), strict=True)
    table = pa.table({"text": list(origins), "source": names, "category": categories})
    replace_file(
        out / "texts.parquet", lambda path: pq.write_table(table, path, compression="zstd")
    )
    counts = dict(Counter(names))
    packages = archive.fetched(_packages(counts, set(categories)))
    facts = {"name": "texts", "rows": len(origins), "counts": counts}
    save_facts(out / "texts.json", facts, packages)
    log(f"texts: {len(origins)} in {out / 'texts.parquet'}")


def _collect(archive: Archive, row_count: int) -> Origins:
    """text -> (source, category) of the first `row_count` texts worth keeping, none twice."""
    origins: Origins = {}
    for source in SOURCES:
        for found in source(archive):
            text = squeeze(found.text)
            if text not in origins and is_prose(text):
                origins[text] = (found.source, found.category)
                if len(origins) == row_count:
                    return origins
        log(f"{len(origins)} texts with {source.__name__.replace('_', ' ')}")
    log(f"all sources together hold {len(origins)} texts, fewer than the {row_count} asked for")
    return origins


def _packages(counts: dict[str, int], categories: set[str]) -> list[str]:
    """The Debian packages that gave at least one row."""
    used = [sources.WORDNET] if {"wordnet-gloss", "wordnet-example"} & counts.keys() else []
    used += [f"dict-{name}" for name in sources.DICTIONARIES if f"dict-{name}" in counts]
    return used + [name for name in sources.MANUALS if "doc" in counts and name in categories]

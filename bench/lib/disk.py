"""What a collection's bytes on disk are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from lib.load import COLLECTION
from lib.workspace import file_bytes, tree_bytes

_KINDS = {"vector": "vectors", "document": "documents", "id": "ids"}


@dataclass(frozen=True)
class Disk:
    """Of one collection. Columns are as their chunks in the files: pages, headers, dictionaries."""

    total: int  # all files: parts, deletes, centroids, manifest, description, log
    log: int
    vectors: int
    documents: int
    ids: int
    fields: int  # metadata, versions, timestamps, expiries
    row_count: int

    @property
    def rest(self) -> int:
        """All but the log and the columns: footers, page indexes, bloom filters, centroids."""
        return self.total - self.log - self.vectors - self.documents - self.ids - self.fields


def part_paths(data: Path, name: str = COLLECTION) -> list[Path]:
    """The collection's parts, in the order of their names."""
    return sorted((data / "store" / name / "vectors").glob("cluster_*/*.parquet"))


def measure_disk(data: Path, name: str = COLLECTION) -> Disk:
    """Of a data folder whose server is stopped."""
    sizes = {"vectors": 0, "documents": 0, "ids": 0, "fields": 0}
    row_count = 0
    for path in part_paths(data, name):
        footer = pq.read_metadata(path)
        row_count += footer.num_rows
        for group in range(footer.num_row_groups):
            for index in range(footer.num_columns):
                chunk = footer.row_group(group).column(index)
                kind = _KINDS.get(chunk.path_in_schema.split(".")[0], "fields")
                sizes[kind] += chunk.total_compressed_size
    log = tree_bytes(data / "wal" / name)
    description = file_bytes(data / "metadata/collections" / f"{name}.json")
    total = tree_bytes(data / "store" / name) + log + description
    return Disk(total, log, **sizes, row_count=row_count)

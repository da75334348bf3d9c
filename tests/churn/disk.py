"""What a collection takes on disk, and what its manifest says of it."""
import json
import os
import re
import threading
import time
from pathlib import Path

import pyarrow.parquet

SAMPLE_S = 0.05
QUIET_S = 0.3               # without a change, to be at rest


def files_of(folder):
    """path -> (inode, bytes) of all files below; those that go while it looks are left out."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.stat(os.path.join(path, name))
            except FileNotFoundError:
                continue
            found[os.path.join(path, name)] = (status.st_ino, status.st_size)
    return found


def is_of_index(path):
    return "/indexes/" in path


def sum_of(files):
    return sum(dict(files).values())    # by inode: a file of two names is there once


def bytes_of(folder):
    """Without those of indexes."""
    return sum_of(info for path, info in files_of(folder).items() if not is_of_index(path))


def index_bytes_of(folder):
    return sum_of(info for path, info in files_of(folder).items() if is_of_index(path))


def unlinked_bytes(pid, folder):
    """Files below the folder that are removed and still mapped: they take their place until they are not."""
    sizes = {}
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith(str(folder)) and fields[5].endswith(" (deleted)"):
            first, last = (int(each, 16) for each in fields[0].split("-"))
            sizes[fields[4]] = sizes.get(fields[4], 0) + last - first
    return sum(sizes.values())


class Collection:
    """The files of one collection."""

    def __init__(self, data, name):
        self.store = Path(data).resolve() / "store" / name
        self.wal = Path(data).resolve() / "wal" / name

    def manifest(self):
        return json.loads((self.store / "MANIFEST.json").read_text())

    def write_amplification(self):
        manifest = self.manifest()
        return (manifest["bytes_flushed"] + manifest["bytes_compacted"]) / manifest["bytes_accepted"]

    def written_bytes(self):
        manifest = self.manifest()
        return manifest["bytes_flushed"] + manifest["bytes_compacted"]

    def parts(self):
        return self.manifest()["parts"]

    def lists(self):
        """Rows of each list, and how many lists were ever made."""
        centroids = self.manifest()["centroids"]
        if centroids is None:
            return [], 0
        with pyarrow.parquet.ParquetFile(self.store / centroids["path"]) as file:
            rows = file.read(["row_count"])["row_count"].to_pylist()
            return rows, int(file.metadata.metadata[b"proximadb.next_list"]) - 1

    def check_files(self):
        """No file is there that the manifest does not name, and none is missing. Of the index there is one at most."""
        manifest = self.manifest()
        named = {each["path"] for each in manifest["parts"] + manifest["deletes"]}
        named |= {manifest["centroids"]["path"]} if manifest["centroids"] else set()
        files = list(files_of(self.store))
        there = {os.path.relpath(path, self.store) for path in files if not is_of_index(path)} - {"MANIFEST.json"}
        assert there == named, f"named and not there: {named - there}; there and not named: {there - named}"
        assert sum(map(is_of_index, files)) <= 1, files

    def empty_clusters(self):
        """Folders of clusters that have gone. cluster_000 may be empty."""
        return [each.name for each in sorted(self.store.glob("vectors/cluster_*")) if not any(each.iterdir())
                and each.name != "cluster_000"]


class Sampler:
    """Looks at a collection every 50 ms, in a thread of its own, between enter and exit."""

    def __init__(self, collection, pid):
        self.collection = collection
        self.pid = pid
        self.peak_bytes = 0
        self.peak = (0, 0, 0)       # its bytes of the store, of the log, and of removed files that are still mapped
        self.index_peak_bytes = 0
        self.samples = 0
        self.seen = {}              # Parquet files -> their largest size
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def run(self):
        while not self.is_over.wait(SAMPLE_S):
            self.look()

    def look(self):
        store, wal = files_of(self.collection.store), files_of(self.collection.wal)
        index_bytes = sum_of(info for path, info in store.items() if is_of_index(path))
        sizes = (sum_of(store.values()) - index_bytes, sum_of(wal.values()),
                 unlinked_bytes(self.pid, self.collection.store))
        self.index_peak_bytes = max(self.index_peak_bytes, index_bytes)
        if sum(sizes) > self.peak_bytes:
            self.peak_bytes, self.peak = sum(sizes), sizes
        self.samples += 1
        for path, (_, size) in store.items():
            if re.search(r"\.parquet$", path):
                self.seen[path] = max(size, self.seen.get(path, 0))


def wait_until_idle(client, name, timeout_s):
    """Until compaction in the background has come to rest, and the index, if there is one, has all rows: between two
    of its steps compaction may be idle for a moment."""
    deadline, quiet_since, last = time.monotonic() + timeout_s, time.monotonic(), None
    while time.monotonic() - quiet_since < QUIET_S:
        assert time.monotonic() < deadline, f"compaction or the index is not done within {timeout_s} s: {last}"
        time.sleep(SAMPLE_S)
        info = client.get_collection(name)
        now = (info.compaction_state, info.bytes_written, info.index_state, info.index_lag)
        if now != last or info.compaction_state != "idle" or info.index_state == "building" or info.index_lag > 0:
            quiet_since, last = time.monotonic(), now

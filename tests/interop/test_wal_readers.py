"""Goal: fastavro and Java's avro-tools list every entry of the log, typed and as it was sent: of a file that a server is
writing, of closed ones, and of what SIGKILL leaves. Of a torn file they list what recovery shows, no more and no less.
Method: a server gets every kind of write from the SDK, with log files so small that there are several. What the readers
list is compared with what was sent, value by value and type by type, floats by their bits. Then servers are killed in the
middle of writes, and their last blocks torn by hand; a server on the same files says what recovery shows.

    cmake --build BUILD --target engine_server && PX_BUILD=BUILD pytest tests/interop/test_wal_readers.py

PX_TEST_SEED   repeats a run, as far as the moment of a SIGKILL can be repeated
"""
import copy
import json
import os
import random
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import avro_tools
import numpy
import pytest
from engine import ROOT, Engine
from exact import exact
from proximadb import CLEAR, ProximaDBError, avro

fastavro = pytest.importorskip("fastavro")

SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
DIMS = 16
FILE_BYTES = 40_000
SWEEP_MS = 100
PATIENCE_SECONDS = 20
SCHEMA = json.loads((ROOT / "schemas/proximadb.v1.WalEntry.avsc").read_text())
SCHEMAS = {"INSERT": "VectorBatch", "UPSERT": "VectorBatch", "UPDATE": "UpdateBatch", "DELETE": "DeleteBatch",
           "EXPIRE": "DeleteBatch"}


# ---- readers ----

def log_files(folder, collection="docs"):
    """In the order of the log; their names are times, and -NNN behind them."""
    return sorted((folder / "wal" / collection).glob("*.wal"), key=lambda path: path.stem)


def canonical(entry):
    """An entry as both readers give it: vectors as the bytes of float32, times as numbers."""
    rows = entry["batch"].get("records") or entry["batch"].get("updates") or []
    for row in rows:
        if row["vector"] is not None:
            row["vector"] = numpy.array(row["vector"], numpy.float32).tobytes()
    if not isinstance(entry["time_ms"], int):
        entry["time_ms"] = round(entry["time_ms"].timestamp() * 1000)
    return entry


def list_with_fastavro(path):
    with path.open("rb") as file:
        return [canonical(entry) for entry in fastavro.reader(file)]


def list_with_java(path):
    return [canonical(entry) for entry in avro_tools.read(path, SCHEMA)]


def signless(entries):
    """What avro-tools makes of entries: its JSON has no sign for the float -0.0, though it has for a double."""
    for entry in copy.deepcopy(entries):
        for row in entry["batch"].get("records") or entry["batch"].get("updates") or []:
            if row["vector"] is not None:
                row["vector"] = (numpy.frombuffer(row["vector"], numpy.float32) + 0).tobytes()
        yield entry


def list_up_to_tear(path):
    """The entries of whole blocks: fastavro raises at the first that is not."""
    entries = []
    with path.open("rb") as file:
        try:
            for block in fastavro.block_reader(file):
                entries += [canonical(entry) for entry in block]
        except Exception:           # whatever a library says of bytes that are none of Avro's
            pass
    return entries


# ---- what is sent ----

class Sender:
    """Writes through the SDK, and knows the entries that must be in the log."""

    def __init__(self, client):
        self.client = client
        self.random = numpy.random.default_rng(SEED)
        self.expected = []
        self.next_lsn = 1

    def vectors(self, count):
        return self.random.standard_normal((count, DIMS), dtype=numpy.float32)

    def expect(self, operation, count, batch, versions=None):
        self.expected.append((operation, self.next_lsn, count, batch))
        if versions is not None:
            assert versions.tolist() == list(range(self.next_lsn, self.next_lsn + count))
        self.next_lsn += count

    def put(self, operation, ids, vectors, metadata=None, documents=None, timestamps=None, expires_at=None):
        """insert or upsert."""
        count = len(ids)
        call = getattr(self.client, operation.lower())
        result = call("docs", vectors, ids=ids, metadata=metadata, documents=documents, timestamps=timestamps,
                      expires_at=expires_at)
        records = [{"id": ids[i], "vector": vectors[i].tobytes(), "metadata": (metadata[i] or {}) if metadata else {},
                    "document": documents[i] if documents else None, "timestamp_ms": timestamps,
                    "expires_at_ms": expires_at} for i in range(count)]
        self.expect(operation, count, {"records": records}, result.versions)

    def update(self, ids, vectors=None, metadata=None, documents=None, expires_at=None, expected_versions=None):
        result = self.client.update("docs", ids, vectors=vectors, metadata=metadata, documents=documents,
                                    expires_at=expires_at, expected_versions=expected_versions)

        def of(values, i):
            value = values[i] if isinstance(values, list) else values
            return "CLEAR" if value is CLEAR else value

        updates = [{"id": ids[i], "vector": None if vectors is None else vectors[i].tobytes(), "metadata": of(metadata, i),
                    "document": of(documents, i), "expires_at_ms": of(expires_at, i),
                    "expected_version": of(expected_versions, i)} for i in range(len(ids))]
        self.expect("UPDATE", len(ids), {"updates": updates}, result.versions)

    def delete(self, ids):
        self.client.delete("docs", ids=ids)
        self.expect("DELETE", len(ids), {"ids": ids, "filter": None, "params": {}})

    def delete_by_filter(self, text, params, chosen):
        """The log has the rows that were chosen, in whatever order."""
        assert self.client.delete("docs", filter=text, params=params) == len(chosen)
        self.expect("DELETE", len(chosen), {"ids": set(chosen), "filter": None, "params": {}})

    def expire(self, ids):
        """The sweeper's own entry; waited for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.client.get_collection("docs").last_version < self.next_lsn:
            assert time.monotonic() < deadline, "the sweeper has logged no delete"
            time.sleep(SWEEP_MS / 2000)
        self.expect("EXPIRE", len(ids), {"ids": set(ids), "filter": None, "params": {}})


ODD_METADATA = [
    {"text": "it's 日本語 😀", "empty": "", "whole": 3, "half": 3.5, "round": 3.0, "yes": True, "no": False, "none": None,
     "list": ["a", "", "é"], "nothing": []},
    {"largest": 2**63 - 1, "smallest": -2**63, "zero": -0.0, "tiny": 5e-324, "huge": 1.7976931348623157e308, "tenth": 0.1},
    None,
    {},
]


def send_everything(sender, first):
    """Each kind of write with each kind of value; ids begin with `first`."""
    ids = [f"{first}{number}" for number in range(4)]
    odd = sender.vectors(4)
    odd[0, :4] = [numpy.float32(-0.0), numpy.float32(1e-45), numpy.float32(3.4028235e38) / 1e20, numpy.float32(0.1)]
    sender.put("INSERT", ids, odd, ODD_METADATA, ["plain", None, "", "two\nlines \x01 \u2028"], timestamps=1)
    sender.put("UPSERT", ids[:2], sender.vectors(2), expires_at=4_000_000_000_000)
    sender.update(ids[:3], vectors=sender.vectors(3), metadata=[{"whole": None, "new": 1}, None, {}],
                  documents=[CLEAR, None, "text"], expires_at=[CLEAR, None, 4_000_000_000_000])
    sender.update([ids[3]], metadata=[{"year": 2000}], expected_versions=[sender.next_lsn - 6])
    sender.delete([ids[2], "unknown", "ünknown"])


def send_all_kinds(sender):
    """Before and after the fields change, enough for several files, and some for the one that is being written."""
    sender.put("INSERT", ["before"], sender.vectors(1), [{"year": 1, "text": "x"}])
    sender.client.update_collection("docs", {"year": "long", "text": "string", "list": "string_array"})
    sender.put("INSERT", ["gone", "gone too"], sender.vectors(2), expires_at=1)
    sender.expire(["gone", "gone too"])
    send_everything(sender, "a")
    for batch in range(4):
        ids = [f"bulk {batch} {number}" for number in range(150)]
        sender.put("INSERT", ids, sender.vectors(150), [{"batch": batch, "number": number} for number in range(150)],
                   [f"the document of {name} " * 3 for name in ids])
    sender.delete_by_filter("batch = $batch AND number >= 100", {"batch": 1}, [f"bulk 1 {n}" for n in range(100, 150)])
    send_everything(sender, "z")


def check_entries(entries, expected, began_ms):
    """That the entries are the expected ones, or the last of them: what was flushed may be gone."""
    assert 0 < len(entries) <= len(expected)
    last_time = began_ms
    for entry, (operation, lsn, count, batch) in zip(entries, expected[-len(entries):], strict=True):
        assert (entry["operation"], entry["lsn"], entry["row_count"]) == (operation, lsn, count)
        assert last_time <= entry["time_ms"] <= time.time() * 1000 + 1
        last_time = entry["time_ms"]
        found = dict(entry["batch"])
        assert found.pop("request_id") == entry["request_id"]
        assert entry["schema_fingerprint"] == avro.header(SCHEMAS[operation])[2:]
        if isinstance(batch.get("ids"), set):
            assert len(found["ids"]) == count
            found["ids"] = set(found["ids"])
        assert exact(found) == exact(batch)
        assert len(entry["crc32c"]) == 4 and entry["batch_size"] > 0


# ---- tests ----

def check_both(paths, expected, began_ms):
    """Each file by both readers; the Java ones at once."""
    by_fastavro = [list_with_fastavro(path) for path in paths]
    check_entries(sum(by_fastavro, []), expected, began_ms)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, ours, theirs in zip(paths, by_fastavro, pool.map(list_with_java, paths), strict=True):
            assert exact(list(signless(ours))) == exact(theirs), path


def test_wal__is_listed_while_it_is_written_and_when_it_is_closed(tmp_path):
    print(f"PX_TEST_SEED={SEED}")
    avro_tools.jar()
    began_ms = int(time.time() * 1000) - 1
    folder = tmp_path / "data"
    with Engine(folder, "--wal-file-bytes", FILE_BYTES, "--expiry-sweep-ms", SWEEP_MS) as engine:
        engine.client.create_collection("docs", DIMS, metric="l2", storage="exact", filterable={"year": "long"})
        sender = Sender(engine.client)
        send_all_kinds(sender)
        files = log_files(folder)
        assert len(files) >= 3, "the log was not rotated"
        assert files[-1].stat().st_size % 4096 == 0, "the newest file is not the one that is written"
        check_both(files, sender.expected, began_ms)
        live = list_with_fastavro(files[-1])
        assert {entry["operation"] for entry in live} >= {"INSERT", "UPSERT", "UPDATE", "DELETE"}
        assert avro_tools.count(files[-1]) == len(live)
        engine.stop()
    assert log_files(folder) == files
    check_entries(sum(map(list_with_fastavro, files), []), sender.expected, began_ms)
    assert exact(list_with_java(files[-1])) == exact(list(signless(live)))
    assert files[-1].stat().st_size % 4096 != 0, "closing has not cut the padding off"


class Writers:
    """Threads that insert batches of random sizes until their server is gone."""

    def __init__(self, client, count):
        self.client = client
        self.acknowledged = {}
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        source = numpy.random.default_rng([SEED, number])
        for batch in range(10**6):
            rows = int(source.choice([1, 20, 400]))
            ids = [f"{number} {batch} {row}" for row in range(rows)]
            vectors = source.standard_normal((rows, DIMS), dtype=numpy.float32)
            try:
                versions = self.client.insert("docs", vectors, ids=ids).versions
            except (ProximaDBError, ValueError):    # the latter by grpc, of a client that was closed
                return
            self.acknowledged.update(zip(ids, zip(versions.tolist(), map(numpy.ndarray.tobytes, vectors))))

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


def rows_of(entries):
    """id -> (version, vector) of entries that are inserts only."""
    assert {entry["operation"] for entry in entries} <= {"INSERT"}
    return {record["id"]: (entry["lsn"] + i, record["vector"])
            for entry in entries for i, record in enumerate(entry["batch"]["records"])}


def recover(folder):
    """The rows that a server shows which starts on these files."""
    with Engine(folder) as engine:
        assert engine.client.get_collection("docs").read_only_reason is None
        return {row.id: (row.version, row.vector.tobytes()) for row in engine.client.scan("docs")}


def make_killed(folder):
    """A data folder whose server was killed in the middle of writes, and the rows that it had acknowledged."""
    with Engine(folder, "--wal-file-bytes", 100_000) as engine:
        engine.client.create_collection("docs", DIMS, metric="l2", storage="exact")
        writers = Writers(engine.client, 3)
        enough, deadline = random.Random(SEED).randrange(500, 3000), time.monotonic() + PATIENCE_SECONDS
        while len(writers.acknowledged) < enough and time.monotonic() < deadline:
            time.sleep(0.001)
        engine.kill()
        writers.join()
    assert len(writers.acknowledged) > 0
    return writers.acknowledged


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    print(f"PX_TEST_SEED={SEED}")
    folder = tmp_path_factory.mktemp("killed") / "data"
    return folder, make_killed(folder)


def test_wal__of_a_killed_server_is_listed_as_it_is_recovered(killed, tmp_path):
    folder, acknowledged = killed
    files = log_files(folder)
    listed = [list_up_to_tear(path) for path in files]
    last = max(i for i, entries in enumerate(listed) if entries)     # a kill behind a rotation leaves a file without any
    by_java = avro_tools.read_up_to_damage(files[last], SCHEMA, tmp_path)
    assert [canonical(entry) for entry in by_java] == listed[last]
    rows = rows_of(sum(listed, []))
    assert rows.items() >= acknowledged.items(), "an acknowledged row is not in the log"
    assert recover(shutil.copytree(folder, tmp_path / "data")) == rows


@pytest.fixture(scope="module")
def ended(killed, tmp_path_factory):
    """The same folder behind another life, whose last two writes were whole when the kill came; where the first kill left the
    log, behind a rotation or within a block, is left to chance."""
    folder = shutil.copytree(killed[0], tmp_path_factory.mktemp("ended") / "data")
    with Engine(folder) as engine:
        vectors = numpy.random.default_rng(SEED).standard_normal((20, DIMS), dtype=numpy.float32)
        for i in range(2):
            engine.client.insert("docs", vectors, ids=[f"last {i} {row}" for row in range(20)])
        engine.kill()
    return folder


def last_block(path):
    """Where the last block with entries begins and ends."""
    begin = end = 0
    with path.open("rb") as file:
        for block in fastavro.block_reader(file):
            if block.num_records > 0:
                begin, end = block.offset, block.offset + block.size
    return begin, end


@pytest.mark.parametrize("kept, zeroed", [(1, True), (0.5, True), (0.5, False), (-1, True), (-20, False)])
def test_wal__that_is_torn_is_listed_as_it_is_recovered(ended, tmp_path, kept, zeroed):
    """Of the last block only the beginning came to the device: a byte, half of it, all but a byte, or nothing of its sync
    marker. Behind it are zeros, as in the room that was made ahead, or nothing."""
    folder = shutil.copytree(ended, tmp_path / "data")
    path = log_files(folder)[-1]
    content = bytearray(path.read_bytes())
    begin, end = last_block(path)
    assert end > begin > 0
    torn_at = begin + 1 if kept == 1 else end + kept if kept < 0 else begin + (end - begin) // 2
    if zeroed:
        padding_header = 6
        content[torn_at:end + padding_header] = bytes(end + padding_header - torn_at)
    else:
        del content[torn_at:]
    whole = [list_up_to_tear(file) for file in log_files(folder)]
    path.write_bytes(content)
    torn = [list_up_to_tear(file) for file in log_files(folder)]
    assert len(torn[-1]) < len(whole[-1]) and torn[-1] == whole[-1][:len(torn[-1])]
    if kept == 0.5 and zeroed:      # Java takes its time
        listed = avro_tools.read_up_to_damage(path, SCHEMA, tmp_path)
        assert [canonical(entry) for entry in listed] == torn[-1]
    assert recover(folder) == rows_of(sum(torn, []))

"""Goal: payloads mean to the engine what they mean to fastavro, and ours have the bytes that fastavro writes.
Method: random data of every schema. fastavro writes, the engine reads (tests/tools/avro_tool); the engine writes,
fastavro reads, and the bytes are compared. The examples and the table in docs/format/avro.md are checked as well.

    cmake --build BUILD --target avro_tool && PX_BUILD=BUILD pytest tests/interop/test_avro_oracle.py

PX_AVRO_COUNT   payloads of each schema; default 100
PX_TEST_SEED    repeats a run
"""
import io
import json
import os
import random
import re
import struct
import subprocess
import uuid
from pathlib import Path

import fastavro
import fastavro.schema
import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNT = int(os.environ.get("PX_AVRO_COUNT", "100"))
SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
DIMENSION = 5
CLEAR = ("proximadb.v1.Clear", "CLEAR")

WORDS = ["", "a", "network", "é", "日本", "😀", "line\nbreak", 'quote"', "CLEAR", "x" * 200]
LONGS = [0, 1, -1, 63, 64, -64, -65, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63)]
DOUBLES = [0.0, -0.0, 1.0, 0.1, -2.5, 1e300, 5e-324, 2.0**63]


def load_schemas():
    schemas = {}
    for path in sorted((ROOT / "schemas").glob("proximadb.v1.*.avsc")):
        schemas[path.name.split(".")[2]] = fastavro.parse_schema(json.loads(path.read_text()))
    return schemas


SCHEMAS = load_schemas()


def fingerprint(schema):
    return bytes.fromhex(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def write(name, datum):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMAS[name], datum)
    return b"\xc3\x01" + fingerprint(SCHEMAS[name]) + out.getvalue()


def read(payload):
    names = [name for name, schema in SCHEMAS.items() if fingerprint(schema) == payload[2:10]]
    stream = io.BytesIO(payload[10:])
    datum = fastavro.schemaless_reader(stream, SCHEMAS[names[0]], return_named_type=True)
    assert payload[:2] == b"\xc3\x01" and stream.read() == b""
    return names[0], datum


class Engine:
    """The helper program: a line in, a line out."""

    def __init__(self):
        program = Path(os.environ.get("PX_BUILD", ROOT / "build/dev")) / "tests/avro_tool"
        if not program.exists():
            pytest.skip(f"{program} is not built")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request, ensure_ascii=False).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def decode(self, payload, dimension=DIMENSION):
        return self.ask({"decode": payload.hex(), "dimension": dimension})

    def encode(self, name, datum):
        return self.ask({"encode": name, "datum": datum})

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0


@pytest.fixture(scope="module")
def engine():
    engine = Engine()
    yield engine
    engine.close()


# ---- random data, as fastavro takes and gives it ----------------------------------------------------------------


class Random(random.Random):
    def float32(self):
        return struct.unpack("<f", struct.pack("<f", self.uniform(-2, 2)))[0]

    def maybe(self, make):
        return make() if self.random() < 0.5 else None

    def text(self):
        return self.choice(WORDS)

    def id(self):
        return "".join(self.choices("abcé日-_/ ", k=self.randint(1, 12))) + str(self.getrandbits(40))

    def vector(self):
        return [self.float32() for _ in range(DIMENSION)]

    def value(self):
        return self.choice([
            lambda: None, lambda: self.random() < 0.5, lambda: self.choice(LONGS), lambda: self.choice(DOUBLES),
            self.text, lambda: [self.text() for _ in range(self.randrange(4))]])()

    def map(self, smallest=0):
        keys = {self.choice(["k", "é", "price", "a b"]) + str(self.randrange(50)) for _ in range(self.randint(smallest, 6))}
        return {key: self.value() for key in keys}

    def time(self):
        return self.randrange(253402300800000)

    def request_id(self):
        return self.randbytes(16)

    def filter(self):
        text = self.maybe(lambda: "price < " + str(self.randrange(1000)) + " AND name = 'é'")
        return {"filter": text, "params": self.map() if text is not None else {}}

    def filterable(self):
        types = ["string", "long", "double", "boolean", "string_array"]
        return {name: self.choice(types) for name in sorted({"f" + str(self.randrange(99)) for _ in range(5)})}

    def collection(self):
        return {
            "name": "docs" + str(self.randrange(9)), "id": str(uuid.UUID(bytes=self.randbytes(16))),
            "dimension": self.randint(1, 65536), "metric": self.choice(["cosine", "l2", "dot"]),
            "index_type": self.choice(["HNSW", "IVF", "FLAT"]),
            **self.choice([
                {"storage": "balanced", "layout": "compressed", "mantissa_bits": 7, "relative_error": 2**-8},
                {"storage": "compact", "layout": "compressed", "mantissa_bits": 4, "relative_error": 2**-5},
                {"storage": "exact", "layout": "compressed", "mantissa_bits": 23, "relative_error": 0.0},
                {"storage": "exact", "layout": "plain", "mantissa_bits": 23, "relative_error": 0.0}]),
            "filterable": self.filterable(),
            "created_at_ms": self.time(), "vector_count": self.getrandbits(60), "part_count": self.getrandbits(20),
            "disk_bytes": self.getrandbits(50), "memtable_bytes": self.getrandbits(30),
            "wal_bytes": self.getrandbits(40), "last_version": self.getrandbits(62),
            "fresh_part_count": self.getrandbits(9), "dead_row_count": self.getrandbits(30),
            "bytes_accepted": self.getrandbits(50), "bytes_written": self.getrandbits(50),
            "compaction_state": self.choice(["idle", "running", "paused", "behind"]),
            "compaction_rows_done": self.getrandbits(30), "compaction_row_count": self.getrandbits(30),
            "index_memory": self.choice(["lean", "fast"]), "index_state": self.choice(["none", "building", "ready"]),
            "index_row_count": self.getrandbits(32), "index_lag": self.getrandbits(32),
            "index_file_bytes": self.getrandbits(40), "index_memory_bytes": self.getrandbits(40),
            "index_rows_done": self.getrandbits(32), "index_rebuild_count": self.getrandbits(9),
            "index_rebuild_reason": self.choice(["", "its file is missing", "é"]),
            "read_only_reason": self.maybe(lambda: "part_001.parquet is damaged: é")}


def vector_batch(r):
    return {"request_id": r.request_id(), "records": [
        {"id": r.id(), "vector": r.vector(), "metadata": r.map(), "document": r.maybe(r.text),
         "timestamp_ms": r.maybe(r.time), "expires_at_ms": r.maybe(r.time)} for _ in range(r.randint(1, 90))]}


def update_batch(r):
    return {"request_id": r.request_id(), "updates": [
        {"id": r.id(), "vector": r.maybe(r.vector), "metadata": r.maybe(lambda: r.map(1)),
         "document": r.choice([None, CLEAR, r.text()]), "expires_at_ms": r.choice([None, CLEAR, r.time()]),
         "expected_version": r.maybe(lambda: r.randint(1, 2**62))} for _ in range(r.randint(1, 90))]}


def delete_batch(r):
    how = r.filter()
    return {"request_id": r.request_id(), "ids": [] if how["filter"] else [r.id() for _ in range(r.randint(1, 90))],
            **how}


def get_request(r):
    return {"ids": [r.id() for _ in range(r.randrange(90))], "include_vectors": r.random() < 0.5}


def search_request(r):
    return {"queries": [r.vector() for _ in range(r.randint(1, 9))], "k": r.randint(1, 10000), **r.filter(),
            "include_vectors": r.random() < 0.5, "include_metadata": r.random() < 0.5,
            "ef": r.maybe(lambda: r.randint(1, 10000)), "nprobe": r.maybe(lambda: r.randint(1, 99)),
            "exact": r.random() < 0.5, "target_recall": r.maybe(lambda: r.uniform(0.01, 0.99))}


def scan_request(r):
    return {**r.filter(), "batch_size": r.randint(1, 10000), "include_vectors": r.random() < 0.5,
            "cursor": r.maybe(lambda: "cursor-" + r.randbytes(9).hex())}


def record_batch(r):
    return {"records": [
        {"id": r.id(), "version": r.getrandbits(62), "vector": r.maybe(r.vector), "metadata": r.map(),
         "document": r.maybe(r.text), "timestamp_ms": r.time(), "expires_at_ms": r.maybe(r.time)}
        for _ in range(r.randrange(90))], "cursor": r.maybe(lambda: "cursor-" + r.randbytes(9).hex())}


def search_result(r):
    with_vector, with_metadata = r.random() < 0.5, r.random() < 0.5
    return {"results": [[
        {"id": r.id(), "version": r.getrandbits(62), "score": r.uniform(-9, 9), "distance": r.choice(DOUBLES),
         "vector": r.vector() if with_vector else None, "metadata": r.map() if with_metadata else None,
         "document": r.maybe(r.text) if with_metadata else None} for _ in range(r.randrange(20))]
        for _ in range(r.randrange(5))]}


MAKERS = {
    "VectorBatch": vector_batch,
    "UpdateBatch": update_batch,
    "DeleteBatch": delete_batch,
    "SearchRequest": search_request,
    "GetRequest": get_request,
    "ScanRequest": scan_request,
    "CountRequest": lambda r: r.filter(),
    "RebuildIndexRequest": lambda r: {"index_memory": r.maybe(lambda: r.choice(["lean", "fast"]))},
    "CompactRequest": lambda r: {"cluster_count": r.maybe(lambda: r.randint(1, 2**31 - 1))},
    "CollectionSpec": lambda r: {key: value for key, value in r.collection().items() if key in (
        "name", "dimension", "metric", "index_type", "storage", "layout", "filterable",
        "index_memory")} | {"exist_ok": r.random() < 0.5},
    "CollectionChange": lambda r: {"filterable": r.filterable()},
    "WriteResult": lambda r: {"row_count": r.getrandbits(62), "first_version": r.getrandbits(62),
                              "affected": r.getrandbits(9), "repeated": r.random() < 0.5},
    "SearchResult": search_result,
    "RecordBatch": record_batch,
    "CountResult": lambda r: {"count": r.getrandbits(62)},
    "CompactResult": lambda r: {name: r.getrandbits(62) for name in (
        "row_count", "cluster_count", "bytes_read", "bytes_written")},
    "CollectionInfo": lambda r: r.collection(),
    "CollectionList": lambda r: {"collections": [r.collection() for _ in range(r.randrange(5))]},
}


def as_json(value):
    """A datum of fastavro's in the form of avro_tool.h."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if value == CLEAR:
        return {"Clear": "CLEAR"}
    return value


def exact(value):
    """A text that differs where values or their types do: 1 from 1.0, 0.0 from -0.0."""
    return json.dumps(value, sort_keys=True)


def expected_reading(name, datum):
    """What avro_tool gives: a public reader does not tell metadata that was left out from none."""
    if name == "SearchResult":
        return {"results": [[{**hit, "metadata": hit["metadata"] or {}} for hit in hits] for hits in datum["results"]]}
    return datum


# ---- tests ------------------------------------------------------------------------------------------------------


def test_every_schema_is_tested():
    assert set(MAKERS) | {"WalEntry"} == set(SCHEMAS)


def test_fingerprints(engine):
    got = engine.ask({"schemas": True})
    assert got == {name: fingerprint(schema).hex() for name, schema in SCHEMAS.items()}


@pytest.mark.parametrize("name", MAKERS)
def test_engine_reads_what_fastavro_writes(engine, name):
    r = Random(SEED)
    for round_number in range(COUNT):
        datum = MAKERS[name](r)
        got = engine.decode(write(name, datum))
        assert got.get("schema") == name, f"{got}\nPX_TEST_SEED={SEED} round {round_number}"
        assert exact(got["datum"]) == exact(as_json(expected_reading(name, datum))), f"PX_TEST_SEED={SEED}"


@pytest.mark.parametrize("name", MAKERS)
def test_fastavro_reads_what_engine_writes(engine, name):
    r = Random(SEED)
    for round_number in range(COUNT):
        datum = MAKERS[name](r)
        got = engine.encode(name, as_json(datum))
        assert "payload" in got, f"{got}\nPX_TEST_SEED={SEED} round {round_number}"
        payload = bytes.fromhex(got["payload"])
        assert read(payload) == (name, datum), f"PX_TEST_SEED={SEED}"
        if name == "RecordBatch":               # its count is padded to five bytes
            (shortest, _) = encode_long(len(datum["records"]))
            payload = payload[:10] + shortest + payload[15:]
        assert payload == write(name, datum), f"PX_TEST_SEED={SEED}"


def encode_long(value):
    zigzag = value << 1 ^ value >> 63
    out = bytearray()
    while zigzag >= 128:
        out.append(zigzag & 127 | 128)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out), len(out)


def test_engine_refuses_what_breaks_a_rule(engine):
    """What fastavro writes gladly and the engine must not take."""
    r = Random(SEED)

    def refused(name, change):
        datum = MAKERS[name](r)
        change(datum)
        return engine.decode(write(name, datum))

    got = refused("VectorBatch", lambda d: d["records"][0]["vector"].append(1.0))
    assert (got["status"], got["row_index"]) == ("DIMENSION", 0)
    got = refused("VectorBatch", lambda d: d["records"].append({**d["records"][0]}))
    assert got["status"] == "INVALID" and "may name each id once" in got["error"]
    got = refused("VectorBatch", lambda d: d["records"].clear())
    assert got["error"] == "the batch has no rows"
    got = refused("VectorBatch", lambda d: d["records"][0]["metadata"].update({"": 1}))
    assert got["status"] == "INVALID" and got["row_index"] == 0
    got = refused("SearchRequest", lambda d: d.update(k=10001))
    assert got["error"] == "k is 10001; it may be 1 to 10000"
    got = refused("SearchRequest", lambda d: d["queries"][0].__setitem__(2, float("nan")))
    assert got["error"] == "row 0: component 2 of the vector is NaN; every one must be a finite number"
    got = engine.decode(b"\xc3\x01" + bytes(8) + b"\0")
    assert got["status"] == "UNIMPLEMENTED" and "VectorBatch b7d764b376b07a22" in got["error"]


# ---- the document -----------------------------------------------------------------------------------------------


def document_examples():
    """Pairs of hex digits and JSON from docs/format/avro.md: each ```hex block and the ```json block behind it."""
    text = (ROOT / "docs/format/avro.md").read_text()
    return re.findall(r"```hex\n(.*?)```\s*```json\n(.*?)```", text, re.S)


def test_document_examples(engine):
    seen = set()
    for digits, datum in document_examples():
        digits = re.sub(r"#.*", "", digits)
        payload = bytes.fromhex(digits)
        name, got = read(payload)
        seen.add(name)
        assert exact(as_json(got)) == exact(json.loads(datum)), name
        got = engine.decode(payload, dimension=2)
        assert got.get("schema") == name, got
    assert seen == set(MAKERS)

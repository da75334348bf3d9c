"""Goal: whatever is asked over REST means the same as over gRPC: the same rows, the same answers, and for everything that is
wrong the same error, with a sentence, while nothing changes. Every answer is what the OpenAPI document says.
Method: the real engine; each operation through the Python SDK and through httpx, over HTTP/1.1 and HTTP/2; what the SDK would
not send goes to gRPC as Avro that fastavro has written. Each JSON answer is checked against the schema of its route.
"""
import base64
import gzip
import io
import itertools
import json
import math
import os
import re
import socket
import struct
import uuid

import fastavro
import grpc
import httpx
import jsonschema
import numpy as np
import openapi_spec_validator
import proximadb
import pytest
import wire
from conftest import ROOT, Server
from google.rpc import error_details_pb2, status_pb2

Code = grpc.StatusCode
DOCUMENT = json.loads((ROOT / "docs/openapi.json").read_text())
LIMIT = 1 << 20         # of a message or body
DIMS = 4
names = map("c{}".format, itertools.count())


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    running = Server("engine_server", tmp_path_factory.mktemp("data") / "db", "--message-limit", LIMIT)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def sdk(engine):
    with proximadb.ProximaDBClient(engine.address) as client:
        yield client


@pytest.fixture(scope="module")
def stub(engine, proto):
    with grpc.insecure_channel(engine.address) as channel:
        yield proto.services.ProximaDBStub(channel)


@pytest.fixture(scope="module", params=["HTTP/1.1", "HTTP/2"])
def rest(engine, request):
    is_http2 = request.param == "HTTP/2"
    with httpx.Client(base_url=f"http://{engine.address}", http1=not is_http2, http2=is_http2, verify=False, timeout=30,
                      event_hooks={"response": [check_answer]}) as client:
        yield client


@pytest.fixture
def name():
    """A collection's that nobody else has."""
    return next(names)


# ---- the document --------------------------------------------------------------------------------------------------------

def template_of(path):
    """The path of the document that a request's path is one of, or None."""
    def fits(template):
        return re.fullmatch(template.replace("{name}", "[^/]*"), path)
    return next((each for each in DOCUMENT["paths"] if fits(each)), None)


def resolved(value):
    while "$ref" in value:
        found = DOCUMENT
        for part in value["$ref"].split("/")[1:]:
            found = found[part]
        value = found
    return value


def check_answer(response):
    """Holds an answer against the document, as far as that has its route and method."""
    response.read()
    request = response.request
    template = template_of(request.url.raw_path.decode().split("?")[0])
    operation = DOCUMENT["paths"].get(template, {}).get(request.method.lower())
    if operation is None:
        assert response.status_code in (200, 404, 405) or request.method == "HEAD"
        return
    documented = operation["responses"].get(str(response.status_code))
    assert documented is not None, f"{request.method} {template} answers {response.status_code}, which is not documented"
    content = resolved(documented).get("content")
    if content is None:
        assert not response.content
        return
    (media, description), = content.items()
    assert response.headers["content-type"].split(";")[0] == media
    if media.endswith("json"):
        schema = {**description["schema"], "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(response.json())


def test_rest_parity__has_a_valid_document(rest):
    openapi_spec_validator.validate(DOCUMENT)
    assert rest.get("/openapi.json").json() == DOCUMENT


def test_rest_parity__gives_examples_that_keep_its_schemas():
    def holders(value):
        if isinstance(value, dict):
            if "schema" in value and "examples" in value:
                yield value
            value = value.values()
        for each in value if not isinstance(value, str) else ():
            if isinstance(each, (dict, list)):
                yield from holders(each)
    seen = 0
    for holder in holders(list(DOCUMENT.values())):
        schema = jsonschema.Draft202012Validator({**holder["schema"], "components": DOCUMENT["components"]})
        for example in holder["examples"].values():
            schema.validate(example["value"])
            seen += 1
    assert seen > 30


# ---- both sides ----------------------------------------------------------------------------------------------------------

RECORD_PARTS = ("id", "vector", "metadata", "document", "version", "timestamp", "expires_at")
HIT_PARTS = ("id", "score", "distance", "version", "metadata", "document", "vector")
INFO_PARTS = ("dimension", "metric", "index_type", "storage", "layout", "mantissa_bits", "relative_error", "filterable", "vector_count", "last_version", "read_only_reason")


def parts(value, which, without=()):
    """Of an SDK's object or of a JSON object; what is not there is None. JSON has the shortest text of each float32."""
    get = value.get if isinstance(value, dict) else lambda part: getattr(value, part)
    found = {part: get(part) for part in which if part not in without}
    if found.get("vector") is not None:
        found["vector"] = np.asarray(found["vector"], dtype=np.float32).tobytes()
    return found


def typed(value):
    """With the types of numbers, since 1 == 1.0."""
    if isinstance(value, dict):
        return {key: typed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [typed(each) for each in value]
    return (type(value).__name__, value)


def same(left, right):
    assert typed(left) == typed(right)


def path(name, rest_of_it=""):
    return f"/v1/collections/{name}{rest_of_it}"


def ok(response, status=200):
    assert response.status_code == status, response.text
    return response.json() if response.content else None


def rows_by_rest(rest, name):
    """All rows, page by page."""
    rows, cursor = [], None
    while True:
        page = ok(rest.post(path(name, "/scan"), json={"batch_size": 7, "cursor": cursor}))
        rows += page["records"]
        cursor = page["cursor"]
        if cursor is None:
            return [parts(row, RECORD_PARTS) for row in rows]


def rows_by_sdk(sdk, name):
    return [parts(row, RECORD_PARTS) for row in sdk.scan(name)]


def same_rows(sdk, rest, left, right, without=()):
    """The two collections hold the same rows, and both sides see it so."""
    for collection in (left, right):
        same(rows_by_rest(rest, collection), rows_by_sdk(sdk, collection))
    strip = [[parts(row, RECORD_PARTS, without) for row in sdk.scan(each)] for each in (left, right)]
    same(*strip)
    return strip[0]


@pytest.fixture
def pair(sdk, rest, name):
    """Two equal collections: one made by the SDK, and one by REST."""
    fields = {"year": "long", "rate": "double", "tags": "string_array", "kind": "string", "new": "boolean"}
    sdk.create_collection(name + "g", DIMS, storage="exact", filterable=fields)
    ok(rest.post("/v1/collections", json={"name": name + "r", "dimension": DIMS, "storage": "exact",
                                            "filterable": fields}), 201)
    return name + "g", name + "r"


# ---- operations ----------------------------------------------------------------------------------------------------------

def test_rest_parity__manages_collections(sdk, rest, name):
    more = dict(metric="l2", index_type="IVF", filterable={"year": "long", "tags": "string_array"})
    by_sdk = sdk.create_collection(name + "g", 3, **more)
    made = rest.post("/v1/collections", json={"name": name + "r", "dimension": 3, **more})
    by_rest = ok(made, 201)
    assert made.headers["location"] == path(name + "r")
    same(parts(by_rest, INFO_PARTS), parts(by_sdk, INFO_PARTS))
    for each in (name + "g", name + "r"):
        everything = (*INFO_PARTS, "name", "id", "created_at", "part_count", "disk_bytes", "memtable_bytes", "wal_bytes",
                      "fresh_part_count", "dead_row_count", "bytes_accepted", "bytes_written", "compaction_state",
                      "compaction_rows_done", "compaction_row_count", "index_memory", "index_state", "index_row_count",
                      "index_lag", "index_file_bytes", "index_memory_bytes", "index_rows_done", "index_rebuild_count",
                      "index_rebuild_reason")
        same(parts(ok(rest.get(path(each))), everything), parts(sdk.get_collection(each), everything))
    listed = ok(rest.get("/v1/collections"))["collections"]
    assert [each["name"] for each in listed] == [each.name for each in sdk.list_collections()]
    ok(rest.post("/v1/collections", json={"name": name + "g", "dimension": 3, **more, "exist_ok": True}))
    sdk.create_collection(name + "r", 3, **more, exist_ok=True)
    by_sdk = sdk.update_collection(name + "g", {"year": "long", "rate": "double"})
    by_rest = ok(rest.patch(path(name + "r"), json={"filterable": {"year": "long", "rate": "double"}}))
    same(parts(by_rest, INFO_PARTS), parts(by_sdk, INFO_PARTS))
    ok(rest.delete(path(name + "g")), 204)
    sdk.delete_collection(name + "r")
    for each in (name + "g", name + "r"):
        assert rest.get(path(each)).status_code == 404
        with pytest.raises(proximadb.CollectionNotFoundError):
            sdk.get_collection(each)


METADATA = [
    {"year": 2024, "rate": 2024.0, "tags": ["a", "", "é"], "kind": "x", "new": True, "none": None},
    {},
    {"year": -(1 << 63), "rate": 5e-324, "other": "\"\\\n\u2028", "list": []},
    {"year": (1 << 63) - 1, "rate": 1.7976931348623157e308, "deep.key": 0.1, "": False},
    {"kind": "y" * 1000},
]
VECTORS = np.array([[1, 0, 0, 0], [0.1, -0.2, 0.3, -0.4], [1e-10, 0, 0, 1e10], [-0.0, 1, 3.4e18, 0], [1, 2, 3, 4]],
                   dtype=np.float32)
DOCUMENTS = ["a text", None, "", "zwei\nZeilen", "\U0001f600"]
TIMES = [1700000000000, 0, 1, 1700000000001, 5]
EXPIRES = [None, 4102444800000, None, None, 4102444800001]


def test_rest_parity__writes(sdk, rest, pair):
    by_sdk, by_rest = pair
    ids = ["a", "ü", "c/d", "\"", "e" * 512]
    metadata = [{key: value for key, value in each.items() if key} for each in METADATA]
    made = sdk.insert(by_sdk, VECTORS, ids=ids, metadata=metadata, documents=DOCUMENTS, timestamps=TIMES,
                      expires_at=EXPIRES)
    records = [{"id": row[0], "vector": row[1].tolist(), "metadata": row[2], "document": row[3], "timestamp": row[4],
                "expires_at": row[5]} for row in zip(ids, VECTORS, metadata, DOCUMENTS, TIMES, EXPIRES)]
    answer = ok(rest.post(path(by_rest, "/vectors"), json={"records": records}))
    assert answer == {"row_count": 5, "first_version": made.versions[0], "affected": 5, "repeated": False}
    same_rows(sdk, rest, by_sdk, by_rest)

    sdk.upsert(by_sdk, VECTORS[:2], ids=["c/d", "new"], timestamps=7)
    packed = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in VECTORS]
    records = [{"id": each, "vector_base64": packed[i], "timestamp": 7} for i, each in enumerate(["c/d", "new"])]
    ok(rest.post(path(by_rest, "/vectors?mode=upsert"), json={"records": records}))
    same_rows(sdk, rest, by_sdk, by_rest)

    CLEAR = proximadb.CLEAR
    sdk.update(by_sdk, ["a", "ü", "\""], vectors=VECTORS[2:5], metadata=[{"year": 1, "rate": None}, {}, {"more": "m"}],
               documents=[CLEAR, "now", None], expires_at=[9999999999999, CLEAR, None],
               expected_versions=[1, None, 4])
    records = [{"id": "a", "vector": VECTORS[2].tolist(), "metadata": {"year": 1, "rate": None}, "document": None,
                "expires_at": 9999999999999, "expected_version": 1},
               {"id": "ü", "vector": VECTORS[3].tolist(), "document": "now", "expires_at": None},
               {"id": "\"", "vector_base64": packed[4], "metadata": {"more": "m"}, "expected_version": 4}]
    ok(rest.post(path(by_rest, "/vectors?mode=update"), json={"records": records}))
    rows = same_rows(sdk, rest, by_sdk, by_rest)
    assert len(rows) == 6 and rows[-1]["metadata"].get("more") == "m"

    assert sdk.delete(by_sdk, ids=["a", "unknown"]) == 1
    assert ok(rest.post(path(by_rest, "/vectors/delete"), json={"ids": ["a", "unknown"]}))["deleted"] == 1
    assert sdk.delete(by_sdk, filter="kind = $k", params={"k": "y" * 1000}) == 1
    answer = ok(rest.post(path(by_rest, "/vectors/delete"), json={"filter": "kind = $k", "params": {"k": "y" * 1000}}))
    assert answer == {"deleted": 1, "repeated": False}
    assert len(same_rows(sdk, rest, by_sdk, by_rest)) == 4


def test_rest_parity__takes_back_what_it_gives(sdk, rest, pair):
    """A record of an answer, without its version, makes the same row; in plain and packed bodies."""
    by_sdk, by_rest = pair
    sdk.insert(by_sdk, VECTORS, ids=list("abcde"), metadata=[each if "" not in each else None for each in METADATA],
               documents=DOCUMENTS, timestamps=TIMES, expires_at=EXPIRES)
    for form in ("array", "base64"):
        page = ok(rest.post(path(by_sdk, "/scan"), json={"vector_format": form}))
        for record in page["records"]:
            del record["version"]
        body = gzip.compress(json.dumps({"records": page["records"]}).encode())
        ok(rest.post(path(by_rest, "/vectors?mode=upsert"), content=body,
                     headers={"content-type": "application/json", "content-encoding": "gzip"}))
        same_rows(sdk, rest, by_sdk, by_rest, without=["version"])


def test_rest_parity__repeats_across_both(stub, proto, rest, sdk, pair):
    """One request id, whether it comes as Idempotency-Key or in a payload."""
    _, name = pair
    key = uuid.uuid4()
    headers = {"idempotency-key": str(key)}
    body = {"records": [{"id": "a", "vector": [1, 2, 3, 4]}]}
    first = ok(rest.post(path(name, "/vectors"), json=body, headers=headers))
    again = ok(rest.post(path(name, "/vectors"), json=body, headers={"idempotency-key": f'"{key}"'}))
    assert again == {**first, "repeated": True}
    payload = batch([("a", [1, 2, 3, 4])], request_id=key.bytes)
    reply = stub.VectorInsert(proto.messages.VectorInsertRequest(collection=name, avro_payload=payload))
    result = fastavro.schemaless_reader(io.BytesIO(reply.avro_payload[10:]), schema("WriteResult"))
    assert result["repeated"] and result["first_version"] == first["first_version"]
    assert sdk.count(name) == 1


@pytest.fixture(scope="module")
def library(sdk):
    """A thousand rows for reading, in a collection of each metric."""
    source = np.random.default_rng(7)
    vectors = source.standard_normal((400, 8)).astype(np.float32)
    metadata = [{"n": i, "kind": "even" if i % 2 == 0 else "odd"} for i in range(400)]
    for metric in ("cosine", "l2", "dot"):
        sdk.create_collection(f"library-{metric}", 8, metric=metric, storage="exact", filterable={"n": "long"})
        sdk.insert(f"library-{metric}", vectors, ids=[f"row{i:03}" for i in range(400)], metadata=metadata,
                   documents=[f"text {i}" for i in range(400)])
        sdk.delete(f"library-{metric}", ids=["row007"])
    sdk.flush("library-cosine")
    return vectors


SEARCHES = [
    dict(),
    dict(k=1),
    dict(k=10000, include_metadata=False),
    dict(k=5, include_vectors=True, exact=True),
    dict(k=5, filter="n < $most AND kind = 'even'", params={"most": 100}),
    dict(k=3, ef=50, nprobe=4, include_vectors=True, include_metadata=False),
    dict(k=3, filter="n > 1000"),
]


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_rest_parity__searches(sdk, rest, library, metric):
    name = f"library-{metric}"
    for settings in SEARCHES:
        one = ok(rest.post(path(name, "/search"), json={"vector": library[3].tolist(), **settings}))["hits"]
        hits = sdk.search(name, library[3], **settings)
        same([parts(hit, HIT_PARTS) for hit in one], [parts(hit, HIT_PARTS) for hit in hits])
        assert len(hits) == (0 if settings.get("filter") == "n > 1000" else min(settings.get("k", 10), 399))
        packed = base64.b64encode(library[3].astype("<f4").tobytes()).decode()
        assert ok(rest.post(path(name, "/search"), json={"vector_base64": packed, **settings}))["hits"] == one
    several = ok(rest.post(path(name, "/search"), json={"vectors": library[:5].tolist(), "k": 4}))["results"]
    by_sdk = sdk.search(name, library[:5], k=4)
    same([[parts(hit, HIT_PARTS) for hit in hits] for hits in several],
         [[parts(hit, HIT_PARTS) for hit in hits] for hits in by_sdk])
    as_bytes = ok(rest.post(path(name, "/search"), json={"vector": library[0].tolist(), "k": 1, "include_vectors": True,
                                                         "vector_format": "base64"}))["hits"][0]["vector_base64"]
    if metric != "dot":
        assert base64.b64decode(as_bytes) == library[0].tobytes()


def test_rest_parity__gets_scans_and_counts(sdk, rest, library):
    name = "library-cosine"
    ids = ["row003", "unknown", "row001", "row007", "row003"]
    for with_vectors in (True, False):
        got = ok(rest.post(path(name, "/vectors/get"), json={"ids": ids, "include_vectors": with_vectors}))["records"]
        same([parts(row, RECORD_PARTS) for row in got],
             [parts(row, RECORD_PARTS) for row in sdk.get(name, ids, include_vectors=with_vectors)])
    same(rows_by_rest(rest, name), rows_by_sdk(sdk, name))
    filters = [("n >= $least", {"least": 390}), ("kind = 'odd'", {}), ("n IS NULL", {})]
    for text, params in filters:
        expected = sdk.count(name, filter=text, params=params)
        query = {"filter": text, "params": json.dumps(params)}
        assert ok(rest.get(path(name, "/count"), params=query)) == {"count": expected}
        assert ok(rest.post(path(name, "/count"), json={"filter": text, "params": params})) == {"count": expected}
        page = ok(rest.post(path(name, "/scan"), json={"filter": text, "params": params, "include_vectors": False}))
        assert len(page["records"]) == expected and page["cursor"] is None
    assert ok(rest.get(path(name, "/count"))) == {"count": sdk.count(name)} == {"count": 399}


def test_rest_parity__flushes_and_compacts(sdk, rest, pair):
    for name in pair:
        sdk.insert(name, np.eye(DIMS), ids=list("abcd"), timestamps=1)
    sdk.flush(pair[0])
    ok(rest.post(path(pair[1], "/flush")), 204)
    infos = [sdk.get_collection(name) for name in pair]
    assert infos[0].part_count == infos[1].part_count == 1
    by_sdk = sdk.compact(pair[0], cluster_count=2)
    by_rest = ok(rest.post(path(pair[1], "/compact"), json={"cluster_count": 2}))
    same(by_rest["row_count"], by_sdk.row_count)
    same(by_rest["cluster_count"], by_sdk.cluster_count)
    assert by_rest["bytes_read"] > 0 and by_rest["bytes_written"] > 0
    sdk.pause_compaction(pair[0])
    ok(rest.post(path(pair[1], "/pause_compaction")), 204)
    assert [ok(rest.get(path(name)))["compaction_state"] for name in pair] == ["paused", "paused"]
    sdk.resume_compaction()
    assert [sdk.get_collection(name).compaction_state for name in pair] == ["idle", "idle"]
    ok(rest.post("/v1/pause_compaction"), 204)
    assert [sdk.get_collection(name).compaction_state for name in pair] == ["paused", "paused"]
    sdk.resume_compaction(pair[0])
    ok(rest.post(path(pair[1], "/resume_compaction")), 204)
    ok(rest.post("/v1/resume_compaction"), 204)
    assert [sdk.get_collection(name).compaction_state for name in pair] == ["idle", "idle"]
    ok(rest.post(path(pair[1], "/compact")))
    same_rows(sdk, rest, *pair)


# ---- what is wrong -------------------------------------------------------------------------------------------------------

def schema(name):
    return fastavro.parse_schema(json.loads((ROOT / f"schemas/proximadb.v1.{name}.avsc").read_text()))


def payload(kind, datum):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema(kind), datum)
    return proximadb.avro.header(kind) + out.getvalue()


def batch(rows, request_id=None):
    """A VectorBatch of ids and vectors."""
    records = [{"id": row[0], "vector": row[1], "metadata": {}, "document": None, "timestamp_ms": None,
                "expires_at_ms": None} for row in rows]
    return payload("VectorBatch", {"request_id": request_id or os.urandom(16), "records": records})


def search(query=(1, 2, 3, 4), k=1, filter=None, params=None):
    return payload("SearchRequest", {"queries": [list(query)], "k": k, "filter": filter, "params": params or {},
                                     "include_vectors": False, "include_metadata": True, "ef": None, "nprobe": None,
                                     "exact": False, "target_recall": None})


def ids_and_filter(kind, ids=(), filter=None):
    datum = {"request_id": os.urandom(16), "ids": list(ids), "filter": filter, "params": {}}
    if kind == "GetRequest":
        datum = {"ids": list(ids), "include_vectors": True}
    return payload(kind, datum)


class Calls:
    """The gRPC calls of the table below, by the names of its second column."""

    def __init__(self, stub, proto):
        self.stub, self.m = stub, proto.messages

    def insert(self, name, body):
        return self.stub.VectorInsert(self.m.VectorInsertRequest(collection=name, avro_payload=body))

    def upsert(self, name, body):
        mode = self.m.INSERT_MODE_UPSERT
        return self.stub.VectorInsert(self.m.VectorInsertRequest(collection=name, avro_payload=body, mode=mode))

    def update(self, name, body):
        kind = self.m.MUTATION_TYPE_UPDATE
        return self.stub.VectorMutation(self.m.VectorMutationRequest(collection=name, avro_payload=body, type=kind))

    def delete(self, name, body):
        kind = self.m.MUTATION_TYPE_DELETE
        return self.stub.VectorMutation(self.m.VectorMutationRequest(collection=name, avro_payload=body, type=kind))

    def search(self, name, body):
        return self.stub.VectorSearch(self.m.VectorSearchRequest(collection=name, avro_payload=body))

    def get(self, name, body):
        return self.stub.VectorGet(self.m.VectorGetRequest(collection=name, avro_payload=body))

    def count(self, name, body):
        return self.stub.VectorCount(self.m.VectorCountRequest(collection=name, avro_payload=body))

    def create(self, name, body):
        return self.stub.CreateCollection(self.m.CreateCollectionRequest(**body))

    def describe(self, name, body):
        return self.stub.GetCollection(self.m.GetCollectionRequest(name=name))

    def drop(self, name, body):
        return self.stub.DeleteCollection(self.m.DeleteCollectionRequest(name=name))


@pytest.fixture
def calls(stub, proto):
    return Calls(stub, proto)


def reason_of(error):
    details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    return info.reason, dict(info.metadata)


def b64(*vector):
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def rows(*records):
    return {"records": list(records)}


def row(id="new", vector=(1, 2, 3, 4)):
    return {"id": id, "vector": list(vector)}


INVALID, NOT_FOUND = (Code.INVALID_ARGUMENT, 400, "INVALID"), (Code.NOT_FOUND, 404, "COLLECTION_NOT_FOUND")
DIMENSION = (Code.INVALID_ARGUMENT, 400, "DIMENSION")
good = ("a", [1, 2, 3, 4])

# what, (gRPC status, HTTP status, reason), gRPC call and its payload, the route and its body, a part
# of the sentence.
WRONG = [
    ("wrong dimension", DIMENSION, "insert", batch([("new", [1, 2])]), "/vectors", rows(row(vector=[1, 2])), "2 dimensions, but"),
    ("wrong dimension in a later row", DIMENSION, "insert", batch([("new", [1, 2, 3, 4]), ("b", [1] * 5)]), "/vectors",
     rows(row(), row("b", [1] * 5)), "row 1: "),
    ("wrong dimension of a query", DIMENSION, "search", search([1, 2]), "/search", {"vector": [1, 2]}, "2 dimensions, but"),
    ("NaN", INVALID, "insert", batch([("new", [1, math.nan, 3, 4])]), "/vectors",
     rows({"id": "new", "vector_base64": b64(1, math.nan, 3, 4)}), "component 1 of the vector is NaN"),
    ("infinity", INVALID, "insert", batch([("new", [1, 2, math.inf, 4])]), "/vectors",
     rows({"id": "new", "vector_base64": b64(1, 2, math.inf, 4)}), "component 2 of the vector is infinite"),
    ("a number beyond float32", INVALID, "insert", batch([("new", [1, 2, math.inf, 4])]), "/vectors",
     rows(row(vector=[1, 2, 1e39, 4])), "component 2 of the vector is infinite"),
    ("NaN in a query", INVALID, "search", search([math.nan, 2, 3, 4]), "/search", {"vector_base64": b64(math.nan, 2, 3, 4)},
     "component 0 of the vector is NaN"),
    ("zero vector under cosine", INVALID, "insert", batch([("new", [0, 0, 0, 0])]), "/vectors",
     rows(row(vector=[0, 0, -0.0, 0])), "use a collection with metric l2 or dot"),
    ("zero query under cosine", INVALID, "search", search([0, 0, 0, 0]), "/search", {"vector": [0, 0, 0, 0]}, "all zeros"),
    ("empty id", INVALID, "insert", batch([("", [1, 2, 3, 4])]), "/vectors", rows(row("")), "the id is empty; an id has 1 to 512"),
    ("over-long id", INVALID, "upsert", batch([("x" * 513, [1, 2, 3, 4])]), "/vectors?mode=upsert", rows(row("x" * 513)),
     "so use a hash of it"),
    ("over-long id in a get", INVALID, "get", ids_and_filter("GetRequest", ["x" * 513]), "/vectors/get", {"ids": ["x" * 513]},
     "an id has at most 512"),
    ("empty id in a delete", INVALID, "delete", ids_and_filter("DeleteBatch", ["a", ""]), "/vectors/delete",
     {"ids": ["a", ""]}, "row 1: the id is empty"),
    ("NUL in an id", INVALID, "insert", batch([("a\0", [1, 2, 3, 4])]), "/vectors", rows(row("a\0")), "a NUL byte"),
    ("an id twice in a batch", INVALID, "upsert", batch([good, good]), "/vectors?mode=upsert", rows(row("a"), row("a")),
     "row 1: the id 'a' is that of row 0, too"),
    ("an id that exists", (Code.ALREADY_EXISTS, 409, "VECTOR_EXISTS"), "insert", batch([("new", [1, 2, 3, 4]), good]),
     "/vectors", rows(row(), row("a")), "row 1: the id 'a' exists already; use upsert"),
    ("a batch without rows", INVALID, "insert", batch([]), "/vectors", rows(), "no rows"),
    ("an update of an unknown id", (Code.NOT_FOUND, 404, "VECTOR_NOT_FOUND"), "update",
     payload("UpdateBatch", {"request_id": bytes(16), "updates": [{"id": "new", "vector": None, "metadata": None,
             "document": "x", "expires_at_ms": None, "expected_version": None}]}),
     "/vectors?mode=update", rows({"id": "new", "document": "x"}), "row 0: there is no row 'new' to update; insert it first"),
    ("an update of another version", (Code.ABORTED, 412, "VERSION_MISMATCH"), "update",
     payload("UpdateBatch", {"request_id": bytes(16), "updates": [{"id": "a", "vector": None, "metadata": None,
             "document": "x", "expires_at_ms": None, "expected_version": 99}]}),
     "/vectors?mode=update", rows({"id": "a", "document": "x", "expected_version": 99}), "read it again, then decide"),
    ("a value that does not fit its field", INVALID, "upsert",
     payload("VectorBatch", {"request_id": bytes(16), "records": [{"id": "a", "vector": [1, 2, 3, 4], "document": None,
             "metadata": {"year": "MMXXIV"}, "timestamp_ms": None, "expires_at_ms": None}]}),
     "/vectors?mode=upsert", rows({**row("a"), "metadata": {"year": "MMXXIV"}}), "year"),
    ("k of 0", INVALID, "search", search(k=0), "/search", {"vector": [1, 2, 3, 4], "k": 0}, "k is 0; it may be 1 to 10000"),
    ("k of 10,001", INVALID, "search", search(k=10001), "/search", {"vector": [1, 2, 3, 4], "k": 10001}, "it may be 1 to 10000"),
    # Avro's long has a sign, so 2^64-1 goes as the same bits.
    ("k of 2^64-1", INVALID, "search", search(k=-1), "/search", {"vector": [1, 2, 3, 4], "k": 2**64 - 1}, "it may be 1 to 10000"),
    ("a filter that does not parse", INVALID, "search", search(filter="year >"), "/search",
     {"vector": [1, 2, 3, 4], "filter": "year >"}, "filter, line 1, column 7: expected"),
    ("a filter that does not parse in a delete", INVALID, "delete", ids_and_filter("DeleteBatch", filter="year = = 1"),
     "/vectors/delete", {"filter": "year = = 1"}, "filter, line 1"),
    ("an empty filter in a delete", INVALID, "delete", ids_and_filter("DeleteBatch", filter=""), "/vectors/delete",
     {"filter": ""}, "leave it out to mean every row"),
    ("a delete of nothing", INVALID, "delete", ids_and_filter("DeleteBatch"), "/vectors/delete", {}, "ids or a filter"),
    ("a delete by both", INVALID, "delete", ids_and_filter("DeleteBatch", ["a"], "year = 1"), "/vectors/delete",
     {"ids": ["a"], "filter": "year = 1"}, "ids or a filter"),
    ("a filter in a count", INVALID, "count", payload("CountRequest", {"filter": "(", "params": {}}), "/count", {"filter": "("},
     "filter, line 1, column 2"),
    ("a parameter without a value", INVALID, "search", search(filter="year = $y"), "/search",
     {"vector": [1, 2, 3, 4], "filter": "year = $y"}, "`$y` was given no value"),
]


def refused_by_grpc(calls, method, name, body):
    with pytest.raises(grpc.RpcError) as raised:
        getattr(calls, method)(name, body)
    return raised.value


def same_error(error, problem, expected):
    """A gRPC error and a problem; `expected` are gRPC status, HTTP status and reason."""
    code, status, reason = expected
    body = problem.json()
    assert (error.code(), problem.status_code) == (code, status), (error.details(), body)
    told, numbers = reason_of(error)
    assert told == body["code"] == reason and body["status"] == status
    assert problem.headers["content-type"] == "application/problem+json"
    for number in ("row_index", "expected", "actual"):
        assert (str(body[number]) if number in body else None) == numbers.get(number), number
    return error.details(), body["detail"]


@pytest.fixture
def kept(sdk, rest, name):
    """A collection with a row that no refused request may touch."""
    sdk.create_collection(name, DIMS, filterable={"year": "long"})
    sdk.insert(name, [[1, 2, 3, 4]], ids=["a"], metadata=[{"year": 1}], documents=["stays"])
    before = rows_by_sdk(sdk, name), sdk.get_collection(name).last_version, sdk.list_collections()
    yield name
    assert sdk.count(name) == ok(rest.get(path(name, "/count")))["count"] == 1
    same(rows_by_rest(rest, name), before[0])
    assert sdk.get_collection(name).last_version == before[1]
    assert [each.name for each in sdk.list_collections()] == [each.name for each in before[2]]


def test_rest_parity__refuses_the_same(calls, rest, kept):
    for what, expected, method, body, route, document, part in WRONG:
        error = refused_by_grpc(calls, method, kept, body)
        details, detail = same_error(error, rest.post(path(kept, route), json=document), expected)
        assert part in details and part in detail, (what, details, detail)


def test_rest_parity__knows_no_unknown_collections(calls, rest, kept):
    bodies = {"insert": ("/vectors", batch([good]), rows(row("a"))), "search": ("/search", search(), {"vector": [1, 2, 3, 4]}),
              "get": ("/vectors/get", ids_and_filter("GetRequest", ["a"]), {"ids": ["a"]}),
              "delete": ("/vectors/delete", ids_and_filter("DeleteBatch", ["a"]), {"ids": ["a"]}),
              "count": ("/count", payload("CountRequest", {"filter": None, "params": {}}), {})}
    long = "n" * 200
    for name, in_path, expected, part in [("nobody", "nobody", NOT_FOUND, "check the name"),
                                          ("../x", "..%2Fx", NOT_FOUND, "check the name"),
                                          ("", "", NOT_FOUND, "check the name"),
                                          ("é", "%C3%A9", NOT_FOUND, "check the name"),
                                          (long, long, INVALID, "name has 200 bytes; names have at most 128")]:
        for method, (route, body, document) in bodies.items():
            error = refused_by_grpc(calls, method, name, body)
            details, detail = same_error(error, rest.post(path(in_path, route), json=document), expected)
            assert details == detail and part in detail
        for method, verb in (("describe", "GET"), ("drop", "DELETE")):
            error = refused_by_grpc(calls, method, name, None)
            details, detail = same_error(error, rest.request(verb, path(in_path)), expected)
            assert details == detail and (part in detail or "to delete" in detail)


IMPOSSIBLE = [
    ({"name": "../x"}, "is no name for a collection: it must have 1 to 128"),
    ({"name": ""}, "is no name for a collection"),
    ({"name": "n" * 200}, "is no name for a collection"),
    ({"name": "-x"}, "is no name for a collection"),
    ({"dimension": 0}, "dimension is 0; it may be 1 to 65536"),
    ({"dimension": 2**31}, "dimension is 2147483648; it may be 1 to 65536"),
    ({"dimension": 65537}, "dimension is 65537"),
    ({"metric": "hamming"}, "metric 'hamming' is none of cosine, l2, dot"),
    ({"index_type": "tree"}, "is none of HNSW, IVF, FLAT"),
    ({"filterable": {"1": "long"}}, "is no name for a filterable field"),
    ({"filterable": {"a": "int"}}, "is none of string, long"),
]


def test_rest_parity__creates_no_impossible_collections(calls, proto, rest, kept):
    for wrong, part in IMPOSSIBLE:
        spec = {"name": "never", "dimension": 4, **wrong}
        fields = [proto.messages.FilterableField(name=key, type=kind) for key, kind in spec.get("filterable", {}).items()]
        error = refused_by_grpc(calls, "create", "", {**spec, "filterable": fields})
        details, detail = same_error(error, rest.post("/v1/collections", json=spec), INVALID)
        assert details == detail and part in detail


def test_rest_parity__creates_nothing_twice_and_nothing_unknown(calls, rest, kept):
    spec = {"name": kept, "dimension": 4}
    details, detail = same_error(refused_by_grpc(calls, "create", "", spec), rest.post("/v1/collections", json=spec),
                                 (Code.ALREADY_EXISTS, 409, "COLLECTION_EXISTS"))
    assert details == detail and "already; use it, delete it, or choose another name" in detail
    spec = {"name": "never", "dimension": 4, "storage": "balanced", "layout": "plain"}
    details, detail = same_error(refused_by_grpc(calls, "create", "", spec), rest.post("/v1/collections", json=spec),
                                 (Code.INVALID_ARGUMENT, 400, "INVALID"))
    assert details == detail and '"exact" only' in detail


def test_rest_parity__refuses_messages_over_the_limit(engine, calls, kept):
    large = batch([("b", [0.5] * 300_000)])
    assert len(large) > LIMIT
    error = refused_by_grpc(calls, "insert", kept, large)
    assert error.code() == Code.RESOURCE_EXHAUSTED and "send less at a time" in error.details()
    with wire.Connection(engine) as connection:     # HTTP/2, before the body is sent
        connection.request(1, [(":method", "POST"), (":scheme", "http"), (":path", path(kept, "/vectors")), (":authority", "localhost"),
                               ("content-type", "application/json"), ("content-length", str(LIMIT + 1))])
        connection.wait_for_end(1)
        assert connection.headers[1][0][":status"] == "413" and b"send less at a time" in connection.data[1]
    with socket.create_connection((engine.host, engine.port), timeout=10) as http:      # HTTP/1.1, likewise
        http.sendall(b"POST /v1/collections/x/vectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n")
        assert http.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_rest_parity__refuses_bodies_that_turn_out_too_large(rest, kept):
    body = json.dumps(rows(row(vector=[0.5] * (LIMIT // 4)))).encode()
    assert len(body) > LIMIT
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = rest.post(path(kept, "/vectors"), content=gzip.compress(body), headers=headers)
    assert answer.status_code == 413 and "send less at a time" in answer.json()["detail"]


# ---- gRPC alone ----------------------------------------------------------------------------------------------------------

def test_rest_parity__refuses_avro_that_is_cut(calls, kept):
    whole = batch([("b", [1, 2, 3, 4]), ("c", [4, 3, 2, 1])])
    for size in range(len(whole)):
        error = refused_by_grpc(calls, "insert", kept, whole[:size])
        assert error.code() == Code.INVALID_ARGUMENT and len(error.details()) > 20, size
        assert reason_of(error)[0] == "INVALID"
    assert refused_by_grpc(calls, "insert", kept, whole + b"\0").code() == Code.INVALID_ARGUMENT


def test_rest_parity__writes_damaged_avro_whole_or_not_at_all(calls, sdk, name):
    """With a bit flipped a batch is refused, or it is another one that is sound. The row that is there stays."""
    sdk.create_collection(name, DIMS, filterable={"year": "long"})
    sdk.insert(name, [[1, 2, 3, 4]], ids=["a"], metadata=[{"year": 1}], documents=["stays"])
    before = rows_by_sdk(sdk, name)
    whole = batch([("b", [1, 2, 3, 4]), ("c", [4, 3, 2, 1])])
    refused = 0
    for position in range(26 * 8, 8 * len(whole)):      # behind fingerprint and request id
        flipped = bytearray(whole[:10] + os.urandom(16) + whole[26:])
        flipped[position // 8] ^= 1 << position % 8
        try:
            calls.insert(name, bytes(flipped))
        except grpc.RpcError as error:
            assert error.code() in (Code.INVALID_ARGUMENT, Code.ALREADY_EXISTS) and len(error.details()) > 20
            refused += 1
            assert sdk.count(name) == 1
        else:
            assert sdk.delete(name, filter="year IS NULL") == 2
    assert refused > 100
    same(rows_by_sdk(sdk, name), before)


def test_rest_parity__refuses_unknown_fingerprints(calls, kept):
    whole = batch([("b", [1, 2, 3, 4])])
    for wrong in (whole[:2] + b"12345678" + whole[10:], whole[:9] + bytes([whole[9] ^ 1]) + whole[10:]):
        error = refused_by_grpc(calls, "insert", kept, wrong)
        assert error.code() == Code.UNIMPLEMENTED and reason_of(error)[0] == "UNIMPLEMENTED"
        assert "VectorBatch" in error.details()         # what it knows
    for wrong in (b"", b"\xc3", b"\xc3\x02" + whole[2:], b"{}" + whole[2:]):
        assert refused_by_grpc(calls, "insert", kept, wrong).code() == Code.INVALID_ARGUMENT
    assert refused_by_grpc(calls, "insert", kept, search()).code() == Code.INVALID_ARGUMENT     # another schema


# ---- REST alone ----------------------------------------------------------------------------------------------------------

JSON_FAULTS = [
    ("/vectors", b'{"records": [{"id": "b", "vector": [1, NaN, 3, 4]}]}', "NaN or Infinity, which JSON does not know"),
    ("/vectors", b'{"records": [{"id": "b", "vector": [1, -Infinity, 3, 4]}]}', "NaN or Infinity"),
    ("/vectors", b'{"records": [{"id": "b", "vector": [1e400, 2, 3, 4]}]}', "vector[0] is a number out of range"),
    ("/vectors", b'{"records": [{"id": "b", "vector": [1, 2, 3, 4], "metadata": {"a": 9223372036854775808}}]}',
     "a string holds any number"),
    ("/vectors", b'{"records": [{"id": "b", "vector": [1, 2, 3, 4], "metadata": {"a": ' + b"[" * 100 + b"}}]}", "nested deeper"),
    ("/vectors", b'{"records": [{"id": "b", "id": "c", "vector": [1, 2, 3, 4]}]}', "the member 'id' twice"),
    ("/vectors", b'{"records": [{"id": "b", "vector": [1, 2, 3, 4], "metadata": {"a": 1, "a": 2}}]}', "there twice"),
    ("/vectors", b'{"records": [{"id": "\xff", "vector": [1, 2, 3, 4]}]}', "UTF-8"),
    ("/vectors", b'{"records": [{"id": "\\ud800", "vector": [1, 2, 3, 4]}]}', "not valid JSON"),
    ("/vectors", b'{"records": [{"id": "b", "vector": [1, 2, 3, 4], "text": "x"}]}', "no member 'text'; it may have id, vector"),
    ("/vectors", b'{"records": [{"id": "b", "vector": [1, 2, 3, 4]}', "a comma or the end of the array"),
    ("/vectors", b'{"vectors": []}', 'the member "records"'),
    ("/vectors", b"", "but the body ends"),
    ("/vectors?mode=replace", b"{}", "mode must be insert, upsert or update"),
    ("/vectors?timeout_ms=soon", b"{}", "timeout_ms must be"),
    ("/search", b'{"vector": [1, 2, 3, 4], "k": 1, "k": 2}', "the member 'k' twice"),
    ("/search", b'{"vector": [1, 2, 3, 4], "K": 1}', "no member 'K'"),
    ("/search", b'{"vector": [1, 2, 3, 4], "k": 18446744073709551616}', "k must be an integer"),
    ("/search", b"[" * 100000, "nested deeper"),
    ("/flush", b"{}", "leave it out"),
]


def test_rest_parity__refuses_json_with_a_sentence(rest, kept):
    for route, body, part in JSON_FAULTS:
        answer = rest.post(path(kept, route), content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400 and part in answer.json()["detail"], (body[:80], answer.text)
        assert answer.json()["code"] == "INVALID"


def test_rest_parity__keeps_to_http(rest, kept):
    answer = rest.post(path(kept, "/vectors"), content=json.dumps(rows(row())), headers={"content-type": "text/plain"})
    assert answer.status_code == 415 and answer.headers["accept-encoding"] == "gzip"
    answer = rest.put(path(kept))
    assert answer.status_code == 405 and answer.headers["allow"] == "GET, HEAD, PATCH, DELETE"
    answer = rest.head(path(kept))
    assert answer.status_code == 200 and not answer.content
    assert int(answer.headers["content-length"]) == len(rest.get(path(kept)).content)
    answer = rest.get("/v1/nothing")
    assert answer.status_code == 404 and "/openapi.json" in answer.json()["detail"]
    encoded = "".join(f"%{byte:02X}" for byte in kept.encode())
    assert ok(rest.get(path(encoded)))["name"] == kept


def test_rest_parity__is_counted(rest, kept):
    assert rest.get("/healthz").text == rest.get("/readyz").text == "ok\n"
    line = 'proximadb_rest_requests_total{method="GET",path="/v1/collections/{name}",status="200"} '
    counts = []
    for _ in range(2):
        ok(rest.get(path(kept)))
        counts.append(int(re.search(re.escape(line) + r"(\d+)\n", rest.get("/metrics").text).group(1)))
    assert counts[1] == counts[0] + 1

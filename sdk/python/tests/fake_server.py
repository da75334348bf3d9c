"""A ProximaDB server in memory, for tests of the client.

It follows the contract's semantics (atomic batches, request ids, versions, expiry, snapshots, error
reasons), decodes and encodes with fastavro, which is nothing of ours, and knows of filters only
comparisons joined by AND. Tests make it fail with `fail` and look at `calls`.
"""

from __future__ import annotations

import io
import json
import operator
import re
import secrets
import threading
import time
import uuid
from collections import deque
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any, Callable

import fastavro
import grpc
import numpy as np

from proximadb import _contract, avro

COLLECTION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}\Z")
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
MANTISSA_BITS = {"balanced": 7, "exact": 23, "compact": 4}
RELATIVE_ERROR = {"balanced": 2**-8, "exact": 0.0, "compact": 2**-5}
FIELD_TYPES = {"string", "long", "double", "boolean", "string_array"}
TERM = re.compile(r"\s*(\w+)\s*(=|!=|<=?|>=?)\s*('(?:[^']|'')*'|\$\w+|[-\w.+]+)\s*\Z")
COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Code = grpc.StatusCode
CODES = {
    "INVALID": Code.INVALID_ARGUMENT,
    "DIMENSION": Code.INVALID_ARGUMENT,
    "COLLECTION_NOT_FOUND": Code.NOT_FOUND,
    "VECTOR_NOT_FOUND": Code.NOT_FOUND,
    "COLLECTION_EXISTS": Code.ALREADY_EXISTS,
    "VECTOR_EXISTS": Code.ALREADY_EXISTS,
    "READ_ONLY": Code.FAILED_PRECONDITION,
    "SNAPSHOT_EXPIRED": Code.FAILED_PRECONDITION,
    "VERSION_MISMATCH": Code.ABORTED,
    "RESOURCE_EXHAUSTED": Code.RESOURCE_EXHAUSTED,
    "NO_MEMORY": Code.RESOURCE_EXHAUSTED,
    "TOO_LARGE": Code.RESOURCE_EXHAUSTED,
    "UNAVAILABLE": Code.UNAVAILABLE,
    "CORRUPT": Code.DATA_LOSS,
    "OUTCOME_UNKNOWN": Code.UNKNOWN,
    "UNIMPLEMENTED": Code.UNIMPLEMENTED,
    "IO": Code.INTERNAL,
    "INTERNAL": Code.INTERNAL,
    "UNAUTHENTICATED": Code.UNAUTHENTICATED,
    "PERMISSION_DENIED": Code.PERMISSION_DENIED,
    "DEADLINE_EXCEEDED": Code.DEADLINE_EXCEEDED,
    "CANCELLED": Code.CANCELLED,
}


class RefusalError(Exception):
    def __init__(self, reason: str, message: str, **numbers: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.numbers = numbers


# ---- payloads -----------------------------------------------------------------------------------

_SCHEMAS: dict[str, Any] = {}


def schema(name: str) -> Any:
    if name not in _SCHEMAS:
        _SCHEMAS[name] = fastavro.parse_schema(json.loads(avro.schema_text(name)))
    return _SCHEMAS[name]


def fingerprint(name: str) -> bytes:
    canonical = fastavro.schema.to_parsing_canonical_form(schema(name))
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


def encode(name: str, datum: Any) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema(name), datum)
    return b"\xc3\x01" + fingerprint(name) + buffer.getvalue()


def decode(name: str, payload: bytes) -> Any:
    if payload[:10] != b"\xc3\x01" + fingerprint(name):
        raise RefusalError("UNIMPLEMENTED", f"the payload is no {name}")
    buffer = io.BytesIO(payload[10:])
    datum = fastavro.schemaless_reader(buffer, schema(name))
    if buffer.read(1):
        raise RefusalError("INVALID", "the payload goes on behind its end")
    return datum


# ---- the engine ---------------------------------------------------------------------------------


@dataclass
class Row:
    id: str
    version: int
    vector: np.ndarray
    metadata: dict[str, Any]
    document: str | None
    timestamp_ms: int
    expires_at_ms: int | None

    def is_live(self) -> bool:
        return self.expires_at_ms is None or self.expires_at_ms > time.time() * 1000

    def as_dict(self, include_vector: bool) -> dict[str, Any]:
        vector = self.vector.tolist() if include_vector else None
        return {**self.__dict__, "vector": vector}


@dataclass
class Collection:
    name: str
    dimension: int
    metric: str
    index_type: str
    storage: str
    layout: str
    index_memory: str
    filterable: dict[str, str]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    rows: dict[str, Row] = field(default_factory=dict)
    last_version: int = 0
    outcomes: dict[bytes, dict[str, Any]] = field(default_factory=dict)

    def live(self, condition: Callable[[Row], bool] = lambda row: True) -> list[Row]:
        return [row for row in self.rows.values() if row.is_live() and condition(row)]

    def check_vector(self, vector: list[float], row_index: int) -> np.ndarray:
        if len(vector) != self.dimension:
            raise RefusalError(
                "DIMENSION",
                f"a vector of {len(vector)} floats in a collection of {self.dimension}",
                row_index=row_index,
                expected=self.dimension,
                actual=len(vector),
            )
        array = np.array(vector, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            norm = np.float32((array * array).sum(dtype=np.float32))
        if not np.isfinite(norm):
            raise RefusalError("INVALID", "the vector is not finite", row_index=row_index)
        if self.metric == "cosine" and norm < np.finfo(np.float32).tiny:
            raise RefusalError("INVALID", "a vector of norm 0 has no cosine", row_index=row_index)
        return array

    def commit(self, request_id: bytes, changed: list[Row], deleted: list[str]) -> dict[str, Any]:
        first = self.last_version + 1
        for row in changed:
            self.last_version += 1
            row.version = self.last_version
            self.rows[row.id] = row
        for name in deleted:
            self.last_version += 1
            del self.rows[name]
        count = len(changed) + len(deleted)
        outcome = {
            "row_count": count,
            "first_version": first,
            "affected": count,
            "repeated": False,
        }
        self.outcomes[request_id] = {**outcome, "repeated": True}
        return outcome

    def scores(self, query: np.ndarray, row: Row) -> tuple[float, float]:
        x, y = query.astype(float), row.vector.astype(float)
        if self.metric == "l2":
            distance = float(np.sqrt(((x - y) ** 2).sum()))
            return -distance, distance
        score = float(x @ y)
        if self.metric == "dot":
            return score, -score
        score /= float(np.sqrt((x @ x) * (y @ y)))
        return score, 1 - score


def check_id(text: str, row_index: int) -> None:
    size = len(text.encode())
    if not 1 <= size <= 512 or "\0" in text:
        raise RefusalError("INVALID", "an id is 1 to 512 bytes without NUL", row_index=row_index)


def parse_filter(text: str | None, params: dict[str, Any]) -> Callable[[Row], bool]:
    """Comparisons joined by AND."""
    terms: list[tuple[str, str, Any]] = []
    for part in [] if text is None else text.split(" AND "):
        found = TERM.match(part)
        if not found:
            raise RefusalError("INVALID", f"the filter is no comparison at {part!r}")
        terms.append((found[1], found[2], literal(found[3], params)))
    return lambda row: all(holds(row.metadata.get(name), op, value) for name, op, value in terms)


def holds(left: Any, comparison: str, right: Any) -> bool:
    """Whether it is true, as opposed to false or NULL: values of two kinds compare as NULL."""
    kinds = [(bool,), (int, float), (str,)]
    same = any(type(left) in kind and type(right) in kind for kind in kinds)
    return same and bool(COMPARISONS[comparison](left, right))


def literal(text: str, params: dict[str, Any]) -> Any:
    if text.startswith("$"):
        if text[1:] not in params:
            raise RefusalError("INVALID", f"the filter's {text} has no value")
        return params[text[1:]]
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text) if "." in text or "e" in text else int(text)
    except ValueError:
        raise RefusalError("INVALID", f"the filter does not parse at {text!r}") from None


# ---- faults -------------------------------------------------------------------------------------


@dataclass
class Fault:
    """What becomes of one call: refused before it has an effect, or after (a lost answer)."""

    method: str
    code: grpc.StatusCode
    reason: str
    message: str
    numbers: dict[str, int]
    is_applied: bool
    details: bytes | None


class FakeServer:
    """The service on a port of 127.0.0.1 until `stop`."""

    def __init__(self, api_key: str | None = None, credentials: Any = None, port: int = 0) -> None:
        self.api_key = api_key
        self.calls: list[tuple[str, Any]] = []
        self.metadata: list[dict[str, Any]] = []
        self.faults: deque[Fault] = deque()
        self.delay_s = 0.0
        self.answer_rows_limit: int | None = None
        self.collections: dict[str, Collection] = {}
        self.snapshots: dict[str, list[Row]] = {}
        self._lock = threading.Lock()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8),
            options=[("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)],
        )
        self._server.add_generic_rpc_handlers((self._service(), self._health()))
        if credentials is None:
            self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        else:
            self.port = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self.target = f"localhost:{self.port}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def fail(
        self,
        method: str,
        reason: str = "",
        code: grpc.StatusCode | None = None,
        times: int = 1,
        is_applied: bool = False,
        message: str = "injected",
        details: bytes | None = None,
        **numbers: int,
    ) -> None:
        """The next `times` calls of the method fail; with is_applied after they had their effect.

        Without a reason there are no details, as when gRPC itself fails the call.
        """
        chosen = code or CODES[reason]
        fault = Fault(method, chosen, reason, message, numbers, is_applied, details)
        self.faults.extend([fault] * times)

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)

    def requests(self, method: str) -> list[Any]:
        return [request for name, request in self.calls if name == method]

    # ---- serving --------------------------------------------------------------------------------

    def _service(self) -> Any:
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._handler(name, getattr(self, f"do_{name}")),
                request_deserializer=method.request_class.FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name, method in _contract.METHODS.items()
        }
        return grpc.method_handlers_generic_handler("proximadb.v1.ProximaDB", handlers)

    def _health(self) -> Any:
        def check(request: bytes, context: Any) -> bytes:
            self._authenticate(context)
            return _contract.message_class("proximadb.sdk.v1.HealthCheckResponse")(
                status="SERVING"
            ).SerializeToString()

        handler = grpc.unary_unary_rpc_method_handler(check)
        return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})

    def _authenticate(self, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        self.metadata.append(metadata)
        if self.api_key and metadata.get("authorization") != f"Bearer {self.api_key}":
            self._abort(context, Code.UNAUTHENTICATED, "UNAUTHENTICATED", "a wrong key", {})

    def _handler(self, name: str, function: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
        def handle(request: Any, context: Any) -> Any:
            self._authenticate(context)
            with self._lock:
                self.calls.append((name, request))
                is_due = bool(self.faults) and self.faults[0].method == name
                fault = self.faults.popleft() if is_due else None
            if self.delay_s:
                time.sleep(self.delay_s)
            try:
                if fault is None or fault.is_applied:
                    with self._lock:
                        response = function(request)
            except RefusalError as refusal:
                code, reason = CODES[refusal.reason], refusal.reason
                self._abort(context, code, reason, str(refusal), refusal.numbers)
            if fault is not None:
                self._abort(
                    context, fault.code, fault.reason, fault.message, fault.numbers, fault.details
                )
            return response

        return handle

    def _abort(
        self,
        context: Any,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        numbers: dict[str, int],
        details: bytes | None = None,
    ) -> None:
        if reason and details is None:
            details = status_details(code, message, reason, numbers)
        if details is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, message)

    # ---- collections ----------------------------------------------------------------------------

    def _collection(self, name: str) -> Collection:
        if name not in self.collections:
            raise RefusalError("COLLECTION_NOT_FOUND", f'there is no collection "{name}"')
        return self.collections[name]

    def do_CreateCollection(self, request: Any) -> Any:  # noqa: N802
        metric, index = request.metric or "cosine", request.index_type or "HNSW"
        storage = request.storage or "balanced"
        layout = request.layout or "compressed"
        memory = request.index_memory or "lean"
        filterable = check_fields(request.filterable)
        if not COLLECTION_NAME.match(request.name):
            raise RefusalError("INVALID", "a collection's name is 1 to 128 of A-Z a-z 0-9 _ -")
        if not 1 <= request.dimension <= 65536:
            raise RefusalError("INVALID", "dimension is 1 to 65,536")
        if metric not in ("cosine", "l2", "dot") or index not in ("HNSW", "IVF", "FLAT"):
            raise RefusalError("INVALID", "an unknown metric or index type")
        if storage not in MANTISSA_BITS or layout not in ("compressed", "plain"):
            raise RefusalError("INVALID", "an unknown storage profile or layout")
        if layout == "plain" and storage != "exact":
            raise RefusalError("INVALID", "the layout plain goes with the storage exact only")
        if memory not in ("lean", "fast"):
            raise RefusalError("INVALID", "an unknown memory profile of an index")
        made = Collection(
            request.name, request.dimension, metric, index, storage, layout, memory, filterable
        )
        old = self.collections.get(request.name)
        if old is not None:
            same = ["dimension", "metric", "index_type", "storage", "filterable"]
            same += ["layout"] if request.layout else []
            is_equal = all(getattr(old, name) == getattr(made, name) for name in same)
            if not (request.exist_ok and is_equal):
                raise RefusalError("COLLECTION_EXISTS", f'there is a collection "{request.name}"')
            return describe(old)
        self.collections[request.name] = made
        return describe(made)

    def do_GetCollection(self, request: Any) -> Any:  # noqa: N802
        return describe(self._collection(request.name))

    def do_ListCollections(self, request: Any) -> Any:  # noqa: N802
        found = [describe(self.collections[name]) for name in sorted(self.collections)]
        return answer("ListCollectionsResponse", collections=found)

    def do_UpdateCollection(self, request: Any) -> Any:  # noqa: N802
        collection = self._collection(request.name)
        collection.filterable = check_fields(request.filterable)
        return describe(collection)

    def do_DeleteCollection(self, request: Any) -> Any:  # noqa: N802
        self._collection(request.name)
        del self.collections[request.name]
        return answer("DeleteCollectionResponse")

    def do_Flush(self, request: Any) -> Any:  # noqa: N802
        self._collection(request.collection)
        return answer("FlushResponse")

    def do_RebuildIndex(self, request: Any) -> Any:  # noqa: N802
        collection = self._collection(request.collection)
        if request.index_memory not in ("", "lean", "fast"):
            raise RefusalError("INVALID", "an unknown memory profile of an index")
        collection.index_memory = request.index_memory or collection.index_memory
        return answer("RebuildIndexResponse")

    def do_PauseCompaction(self, request: Any) -> Any:  # noqa: N802
        if request.collection:
            self._collection(request.collection)
        return answer("PauseCompactionResponse")

    def do_ResumeCompaction(self, request: Any) -> Any:  # noqa: N802
        if request.collection:
            self._collection(request.collection)
        return answer("ResumeCompactionResponse")

    def do_Compact(self, request: Any) -> Any:  # noqa: N802
        rows = len(self._collection(request.collection).live())
        clusters = request.cluster_count or 1
        return answer(
            "CompactResponse", row_count=rows, cluster_count=clusters, bytes_read=1, bytes_written=2
        )

    def do_Metrics(self, request: Any) -> Any:  # noqa: N802
        count = len(self.collections)
        return answer("MetricsResponse", text=f"# fake\nproximadb_collections {count}\n")

    # ---- writes ---------------------------------------------------------------------------------

    def do_VectorInsert(self, request: Any) -> Any:  # noqa: N802
        collection = self._collection(request.collection)
        batch = decode("VectorBatch", request.avro_payload)
        outcome = collection.outcomes.get(batch["request_id"])
        if outcome is None:
            rows = [self._new_row(collection, i, r) for i, r in enumerate(batch["records"])]
            for index, row in enumerate(rows):
                old = collection.rows.get(row.id)
                if request.mode == 0 and old is not None and old.is_live():
                    raise RefusalError("VECTOR_EXISTS", f'id "{row.id}" exists', row_index=index)
            outcome = collection.commit(batch["request_id"], rows, [])
        return answer("VectorInsertResponse", avro_payload=encode("WriteResult", outcome))

    def _new_row(self, collection: Collection, index: int, record: dict[str, Any]) -> Row:
        check_id(record["id"], index)
        now = int(time.time() * 1000)
        timestamp = now if record["timestamp_ms"] is None else record["timestamp_ms"]
        return Row(
            record["id"],
            0,
            collection.check_vector(record["vector"], index),
            record["metadata"],
            record["document"],
            timestamp,
            record["expires_at_ms"],
        )

    def do_VectorMutation(self, request: Any) -> Any:  # noqa: N802
        collection = self._collection(request.collection)
        if request.type == 1:
            outcome = self._update(collection, decode("UpdateBatch", request.avro_payload))
        elif request.type == 2:
            outcome = self._delete(collection, decode("DeleteBatch", request.avro_payload))
        else:
            raise RefusalError("INVALID", "an unknown type of mutation")
        return answer("VectorMutationResponse", avro_payload=encode("WriteResult", outcome))

    def _update(self, collection: Collection, batch: dict[str, Any]) -> dict[str, Any]:
        if batch["request_id"] in collection.outcomes:
            return collection.outcomes[batch["request_id"]]
        changed = [self._changed(collection, i, u) for i, u in enumerate(batch["updates"])]
        return collection.commit(batch["request_id"], changed, [])

    def _changed(self, collection: Collection, index: int, update: dict[str, Any]) -> Row:
        old = collection.rows.get(update["id"])
        if old is None or not old.is_live():
            raise RefusalError(
                "VECTOR_NOT_FOUND", f'there is no id "{update["id"]}"', row_index=index
            )
        expected = update["expected_version"]
        if expected is not None and expected != old.version:
            raise RefusalError(
                "VERSION_MISMATCH",
                f"the row is at version {old.version}, not {expected}",
                row_index=index,
                expected=expected,
                actual=old.version,
            )
        new = Row(**old.__dict__)
        if update["vector"] is not None:
            new.vector = collection.check_vector(update["vector"], index)
        merged = {**old.metadata, **(update["metadata"] or {})}
        new.metadata = {key: value for key, value in merged.items() if value is not None}
        # fastavro reads the enum's symbol as its text, which tests never use as a document.
        for name in ("document", "expires_at_ms"):
            if update[name] is not None:
                setattr(new, name, None if update[name] == "CLEAR" else update[name])
        return new

    def _delete(self, collection: Collection, batch: dict[str, Any]) -> dict[str, Any]:
        if batch["request_id"] in collection.outcomes:
            return collection.outcomes[batch["request_id"]]
        if batch["ids"]:
            found = [i for i in dict.fromkeys(batch["ids"]) if i in collection.rows]
            doomed = [i for i in found if collection.rows[i].is_live()]
        else:
            condition = parse_filter(batch["filter"], batch["params"])
            doomed = [row.id for row in collection.live(condition)]
        return collection.commit(batch["request_id"], [], doomed)

    # ---- reads ----------------------------------------------------------------------------------

    def _limit_answer(self, row_count: int) -> None:
        if self.answer_rows_limit is not None and row_count > self.answer_rows_limit:
            raise RefusalError("TOO_LARGE", "the result is larger than the limit")

    def do_VectorGet(self, request: Any) -> Any:  # noqa: N802
        collection = self._collection(request.collection)
        asked = decode("GetRequest", request.avro_payload)
        if len(asked["ids"]) > 10_000:
            raise RefusalError("INVALID", "more than 10,000 ids")
        rows = [collection.rows[i] for i in dict.fromkeys(asked["ids"]) if i in collection.rows]
        records = [row.as_dict(asked["include_vectors"]) for row in rows if row.is_live()]
        self._limit_answer(len(records))
        payload = encode("RecordBatch", {"records": records, "cursor": None})
        return answer("VectorGetResponse", avro_payload=payload)

    def do_VectorSearch(self, request: Any) -> Any:  # noqa: N802
        collection = self._collection(request.collection)
        asked = decode("SearchRequest", request.avro_payload)
        if not 1 <= asked["k"] <= 10_000:
            raise RefusalError("INVALID", "k is 1 to 10,000")
        for name, most in ("ef", 10_000), ("nprobe", 65_536):
            if asked[name] is not None and not 1 <= asked[name] <= most:
                raise RefusalError("INVALID", f"{name} is 1 to {most}")
        rows = collection.live(parse_filter(asked["filter"], asked["params"]))
        results = []
        for index, query in enumerate(asked["queries"]):
            vector = collection.check_vector(query, index)
            hits = []
            for row in rows:
                score, distance = collection.scores(vector, row)
                hit = {**row.as_dict(asked["include_vectors"]), "score": score}
                hit["distance"] = distance
                if not asked["include_metadata"]:
                    hit["metadata"] = hit["document"] = None
                hits.append(hit)
            hits.sort(key=lambda hit: (hit["distance"], hit["id"].encode()))
            results.append(hits[: asked["k"]])
        self._limit_answer(sum(map(len, results)))
        payload = encode("SearchResult", {"results": results})
        return answer("VectorSearchResponse", avro_payload=payload)

    def do_VectorScan(self, request: Any) -> Any:  # noqa: N802
        collection = self._collection(request.collection)
        asked = decode("ScanRequest", request.avro_payload)
        if not 1 <= asked["batch_size"] <= 10_000:
            raise RefusalError("INVALID", "batch_size is 1 to 10,000")
        if asked["cursor"] is None:
            snapshot, start = secrets.token_hex(4), 0
            condition = parse_filter(asked["filter"], asked["params"])
            self.snapshots[snapshot] = collection.live(condition)
        else:
            snapshot, _, offset = asked["cursor"].partition(":")
            start = int(offset)
        if snapshot not in self.snapshots:
            raise RefusalError("SNAPSHOT_EXPIRED", "the scan was not continued within 10 minutes")
        rows = self.snapshots[snapshot]
        stop = start + asked["batch_size"]
        records = [row.as_dict(asked["include_vectors"]) for row in rows[start:stop]]
        cursor = f"{snapshot}:{stop}" if stop < len(rows) else None
        payload = encode("RecordBatch", {"records": records, "cursor": cursor})
        return answer("VectorScanResponse", avro_payload=payload)

    def do_VectorCount(self, request: Any) -> Any:  # noqa: N802
        collection = self._collection(request.collection)
        asked = {"filter": None, "params": {}}
        if request.avro_payload:
            asked = decode("CountRequest", request.avro_payload)
        condition = parse_filter(asked["filter"], asked["params"])
        return answer("VectorCountResponse", count=len(collection.live(condition)))


def check_fields(fields: Any) -> dict[str, str]:
    if len({field.name.lower() for field in fields}) < len(fields):
        raise RefusalError("INVALID", "filterable names are unique ignoring case")
    for each in fields:
        if not FIELD_NAME.match(each.name) or each.type not in FIELD_TYPES:
            raise RefusalError(
                "INVALID", f'"{each.name}" of type "{each.type}" cannot be filterable'
            )
    return {field.name: field.type for field in fields}


def describe(collection: Collection) -> Any:
    fields = [{"name": name, "type": kind} for name, kind in collection.filterable.items()]
    return answer(
        "Collection",
        name=collection.name,
        id=collection.id,
        dimension=collection.dimension,
        metric=collection.metric,
        index_type=collection.index_type,
        storage=collection.storage,
        layout=collection.layout,
        index_memory=collection.index_memory,
        index_state="none",
        mantissa_bits=MANTISSA_BITS[collection.storage],
        relative_error=RELATIVE_ERROR[collection.storage],
        filterable=fields,
        created_at_ms=collection.created_at_ms,
        vector_count=len(collection.live()),
        last_version=collection.last_version,
    )


def answer(name: str, /, **fields: Any) -> Any:
    return _contract.message_class(f"proximadb.v1.{name}")(**fields)


def status_details(
    code: grpc.StatusCode, message: str, reason: str, numbers: dict[str, int]
) -> bytes:
    """A google.rpc.Status with an ErrorInfo, as servers send it."""
    info = _contract.message_class("proximadb.sdk.v1.ErrorInfo")(
        reason=reason,
        domain="proximadb",
        metadata={name: str(number) for name, number in numbers.items()},
    )
    status = _contract.message_class("proximadb.sdk.v1.Status")(
        code=code.value[0],
        message=message,
        details=[
            {
                "type_url": "type.googleapis.com/google.rpc.ErrorInfo",
                "value": info.SerializeToString(),
            }
        ],
    )
    return bytes(status.SerializeToString())

"""Failures on the way.

Goal    What may pass is retried, writes under the same request id so that nothing happens twice;
        what may not is raised at once; the timeout is kept; partial writes say how far they came.
Method  The fake server fails calls before or after they took effect. Both clients.
"""

from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from fake_server import FakeServer, decode

import proximadb
from proximadb import grpc_client

VECTORS = np.arange(8, dtype=np.float32).reshape(2, 4) + 1


def request_ids(fake, method="VectorInsert", schema="VectorBatch"):
    return [decode(schema, r.avro_payload)["request_id"] for r in fake.requests(method)]


READS = {
    "GetCollection": lambda c: c.get_collection("docs"),
    "ListCollections": lambda c: c.list_collections(),
    "VectorGet": lambda c: c.get("docs", ["a"]),
    "VectorSearch": lambda c: c.search("docs", VECTORS[0]),
    "VectorScan": lambda c: list(c.scan("docs")),
    "VectorCount": lambda c: c.count("docs"),
    "Flush": lambda c: c.flush("docs"),
    "Metrics": lambda c: c.metrics(),
    "UpdateCollection": lambda c: c.update_collection("docs", {"year": "long"}),
    "CreateCollection": lambda c: c.create_collection("docs", 4, metric="l2", exist_ok=True),
}


@pytest.mark.parametrize("method", READS)
@pytest.mark.parametrize("reason", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"])
def test_retries__calls_that_may_be_repeated_are(client, fake, method, reason):
    fake.fail(method, reason, times=2)
    READS[method](client)
    assert fake.count(method) == 3


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only where a client would sleep: it goes on at once."""
    hands = [1000.0]

    async def sleep(self, seconds):
        hands[0] += seconds

    for transport in (grpc_client.GrpcClient, grpc_client.AsyncGrpcClient):
        monkeypatch.setattr(transport, "sleep", sleep)
    monkeypatch.setattr(grpc_client, "time", SimpleNamespace(monotonic=lambda: hands[0]))
    return hands


def limits_of(monkeypatch, client):
    """The time limits of the attempts to come."""
    inner = getattr(client, "client", client)
    attempt, limits = inner._transport.attempt, []

    def noting(method, request, timeout):
        limits.append(timeout)
        return attempt(method, request, timeout)

    monkeypatch.setattr(inner._transport, "attempt", noting)
    return limits


def test_retries__compact_waits_for_a_server_that_is_away(client, fake, monkeypatch):
    limits = limits_of(monkeypatch, client)
    fake.fail("Compact", "UNAVAILABLE", times=2)
    client.compact("docs")
    assert limits == [None, None, None]


@pytest.mark.parametrize("reason", ["RESOURCE_EXHAUSTED", "NO_MEMORY", "DEADLINE_EXCEEDED"])
def test_retries__compact_is_not_repeated_for_other_reasons(client, fake, reason):
    fake.fail("Compact", reason, times=2)
    with pytest.raises(proximadb.ProximaDBError) as caught:
        client.compact("docs")
    assert caught.value.reason == reason
    assert fake.count("Compact") == 1


@pytest.mark.parametrize(
    ("client_timeout", "timeout", "limit"),
    [(5.0, None, 5), (None, None, 30), (None, 600.0, 30), (5.0, 600.0, 5), (5.0, 2.0, 2)],
)
def test_retries__compact_gives_up_a_server_that_stays_away(
    make_client, fake, clock, client_timeout, timeout, limit
):
    client = make_client(fake.target, timeout=client_timeout)
    fake.fail("Compact", "UNAVAILABLE", times=1000)
    with pytest.raises(proximadb.UnavailableError):
        client.compact("docs", timeout=timeout)
    assert limit - 2.0 <= clock[0] - 1000 < limit
    assert fake.count("Compact") > 2


def test_retries__a_limit_of_retries_counts_from_the_first_failure(clock):
    deadline = grpc_client.Deadline(None, 5.0)
    clock[0] += 3600
    assert deadline.allows(4.0)
    clock[0] += 2
    assert deadline.allows(2.0)
    assert not deadline.allows(3.0)


def test_retries__without_a_timeout_end_half_a_minute_after_the_first_failure(
    make_client, fake, clock, monkeypatch
):
    client = make_client(fake.target, timeout=None)
    limits = limits_of(monkeypatch, client)
    fake.fail("VectorCount", "UNAVAILABLE", times=1000)
    with pytest.raises(proximadb.UnavailableError):
        client.count("docs")
    assert 28 <= clock[0] - 1000 < 30
    assert set(limits) == {None}


@pytest.mark.parametrize(
    "fault",
    [
        {"reason": "UNAVAILABLE"},
        {"code": grpc.StatusCode.UNAVAILABLE},
        {"reason": "RESOURCE_EXHAUSTED"},
        {"reason": "NO_MEMORY"},
        {"reason": "DEADLINE_EXCEEDED"},
        {"code": grpc.StatusCode.DEADLINE_EXCEEDED},
        {"reason": "OUTCOME_UNKNOWN"},
    ],
)
@pytest.mark.parametrize("is_applied", [False, True], ids=["lost", "applied"])
def test_retries__a_repeated_insert_happens_once(client, fake, fault, is_applied):
    fake.fail("VectorInsert", is_applied=is_applied, times=2, **fault)
    result = client.insert("docs", VECTORS, ids=["a", "b"])
    assert result.versions.tolist() == [1, 2]
    assert fake.collections["docs"].last_version == 2
    sent = request_ids(fake)
    assert len(sent) == 3
    assert len(set(sent)) == 1


def test_retries__a_repeated_update_and_delete_happen_once(client, fake):
    client.insert("docs", VECTORS, ids=["a", "b"])
    fake.fail("VectorMutation", "UNAVAILABLE", is_applied=True)
    assert client.update("docs", ["a"], metadata=[{"n": 1}]).versions.tolist() == [3]
    fake.fail("VectorMutation", "UNAVAILABLE", is_applied=True)
    assert client.delete("docs", ["a", "missing"]) == 1
    fake.fail("VectorMutation", "UNAVAILABLE", is_applied=True)
    assert client.delete("docs", filter="missing = 1") == 0
    fake.collections["docs"].rows["b"].metadata["kind"] = "x"
    fake.fail("VectorMutation", "UNAVAILABLE", is_applied=True)
    assert client.delete("docs", filter="kind = 'x'") == 1


@pytest.mark.parametrize(
    "reason",
    [
        "INVALID",
        "DIMENSION",
        "VECTOR_EXISTS",
        "READ_ONLY",
        "CORRUPT",
        "UNIMPLEMENTED",
        "IO",
        "INTERNAL",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "CANCELLED",
    ],
)
def test_retries__what_stays_as_it_is_is_raised_at_once(client, fake, reason):
    fake.fail("VectorInsert", reason, row_index=1)
    with pytest.raises(proximadb.ProximaDBError) as caught:
        client.insert("docs", VECTORS)
    assert caught.value.reason == reason
    assert caught.value.row_index == 1
    assert fake.count("VectorInsert") == 1


def test_retries__a_message_limit_stays_as_it_is(client, fake):
    fake.fail("VectorInsert", code=grpc.StatusCode.RESOURCE_EXHAUSTED)
    with pytest.raises(proximadb.ResourceExhaustedError):
        client.insert("docs", VECTORS)
    assert fake.count("VectorInsert") == 1


# ---- answers that are too large -----------------------------------------------------------------


@pytest.mark.parametrize("method", ["VectorSearch", "VectorGet", "VectorCount", "VectorInsert"])
def test_retries__what_is_too_large_is_not_sent_again(client, fake, method):
    calls = {**READS, "VectorInsert": lambda c: c.insert("docs", VECTORS)}
    fake.fail(method, "TOO_LARGE", times=2, message="over 60 MiB")
    with pytest.raises(proximadb.ResourceExhaustedError, match="over 60 MiB") as caught:
        calls[method](client)
    assert caught.value.reason == "TOO_LARGE"
    assert fake.count(method) == 1


def test_retries__a_search_that_is_too_large_is_halved(client, fake):
    client.insert("docs", np.arange(40).reshape(10, 4))
    queries = np.arange(32).reshape(8, 4)
    whole = client.search("docs", queries, k=3)
    fake.calls.clear()
    fake.answer_rows_limit = 6
    parts = client.search("docs", queries, k=3)
    assert [[hit.id for hit in hits] for hits in parts] == [
        [hit.id for hit in hits] for hits in whole
    ]
    assert fake.count("VectorSearch") == 2 + 4  # 8, 4, and then 2 each: what failed is not repeated


def test_retries__a_query_that_is_too_large_alone_is_told(client, fake):
    client.insert("docs", np.arange(40).reshape(10, 4))
    fake.answer_rows_limit = 6
    with pytest.raises(proximadb.ResourceExhaustedError, match="lower k, or leave out") as caught:
        client.search("docs", np.ones((3, 4)), k=7)
    assert (caught.value.reason, caught.value.row_index) == ("TOO_LARGE", 0)
    assert fake.count("VectorSearch") == 3  # of 3, of 2, of 1
    with pytest.raises(proximadb.ResourceExhaustedError, match="lower k"):
        client.search("docs", np.ones(4), k=7)


def test_retries__a_get_that_is_too_large_is_halved(client, fake):
    ids = client.insert("docs", np.arange(40).reshape(10, 4)).ids
    fake.answer_rows_limit = 3
    asked = [*reversed(ids), "missing", ids[0]]
    assert [row.id for row in client.get("docs", asked)] == [*reversed(ids), ids[0]]
    assert fake.count("VectorGet") == 2 + 4  # 11, 6, and then 3, 3, 3, 2
    fake.answer_rows_limit = 0
    with pytest.raises(proximadb.ResourceExhaustedError, match="leave out the vectors"):
        client.get("docs", ids)


def test_retries__a_split_read_counts_its_rows_from_the_first(client, fake):
    client.insert("docs", np.arange(40).reshape(10, 4))
    fake.fail("VectorSearch", "TOO_LARGE")
    queries = np.ones((4, 4))
    queries[3] = np.inf
    with pytest.raises(proximadb.InvalidArgumentError) as caught:
        client.search("docs", queries)
    assert caught.value.row_index == 3


# ---- calls that are not repeated ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("CreateCollection", lambda c: c.create_collection("new", 4)),
        ("DeleteCollection", lambda c: c.delete_collection("docs")),
    ],
)
def test_retries__calls_whose_repeat_could_mislead_are_not(client, fake, method, call):
    fake.fail(method, "UNAVAILABLE")
    with pytest.raises(proximadb.UnavailableError):
        call(client)
    assert fake.count(method) == 1


def test_retries__end_with_the_timeout(make_client, fake):
    client = make_client(fake.target, timeout=0.5)
    client.create_collection("docs", 4)
    fake.fail("VectorCount", "UNAVAILABLE", times=1000, message="closing")
    started = time.monotonic()
    with pytest.raises(proximadb.UnavailableError, match="closing"):
        client.count("docs")
    assert time.monotonic() - started < 2.0
    # Pauses double from 25 to 50 ms on, so six attempts are the most that fit.
    assert 2 <= fake.count("VectorCount") <= 6


def test_retries__a_server_that_does_not_answer_is_a_deadline(make_client, fake):
    client = make_client(fake.target, timeout=0.2)
    fake.delay_s = 0.6
    with pytest.raises(proximadb.DeadlineExceededError):
        client.metrics()
    fake.delay_s = 0.0


def test_retries__an_unknown_outcome_stays_unknown(make_client, fake):
    client = make_client(fake.target, timeout=0.5)
    client.create_collection("docs", 4)
    fake.fail("VectorInsert", "OUTCOME_UNKNOWN", message="EIO")
    fake.fail("VectorInsert", "READ_ONLY")
    with pytest.raises(proximadb.OutcomeUnknownError, match="EIO") as caught:
        client.insert("docs", VECTORS)
    assert isinstance(caught.value.__cause__, proximadb.ReadOnlyError)


def test_retries__a_later_refusal_settles_an_unknown_outcome(client, fake):
    client.insert("docs", VECTORS, ids=["a", "b"])
    fake.fail("VectorInsert", "OUTCOME_UNKNOWN")
    with pytest.raises(proximadb.AlreadyExistsError):
        client.insert("docs", VECTORS, ids=["x", "a"])


def test_retries__a_server_that_comes_up_late_is_waited_for(make_client):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    with pytest.raises(proximadb.UnavailableError):
        make_client(f"127.0.0.1:{port}", timeout=0.4).metrics()
    servers = []
    starter = threading.Timer(0.3, lambda: servers.append(FakeServer(port=port)))
    starter.start()
    try:
        assert "fake" in make_client(f"127.0.0.1:{port}", timeout=20.0).metrics()
    finally:
        starter.join()
        servers[0].stop()


def test_retries__a_restarted_server_is_found_again(make_client):
    first = FakeServer()
    client = make_client(first.target, timeout=10.0)
    client.create_collection("docs", 4)
    first.stop()
    second = FakeServer(port=first.port)
    try:
        assert "fake" in client.metrics()
    finally:
        second.stop()


def test_retries__a_scan_goes_on_where_it_was(client, fake):
    client.insert("docs", np.ones((30, 4)))
    rows = client.scan("docs", batch_size=10)
    seen = [next(rows) for _ in range(10)]
    fake.fail("VectorScan", "UNAVAILABLE")
    seen += rows
    assert len({row.id for row in seen}) == 30


def test_retries__an_expired_snapshot_is_an_error_of_its_own(client, fake):
    client.insert("docs", np.ones((30, 4)))
    rows = client.scan("docs", batch_size=10)
    for _ in range(10):
        next(rows)
    fake.snapshots.clear()
    with pytest.raises(proximadb.SnapshotExpiredError, match="10 minutes"):
        next(rows)


# ---- split writes -------------------------------------------------------------------------------


@pytest.fixture
def splitting(make_client, fake):
    """A client whose messages hold about 20 rows of dimension 4."""
    made = make_client(fake.target, timeout=5.0, message_bytes=4096)
    made.create_collection("docs", 4, metric="l2")
    return made


def test_retries__every_batch_of_a_split_write_is_retried_alone(splitting, fake):
    for _ in range(3):
        fake.fail("VectorInsert", "UNAVAILABLE", is_applied=True)
    result = splitting.insert("docs", np.ones((500, 4)))
    assert result.versions.tolist() == list(range(1, 501))
    sent = request_ids(fake)
    assert len(sent) == len(set(sent)) + 3
    assert sent == sorted(sent, key=sent.index)


def test_retries__a_split_write_tells_where_it_failed(splitting, fake):
    seen = []

    def spoil(done, total):
        seen.append(done)
        if len(seen) == 2:
            fake.fail("VectorInsert", "INVALID", row_index=3)

    ids = [f"row-{i:03}" for i in range(500)]
    with pytest.raises(proximadb.InvalidArgumentError, match="rows are written") as caught:
        splitting.insert("docs", np.ones((500, 4)), ids=ids, progress=spoil)
    error = caught.value
    assert error.acknowledged_rows == error.first_failed_row == seen[-1]
    assert error.row_index == seen[-1] + 3
    assert error.partial_result.ids == ids[: seen[-1]]
    assert error.partial_result.versions.tolist() == list(range(1, seen[-1] + 1))
    rest = error.first_failed_row
    splitting.insert("docs", np.ones((500 - rest, 4)), ids=ids[rest:])
    assert splitting.count("docs") == 500


def test_retries__a_row_that_cannot_be_encoded_leaves_those_before(splitting, fake):
    metadata = [{"n": i} for i in range(500)]
    metadata[400] = {"n": object()}
    with pytest.raises(proximadb.InvalidArgumentError, match="row 400") as caught:
        splitting.insert("docs", np.ones((500, 4)), metadata=metadata)
    error = caught.value
    assert error.row_index == 400
    assert 300 < error.acknowledged_rows <= 400
    assert splitting.count("docs") == error.acknowledged_rows
    assert len(fake.collections["docs"].outcomes) == fake.count("VectorInsert")


def test_retries__updates_and_deletes_are_split_too(splitting, fake):
    ids = splitting.insert("docs", np.ones((500, 4))).ids
    versions = splitting.update("docs", ids, metadata=[{"n": 1}] * 500).versions
    assert versions.tolist() == list(range(501, 1001))
    assert fake.count("VectorMutation") > 5
    assert splitting.delete("docs", [*ids, "missing"]) == 500
    assert splitting.count("docs") == 0


def test_retries__a_failed_split_delete_tells_how_far_it_came(splitting, fake):
    ids = splitting.insert("docs", np.ones((500, 4))).ids
    fake.fail("VectorMutation", "UNAVAILABLE", is_applied=True)
    fake.faults.append(fake.faults[0])
    fake.fail("VectorMutation", "CORRUPT")
    with pytest.raises(proximadb.CorruptionError) as caught:
        splitting.delete("docs", ids)
    assert caught.value.acknowledged_rows == 0
    assert caught.value.partial_result is None

"""The two clients around their operations.

Goal    Targets, keys, TLS, closing, progress, overlap of encoding and waiting, cancellation, and
        that both clients have the same methods.
Method  The fake server; a certificate made by openssl.
"""

from __future__ import annotations

import asyncio
import inspect
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from fake_server import FakeServer

import proximadb
from proximadb import AsyncProximaDBClient, ProximaDBClient, _batching, _contract
from proximadb.grpc_client import full_target, run


def test_clients__have_the_same_methods():
    def methods(kind):
        return {
            name: inspect.signature(getattr(kind, name)).replace(return_annotation=None)
            for name in dir(kind)
            if not name.startswith("_")
        }

    assert methods(ProximaDBClient) == methods(AsyncProximaDBClient)
    assert inspect.signature(ProximaDBClient.__init__) == inspect.signature(
        AsyncProximaDBClient.__init__
    )
    for kind in (ProximaDBClient, AsyncProximaDBClient):
        assert all(getattr(kind, name).__doc__ for name in methods(kind))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("localhost", "localhost:5678"),
        ("localhost:1", "localhost:1"),
        ("[::1]", "[::1]:5678"),
        ("[::1]:7", "[::1]:7"),
        ("unix:///run/px.sock", "unix:///run/px.sock"),
        ("dns:///db.example:5678", "dns:///db.example:5678"),
    ],
)
def test_clients__targets_have_a_default_port(given, meant):
    assert full_target(given) == meant


def test_clients__a_url_is_no_target(make_client):
    with pytest.raises(proximadb.InvalidArgumentError, match="host:port"):
        make_client("http://localhost:5678")


@pytest.mark.parametrize("size", [0, 4095, (64 << 20) + 1])
def test_clients__message_sizes_have_limits(make_client, size):
    with pytest.raises(proximadb.InvalidArgumentError, match="message_bytes"):
        make_client("localhost", message_bytes=size)


def test_clients__show_their_target(make_client):
    assert "localhost:5678" in repr(ProximaDBClient())
    assert repr(AsyncProximaDBClient("db")) == "AsyncProximaDBClient('db:5678')"


def test_clients__send_key_and_version(make_client):
    server = FakeServer(api_key="secret")
    try:
        client = make_client(server.target, api_key="secret")
        assert client.list_collections() == []
        assert client.health()
        assert server.metadata[0]["authorization"] == "Bearer secret"
        assert f"proximadb-python/{proximadb.__version__}" in server.metadata[0]["user-agent"]
        with pytest.raises(proximadb.AuthenticationError) as caught:
            make_client(server.target, api_key="wrong").list_collections()
        assert caught.value.reason == "UNAUTHENTICATED"
        with pytest.raises(proximadb.AuthenticationError):
            make_client(server.target).health()
    finally:
        server.stop()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_clients__speak_tls(make_client, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    pair = (key.read_bytes(), certificate.read_bytes())
    server = FakeServer(credentials=grpc.ssl_server_credentials([pair]))
    try:
        roots = grpc.ssl_channel_credentials(certificate.read_bytes())
        for tls in (certificate, str(certificate), roots):
            assert make_client(server.target, tls=tls).list_collections() == []
        with pytest.raises(proximadb.UnavailableError):
            make_client(server.target, tls=True, timeout=0.5).list_collections()
        with pytest.raises(proximadb.UnavailableError):
            make_client(server.target, timeout=0.5).list_collections()
    finally:
        server.stop()


def test_clients__refuse_calls_after_close(make_client, fake):
    client = make_client(fake.target)
    client.list_collections()
    client.close()
    client.close()
    with pytest.raises(proximadb.UnavailableError, match="was closed"):
        client.list_collections()
    with pytest.raises(proximadb.UnavailableError, match="was closed"):
        client.insert("docs", np.ones((1, 4)))


def test_clients__may_be_closed_by_another_thread_between_two_steps(fake):
    client = ProximaDBClient(fake.target)
    client.list_collections()
    client._transport._channel.close()  # what the other thread has done when a call comes to it
    with pytest.raises(proximadb.UnavailableError, match="was closed"):
        client.list_collections()
    with pytest.raises(proximadb.UnavailableError, match="was closed"):
        client.insert("docs", np.ones((1, 4)))


def test_clients__close_with_their_context(fake):
    with ProximaDBClient(fake.target) as client:
        client.list_collections()
    with pytest.raises(proximadb.UnavailableError):
        client.list_collections()

    async def use():
        async with AsyncProximaDBClient(fake.target) as client:
            await client.list_collections()
        with pytest.raises(proximadb.UnavailableError):
            await client.list_collections()

    asyncio.run(use())


def test_clients__closing_ends_calls_under_way(fake):
    fake.delay_s = 1.0

    def cancelled(call):
        client = ProximaDBClient(fake.target, message_bytes=4096)
        threading.Timer(0.2, client.close).start()
        with pytest.raises(proximadb.CallCancelledError):
            call(client)

    cancelled(lambda client: client.list_collections())
    cancelled(lambda client: client.insert("docs", np.ones((500, 4))))

    async def use():
        client = AsyncProximaDBClient(fake.target)
        call = asyncio.ensure_future(client.list_collections())
        await asyncio.sleep(0.2)
        await client.close()
        with pytest.raises(proximadb.CallCancelledError):
            await call

    asyncio.run(use())
    fake.delay_s = 0.0


def closing_in_a_pause(client, call):
    """Calls; when the client waits to try again, it is closed, as by another thread or task."""

    async def close(seconds):
        closing = client.close()
        if closing is not None:
            await closing

    async def use():
        await call(client)

    client._transport.sleep = close
    with pytest.raises(proximadb.ProximaDBError) as caught:
        call(client) if isinstance(client, ProximaDBClient) else asyncio.run(use())
    return caught.value


@pytest.fixture(params=[ProximaDBClient, AsyncProximaDBClient])
def either(request, fake):
    with ProximaDBClient(fake.target) as client:
        client.create_collection("docs", 4)
    return request.param(fake.target, message_bytes=4096)


def test_clients__closed_in_a_pause_say_so(either, fake):
    fake.fail("VectorCount", "UNAVAILABLE", times=9, message="starting")
    error = closing_in_a_pause(either, lambda client: client.count("docs"))
    assert isinstance(error, proximadb.UnavailableError)
    assert "was closed" in str(error)
    assert fake.count("VectorCount") == 1


def test_clients__closed_in_a_pause_keep_what_is_not_known(either, fake):
    fake.fail("VectorInsert", "OUTCOME_UNKNOWN", message="EIO")
    error = closing_in_a_pause(either, lambda client: client.insert("docs", np.ones((2, 4))))
    assert isinstance(error, proximadb.OutcomeUnknownError)
    assert isinstance(error.__cause__, proximadb.UnavailableError)


@pytest.mark.parametrize("write", ["insert", "upsert"])
def test_clients__closed_in_a_pause_tell_how_far_a_write_came(either, fake, write):
    acknowledged = []

    def spoil(done, total):
        acknowledged.append(done)
        if len(acknowledged) == 2:
            fake.fail("VectorInsert", "UNAVAILABLE", times=9)

    ids = [f"row-{i:03}" for i in range(500)]
    error = closing_in_a_pause(
        either,
        lambda client: getattr(client, write)("docs", np.ones((500, 4)), ids, progress=spoil),
    )
    assert isinstance(error, proximadb.UnavailableError)
    assert "was closed" in str(error)
    assert "rows are written" in str(error)
    assert error.acknowledged_rows == error.first_failed_row == acknowledged[1]
    assert error.partial_result.ids == ids[: acknowledged[1]]
    assert fake.collections["docs"].last_version == acknowledged[1]


def test_clients__closed_before_their_first_call_open_no_channel(fake):
    async def use():
        client = AsyncProximaDBClient(fake.target)
        await client.close()
        with pytest.raises(proximadb.UnavailableError, match="was closed"):
            client._transport.start(_contract.METHODS["Metrics"], b"", None)
        assert client._transport._channel is None

    asyncio.run(use())


def test_clients__a_channel_of_asyncio_that_was_closed_says_so(fake):
    async def use():
        client = AsyncProximaDBClient(fake.target)
        await client.list_collections()
        await client._transport._channel.close()
        with pytest.raises(proximadb.UnavailableError, match="was closed"):
            await client.list_collections()
        with pytest.raises(proximadb.UnavailableError, match="was closed"):
            await client.insert("docs", np.ones((1, 4)))

    asyncio.run(use())


def test_clients__a_cancelled_task_is_cancelled(fake):
    fake.delay_s = 1.0

    async def use():
        async with AsyncProximaDBClient(fake.target) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.list_collections(), 0.2)

    asyncio.run(use())
    fake.delay_s = 0.0


def test_clients__empty_calls_send_nothing(client, fake):
    assert client.insert("docs", []).ids == []
    assert client.insert("docs", np.empty((0, 4))).versions.tolist() == []
    assert client.update("docs", []).ids == []
    assert client.delete("docs", []) == 0
    assert client.get("docs", []) == []
    assert fake.calls == []


def test_clients__delete_never_means_everything(client, fake):
    for arguments in ({}, {"ids": ["a"], "filter": "a = 1"}, {"params": {"a": 1}}):
        with pytest.raises(proximadb.InvalidArgumentError, match="either ids or a filter"):
            client.delete("docs", **arguments)
    with pytest.raises(proximadb.InvalidArgumentError, match="params"):
        client.delete("docs", ids=["a"], params={"a": 1})
    assert fake.calls == []


def test_clients__clear_is_for_updates(client, fake):
    for arguments in ({"documents": [proximadb.CLEAR]}, {"expires_at": proximadb.CLEAR}):
        with pytest.raises(proximadb.InvalidArgumentError, match="row 0: CLEAR is for updates"):
            client.insert("docs", np.ones((1, 4)), **arguments)
    assert fake.calls == []


def test_clients__progress_is_told(make_client, fake, capsys):
    client = make_client(fake.target, message_bytes=4096)
    client.create_collection("docs", 4)
    client.insert("docs", np.ones((300, 4)), progress=True)
    shown = capsys.readouterr().err
    assert shown.count("\r") > 3
    assert "proximadb: 300 of 300 rows" in shown
    assert shown.endswith("\n")
    client.insert("docs", np.ones((300, 4)))
    assert capsys.readouterr().err == ""


def test_clients__encode_the_next_batch_while_one_is_out(make_client, fake, monkeypatch):
    # The server takes its time; when the second message is encoded the first must be there already.
    client = make_client(fake.target, message_bytes=4096)
    client.create_collection("docs", 4)
    fake.delay_s = 0.2
    events = []
    encode = _batching._message

    def watched(rows, frame, blocks):
        if blocks[0].first_row > 0 and not events:
            limit = time.monotonic() + 5.0
            while fake.count("VectorInsert") < 1 and time.monotonic() < limit:
                time.sleep(0.01)
            events.append((fake.count("VectorInsert"), fake.collections["docs"].last_version))
        return encode(rows, frame, blocks)

    monkeypatch.setattr(_batching, "_message", watched)
    monkeypatch.setattr("proximadb._operations.COMPUTE_BYTES", 0)
    client.insert("docs", np.ones((100, 4)))
    fake.delay_s = 0.0
    assert events == [(1, 0)]


def test_clients__one_client_serves_many_threads(fake):
    with ProximaDBClient(fake.target) as client:
        client.create_collection("docs", 4)

        def work(number):
            ids = [f"{number}-{i}" for i in range(20)]
            client.insert("docs", np.ones((20, 4)), ids=ids)
            return [row.id for row in client.get("docs", ids)] == ids

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(40)))
        assert client.count("docs") == 800


def test_clients__many_tasks_share_a_client(fake):
    async def use():
        async with AsyncProximaDBClient(fake.target) as client:
            await client.create_collection("docs", 4)
            calls = [client.insert("docs", np.ones((5, 4))) for _ in range(50)]
            results = await asyncio.gather(*calls)
            versions = sorted(v for result in results for v in result.versions.tolist())
            assert versions == list(range(1, 251))
            assert len([row async for row in client.scan("docs", batch_size=100)]) == 250

    asyncio.run(use())


def test_clients__a_scan_checks_its_arguments_at_once(client):
    with pytest.raises(proximadb.InvalidArgumentError, match="filter"):
        client.scan("docs", filter=5)
    with pytest.raises(proximadb.InvalidArgumentError, match="batch_size"):
        client.scan("docs", batch_size="many")


def test_clients__queries_are_split_by_bytes(make_client, fake, rng):
    client = make_client(fake.target, message_bytes=4096)
    client.create_collection("docs", 64, metric="l2")
    stored = rng.standard_normal((100, 64)).astype(np.float32)
    ids = client.insert("docs", stored).ids
    fake.calls.clear()
    results = client.search("docs", stored, k=1)
    assert [hits[0].id for hits in results] == ids
    assert fake.count("VectorSearch") > 5


@pytest.mark.parametrize("query", ["text", [[1], [1, 2]], [[[1.0]]], 5.0])
def test_clients__a_query_is_a_vector_or_several(client, query):
    with pytest.raises(proximadb.InvalidArgumentError, match="query"):
        client.search("docs", query)


def test_clients__names_are_text(client):
    for name in (None, 5, b"docs", "\ud800"):
        with pytest.raises(proximadb.InvalidArgumentError):
            client.get_collection(name)
        with pytest.raises(proximadb.InvalidArgumentError):
            client.insert(name, np.ones((1, 4)))
        with pytest.raises(proximadb.InvalidArgumentError):
            client.count(name)


def test_clients__a_blocking_coroutine_never_suspends():
    with pytest.raises(AssertionError):
        run(asyncio.sleep(0))

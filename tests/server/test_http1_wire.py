"""Goal: HTTP/1.1 over real sockets: pipelining, chunks, "100 Continue", slowness, floods, garbage, and an orderly end.
Method: bytes by hand. What tests/unit/test_h1.c checks without a network is not repeated here.
"""
import os
import random
import socket
import time
import urllib.request

import pytest

GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"


class Client:
    def __init__(self, server):
        self.socket = socket.create_connection((server.host, server.port), 10)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def read_until(self, text, count=1, seconds=10):
        self.socket.settimeout(seconds)
        while self.received.count(text) < count:
            got = self.socket.recv(65536)
            assert got, f"the connection ended before {text!r}: {self.received[:500]!r}"
            self.received += got

    def read_to_end(self, seconds=10):
        self.socket.settimeout(seconds)
        try:
            while got := self.socket.recv(65536):
                self.received += got
        except ConnectionResetError:
            pass


def expect_alive(server):
    with Client(server) as client:
        client.send(GET % b"/healthz")
        client.read_until(b"\r\n\r\nok\n")


def test_http1__answers_pipelined_requests(server):
    with Client(server) as client:
        client.send((GET % b"/healthz") * 500 + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + (GET % b"/metrics"))
        client.read_until(b"budget_limit_bytes 2")
        assert client.received.count(b"\r\n\r\nok\n") == 500
        assert client.received.index(b"404 Not Found") < client.received.index(b"fake_live")


def test_http1__answers_while_a_slow_one_is_pending(server):
    """/metrics goes through the engine's thread; what is behind it waits its turn."""
    with Client(server) as client:
        client.send((GET % b"/metrics") + (GET % b"/healthz"))
        client.read_until(b"\r\n\r\nok\n")
        assert client.received.index(b"fake_live") < client.received.index(b"\r\n\r\nok\n")


def test_http1__refuses_bodies_that_nobody_takes(server):
    """The probes take no body: the answer comes at once, and then the connection ends."""
    for head in (b"Content-Length: 1000000", b"Transfer-Encoding: chunked", b"Expect: 100-continue\r\nContent-Length: 9"):
        with Client(server) as client:
            client.send(b"POST /healthz HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            client.read_until(b"405 Method Not Allowed")
            client.send(b"10\r\n" + b"x" * 16 + b"\r\n")
            client.read_to_end()
            assert b"connection: close" in client.received and b"100 Continue" not in client.received
    expect_alive(server)


def test_http1__answers_old_clients(server):
    with Client(server) as client:
        client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        client.read_to_end()
        assert client.received.startswith(b"HTTP/1.1 200 OK") and client.received.endswith(b"ok\n")


def test_http1__tells_grpc_to_use_http2(server):
    with Client(server) as client:
        client.send(b"POST /proximadb.v1.ProximaDB/Flush HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\n"
                    b"Content-Length: 0\r\n\r\n")
        client.read_until(b"gRPC needs HTTP/2")
        assert b"426 Upgrade Required" in client.received


def test_http1__leaves_an_offer_of_http2_alone(server):
    with Client(server) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
        client.read_until(b"\r\n\r\nok\n")
        assert b"101" not in client.received
        client.send(GET % b"/healthz")
        client.read_until(b"\r\n\r\nok\n", 2)


def read_echo(client, size):
    """The body of one answer, which is taken off what was received."""
    client.read_until(b"\r\n\r\n")
    while len(client.received) < client.received.index(b"\r\n\r\n") + 4 + size:
        client.received += client.socket.recv(1 << 20)
    head, _, rest = client.received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    client.received = rest[size:]
    return rest[:size]


@pytest.mark.parametrize("size", [1, 1000, 65536, 1_000_001, 20 << 20])
def test_http1__echoes_bodies(server, size):
    """With a length and in chunks, over one connection."""
    body = os.urandom(size)
    with Client(server) as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + body)
        assert read_echo(client, size) == body
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[at:at + 70_000]), body[at:at + 70_000])
                          for at in range(0, size, 70_000))
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert read_echo(client, size) == body
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % size)
        client.read_until(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.received = b""
        client.send(body)
        assert read_echo(client, size) == body


def test_http1__refuses_bodies_over_the_limit(server):
    with Client(server) as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 33554433\r\n\r\n")
        client.read_until(b"over the limit of 33554432")
        assert client.received.startswith(b"HTTP/1.1 413 Content Too Large")
        client.read_to_end()


def test_http1__works_with_a_common_client(server):
    with urllib.request.urlopen(f"http://{server.address}/readyz", timeout=10) as answer:
        assert answer.status == 200 and answer.read() == b"ok\n"


def test_http1__ends_slow_headers(start_server):
    """A byte now and then keeps no connection open."""
    server = start_server("--header-timeout-ms", 700)
    with Client(server) as client:
        start = time.monotonic()
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        while client.send(b"X: y\r\n") and time.monotonic() - start < 10:
            time.sleep(0.1)
        assert time.monotonic() - start < 10
    expect_alive(server)


def test_http1__ends_headers_without_end(server):
    with Client(server) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        for _ in range(100):
            if not client.send(b"X: " + b"y" * 1000 + b"\r\n"):
                break
        client.read_to_end()
        assert b"431 Request Header Fields Too Large" in client.received or client.received == b""
    expect_alive(server)


def test_http1__lets_idle_connections_go(start_server):
    server = start_server("--idle-timeout-ms", 500)
    with Client(server) as client:
        client.send(GET % b"/healthz")
        client.read_until(b"\r\n\r\nok\n")
        client.read_to_end()


def test_http1__survives_garbage(server):
    seed = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
    print("PX_TEST_SEED", seed)
    chance = random.Random(seed)
    request = b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    for _ in range(300):
        data = bytearray(request * chance.randrange(1, 4))
        for _ in range(chance.randrange(6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with Client(server) as client:
            client.send(bytes(data[:chance.randrange(len(data) + 1)]))
    expect_alive(server)


def test_http1__finishes_and_ends_when_it_is_told_to_stop(start_server):
    server = start_server()
    with Client(server) as idle, Client(server) as half:
        idle.send(GET % b"/readyz")
        idle.read_until(b"\r\n\r\nok\n")
        half.send(b"GET /readyz HTTP/1.1\r\nHos")
        time.sleep(0.1)
        server.terminate()
        idle.read_to_end()
        time.sleep(0.3)     # the other thread has been told, too
        half.send(b"t: x\r\n\r\n")
        half.read_until(b"stopping\n")
        assert b"503 Service Unavailable" in half.received and b"connection: close" in half.received
        half.read_to_end()
    server.stop()


def test_http1__refuses_pages_of_other_sites(server):
    """The server listens on 127.0.0.1 only; a page can neither rebind its name to it nor send changes unasked."""
    delete = b"DELETE /v1/collections/nothing HTTP/1.1\r\nHost: localhost:5678\r\n%s\r\n"
    requests = [
        (b"GET /v1/collections HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"403"),
        (b"GET /openapi.json HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"403"),
        (b"GET /v1/collections HTTP/1.1\r\nHost: localhost:5678\r\n\r\n", b"200"),
        (delete % b"Origin: http://evil.example\r\n", b"403"),
        (delete % b"Sec-Fetch-Site: cross-site\r\n", b"403"),
        (delete % b"Origin: http://localhost:5678\r\nSec-Fetch-Site: same-origin\r\n", b"404"),
        (GET % b"/healthz", b"200"),
    ]
    for request, status in requests:
        with Client(server) as client:
            client.send(request)
            client.read_until(b"\r\n\r\n")
            assert client.received.startswith(b"HTTP/1.1 " + status), (request, client.received)
            assert (b"application/problem+json" in client.received) == (status in (b"403", b"404"))

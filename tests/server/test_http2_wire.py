"""Goal: HTTP/2 that no proper client sends: padding, split prefixes, greed for windows, floods, slowness, garbage. Each is
served as the RFC says or ended, and never holds the server's memory, work or other connections.
Method: frames made by hand (wire.py) over real sockets.
"""
import os
import random
import struct
import time
import urllib.request

import pytest

import wire
from wire import Connection, frame, grpc_fields, grpc_message, rows_request

SEARCH = "/proximadb.v1.ProximaDB/VectorSearch"
INSERT = "/proximadb.v1.ProximaDB/VectorInsert"


def metrics(server):
    """Counters of the engine and of the server, by name."""
    with urllib.request.urlopen(f"http://{server.address}/metrics", timeout=10) as answer:
        lines = [line.split() for line in answer.read().decode().splitlines() if line and line[0] not in "#g"]
    return {name: int(value) for name, value in lines}


def wait_for(server, name, value):
    for _ in range(1000):
        if metrics(server)[name] == value:
            return
        time.sleep(0.01)
    raise AssertionError(f"{name} is {metrics(server)[name]}, not {value}")


def call(connection, stream, path=SEARCH, payload=b"avro bytes", name="docs", fields=()):
    """A whole call in two frames."""
    message = grpc_message(rows_request(name, payload))
    connection.send(frame(wire.HEADERS, wire.END_HEADERS, stream, wire.header_block(grpc_fields(path, *fields)))
                    + frame(wire.DATA, wire.END_STREAM, stream, message))


def expect_echo(connection, stream, payload=b"avro bytes"):
    connection.wait_for_end(stream)
    assert connection.grpc_status(stream) == 0
    is_echo = connection.data[stream] == grpc_message(wire.proto_field(1, payload))
    assert is_echo, f"{len(connection.data[stream])} bytes, not the echo"


def expect_alive(server):
    """The server serves others, and nothing is left of what was tried."""
    with Connection(server) as connection:
        call(connection, 1)
        expect_echo(connection, 1)
    wait_for(server, "proximadb_http_budget_used_bytes", 0)


# ---- framing -------------------------------------------------------------------------------------------------------------

def test_http2__takes_padded_frames(server):
    payload = os.urandom(50_000)
    message = grpc_message(rows_request("docs", payload))
    with Connection(server) as connection:
        connection.request(1, grpc_fields(INSERT))
        for at in range(0, len(message), 997):
            part, padding = message[at:at + 997], at % 256
            end = wire.END_STREAM if at + 997 >= len(message) else 0
            body = bytes([padding]) + part + bytes(padding)
            connection.send(frame(wire.DATA, wire.PADDED | end, 1, body))
        expect_echo(connection, 1, payload)


@pytest.mark.parametrize("cut", [0, 1, 4, 5, 6])
def test_http2__takes_a_prefix_in_two_frames(server, cut):
    message = grpc_message(rows_request("docs", b"avro bytes"))
    with Connection(server) as connection:
        connection.request(1, grpc_fields(SEARCH))
        connection.send(frame(wire.DATA, 0, 1, message[:cut]))
        time.sleep(0.02)
        connection.send(frame(wire.DATA, wire.END_STREAM, 1, message[cut:]))
        expect_echo(connection, 1)


def test_http2__takes_bytes_one_by_one(server):
    message = grpc_message(rows_request("docs", b"avro bytes"))
    data = (wire.GREETING + frame(wire.SETTINGS) + frame(wire.SETTINGS, wire.ACK)
            + frame(wire.HEADERS, wire.END_HEADERS, 1, wire.header_block(grpc_fields(SEARCH)))
            + frame(wire.DATA, wire.END_STREAM, 1, message))
    with Connection(server, greet=False) as connection:
        for i in range(len(data)):
            connection.send(data[i:i + 1])
        expect_echo(connection, 1)


def test_http2__waits_for_the_rest_of_the_greeting(server):
    with Connection(server, greet=False) as connection:
        connection.send(b"P")
        time.sleep(0.05)
        connection.send(b"R")
        time.sleep(0.05)
        connection.send(wire.GREETING[2:] + frame(wire.SETTINGS) + frame(wire.SETTINGS, wire.ACK))
        call(connection, 1)
        expect_echo(connection, 1)


def test_http2__ends_a_message_with_an_empty_frame(server):
    with Connection(server) as connection:
        connection.request(1, grpc_fields(SEARCH))
        connection.send(frame(wire.DATA, 0, 1, grpc_message(rows_request("docs", b"avro bytes"))))
        connection.send(frame(wire.DATA, wire.END_STREAM, 1))
        expect_echo(connection, 1)


def test_http2__receives_large_frames_in_place(server):
    """grpcio sends frames as large as our settings allow; of those next to nothing is copied."""
    payload = os.urandom(16 << 20)
    message = grpc_message(rows_request("docs", payload))
    before = metrics(server)
    with Connection(server) as connection:
        connection.request(1, grpc_fields(INSERT))
        connection.send(frame(wire.DATA, 0, 1, message[:1000]))
        granted = wire.INITIAL_WINDOW
        connection.read_until(lambda: connection.windows.get(1, 0) + granted >= len(message)
                              and connection.windows.get(0, 0) + granted >= len(message))
        for at in range(1000, len(message), 1 << 20):
            end = wire.END_STREAM if at + (1 << 20) >= len(message) else 0
            connection.send(frame(wire.DATA, end, 1, message[at:at + (1 << 20)]))
        connection.send(frame(wire.WINDOW_UPDATE, 0, 0, struct.pack(">I", 64 << 20))
                        + frame(wire.WINDOW_UPDATE, 0, 1, struct.pack(">I", 64 << 20)))
        expect_echo(connection, 1, payload)
    after = metrics(server)
    received = after["proximadb_http_body_bytes_total"] - before["proximadb_http_body_bytes_total"]
    copied = after["proximadb_http_body_copied_bytes_total"] - before["proximadb_http_body_copied_bytes_total"]
    assert received == len(message)
    assert copied < received / 20


def test_http2__obeys_the_client_windows(server):
    """An answer stops where the client's windows end, and goes on with them."""
    with Connection(server) as connection:
        call(connection, 1, name="big-200000")
        connection.read_until(lambda: len(connection.data.get(1, b"")) >= wire.INITIAL_WINDOW)
        time.sleep(0.1)
        assert len(connection.data[1]) == wire.INITIAL_WINDOW
        connection.send(frame(wire.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 20)))
        connection.send(frame(wire.WINDOW_UPDATE, 0, 1, struct.pack(">I", 10)))
        connection.read_until(lambda: len(connection.data[1]) >= wire.INITIAL_WINDOW + 10)
        connection.send(frame(wire.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1 << 20)))
        connection.wait_for_end(1)
        assert connection.data[1].endswith(b"0123456789")


def test_http2__keeps_deadlines_that_the_client_forgets(server):
    with Connection(server) as connection:
        start = time.monotonic()
        call(connection, 1, name="never", fields=[("grpc-timeout", "200m")])
        connection.wait_for_end(1)
        assert connection.grpc_status(1) == 4
        assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("timeout", ["", "1", "S", "-1S", "+1S", "123456789S", "1 S", "1x", "0x1S", "1.5S", "1Sm"])
def test_http2__refuses_what_is_no_timeout(server, timeout):
    """A deadline that is not understood must not become none."""
    with Connection(server) as connection:
        call(connection, 1, name="never", fields=[("grpc-timeout", timeout)])
        connection.wait_for_end(1)
        assert connection.grpc_status(1) == 3 and "grpc-timeout" in connection.headers[1][-1]["grpc-message"]
        call(connection, 3)
        expect_echo(connection, 3)
    wait_for(server, "fake_live", 1)


@pytest.mark.parametrize("timeout", ["0S", "0n", "00000000H", "1n"])
def test_http2__ends_at_once_what_has_no_time(server, timeout):
    with Connection(server) as connection:
        call(connection, 1, name="never", fields=[("grpc-timeout", timeout)])
        connection.wait_for_end(1)
        assert connection.grpc_status(1) == 4
    wait_for(server, "fake_live", 1)


def test_http2__takes_the_longest_timeout(server):
    with Connection(server) as connection:
        call(connection, 1, fields=[("grpc-timeout", "99999999H")])
        expect_echo(connection, 1)


def test_http2__says_415_where_the_content_type_is_wrong(server):
    with Connection(server) as connection:
        fields = [(":method", "POST"), (":scheme", "http"), (":path", SEARCH), (":authority", "x"),
                  ("content-type", "application/json")]
        connection.request(1, fields, wire.END_HEADERS | wire.END_STREAM)
        connection.wait_for_end(1)
        assert connection.headers[1][0][":status"] == "415"


def test_http2__serves_probes(server):
    with Connection(server) as connection:
        for stream, path in ((1, "/healthz"), (3, "/readyz"), (5, "/metrics"), (7, "/nothing")):
            fields = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "x")]
            connection.request(stream, fields, wire.END_HEADERS | wire.END_STREAM)
        for stream, status in ((1, "200"), (3, "200"), (5, "200"), (7, "404")):
            connection.wait_for_end(stream)
            assert connection.headers[stream][0][":status"] == status
        assert b"fake_live" in connection.data[5]


def test_http2__encodes_texts_in_trailers(server):
    """Only printable ASCII travels in grpc-message; the details have the text itself."""
    with Connection(server) as connection:
        call(connection, 1, name="fail-9")
        connection.wait_for_end(1)
        trailers = connection.headers[1][-1]
        assert trailers["grpc-status"] == "3"
        assert trailers["grpc-message"] == "row 3: fake failure, 100%25 caf%C3%A9"
        assert "=" not in trailers["grpc-status-details-bin"]
        assert len(connection.headers[1]) == 1 and connection.data == {}    # Trailers-Only


# ---- limits and memory ---------------------------------------------------------------------------------------------------

def test_http2__refuses_a_message_by_its_prefix(server):
    """The 64 MiB do not have to be sent to be refused."""
    with Connection(server) as connection:
        connection.request(1, grpc_fields(INSERT))
        connection.send(frame(wire.DATA, 0, 1, struct.pack(">BI", 0, (64 << 20) + 1)))
        connection.wait_for_end(1)
        assert connection.grpc_status(1) == 8
        connection.read_until(lambda: connection.resets.get(1) == wire.NO_ERROR)
        assert connection.windows.get(1, 0) == 0
        call(connection, 3)
        expect_echo(connection, 3)


def test_http2__grants_windows_only_for_what_is_reserved(server):
    """A message of 1 MiB is granted when its prefix is here, and not before."""
    with Connection(server) as connection:
        connection.request(1, grpc_fields(INSERT))
        time.sleep(0.1)
        connection.send(frame(wire.PING, 0, 0, b"12345678"))
        connection.read_until(lambda: connection.pongs)
        assert connection.windows.get(1, 0) == 0
        connection.send(frame(wire.DATA, 0, 1, struct.pack(">BI", 0, 1 << 20)))
        connection.read_until(lambda: connection.windows.get(1, 0) >= (1 << 20) - wire.INITIAL_WINDOW
                              and connection.windows.get(0, 0) >= (1 << 20) - wire.INITIAL_WINDOW)
    expect_alive(server)


def test_http2__makes_a_connection_wait_for_the_budget(start_server):
    server = start_server("--budget-bytes", 2 << 20, "--message-limit-bytes", 2 << 20, "--budget-wait-ms", 20000)
    with Connection(server) as greedy, Connection(server) as waiting:
        greedy.request(1, grpc_fields(INSERT))
        greedy.send(frame(wire.DATA, 0, 1, struct.pack(">BI", 0, 2 << 20)))
        wait_for(server, "proximadb_http_budget_used_bytes", 2 << 20)
        waiting.request(1, grpc_fields(INSERT))
        message = grpc_message(rows_request("docs", b"x" * 100_000))
        waiting.send(frame(wire.DATA, 0, 1, message[:16000]))
        time.sleep(0.2)
        assert waiting.windows.get(1, 0) == 0 and not waiting.headers
        greedy.send(frame(wire.RST_STREAM, 0, 1, struct.pack(">I", wire.CANCEL)))
        waiting.read_until(lambda: waiting.windows.get(1, 0) > 0)
        waiting.send(b"".join(frame(wire.DATA, wire.END_STREAM if at + 16000 >= len(message) else 0, 1, message[at:at + 16000])
                              for at in range(16000, len(message), 16000)))
        waiting.send(frame(wire.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1 << 20))
                     + frame(wire.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 20)))
        expect_echo(waiting, 1, b"x" * 100_000)
    expect_alive(server)


def test_http2__holds_few_answers_that_nobody_takes(start_server):
    """Forty answers of a million bytes, for a client that opens no window: four fit, the others are refused."""
    server = start_server("--answer-bytes", 4 << 20)
    with Connection(server) as greedy:
        greedy.send(frame(wire.SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))   # SETTINGS_INITIAL_WINDOW_SIZE
        streams = range(1, 81, 2)
        for stream in streams:
            call(greedy, stream, name="big-1000000")
        greedy.read_until(lambda: len(greedy.ended) == 36)
        assert all(greedy.grpc_status(stream) == 8 for stream in greedy.ended), greedy
        wait_for(server, "proximadb_http_answers_used_bytes", 4_000_000)
        with Connection(server) as other:
            call(other, 1, INSERT)
            expect_echo(other, 1)
            call(other, 3, name="big-500000")
            other.wait_for_end(3)
            assert other.grpc_status(3) == 8
        for stream in set(streams) - greedy.ended:
            greedy.send(frame(wire.RST_STREAM, 0, stream, struct.pack(">I", wire.CANCEL)))
        wait_for(server, "proximadb_http_answers_used_bytes", 0)
    expect_alive(server)


def test_http2__ends_who_ignores_its_windows(server):
    with Connection(server) as connection:
        connection.request(1, grpc_fields(INSERT))
        for _ in range(5):
            connection.send(frame(wire.DATA, 0, 1, bytes(16384)))
        connection.read_until(lambda: 1 in connection.resets or connection.goaway or 1 in connection.ended)
    expect_alive(server)


def test_http2__limits_concurrent_streams(server):
    with Connection(server) as connection:
        for i in range(256):
            call(connection, 2 * i + 1, name="never")
        wait_for(server, "fake_live", 257)
        assert not connection.resets and not connection.goaway
        call(connection, 513, name="never")     # nghttp2 makes this the connection's end
        connection.read_to_end()
        assert connection.goaway == (511, wire.PROTOCOL_ERROR)
    wait_for(server, "fake_live", 1)


def test_http2__refuses_large_headers(server):
    with Connection(server) as connection:
        block = wire.header_block(grpc_fields(SEARCH, ("x-large", "x" * 40_000)))
        connection.send(frame(wire.HEADERS, 0, 1, block[:16000]) + frame(wire.CONTINUATION, 0, 1, block[16000:32000])
                        + frame(wire.CONTINUATION, wire.END_HEADERS, 1, block[32000:]))
        connection.wait_for_end(1)
        assert connection.headers[1][0][":status"] == "431"
        call(connection, 3)
        expect_echo(connection, 3)


def test_http2__ends_a_header_bomb(server):
    """A field of 4,000 bytes in HPACK's table, and then a byte for each time that it is sent again."""
    field = b"\x40" + bytes([1]) + b"x" + b"\x7f\xa1\x1e" + b"y" * 4000
    block = wire.header_block(grpc_fields(SEARCH)) + field + b"\xbe" * 10_000
    with Connection(server) as connection:
        connection.send(frame(wire.HEADERS, wire.END_HEADERS, 1, block[:16384]))
        connection.read_until(lambda: 1 in connection.headers or 1 in connection.resets or connection.goaway)
    expect_alive(server)


# ---- floods --------------------------------------------------------------------------------------------------------------

def flood(server, piece, count=20_000, setup=b""):
    """Sends the same bytes until the server has had enough."""
    with Connection(server) as connection:
        connection.send(setup)
        for _ in range(count // 100):
            connection.send(piece * 100)
            if connection.is_closed:
                break
        connection.read_to_end()
        return connection


def test_http2__ends_a_flood_of_continuations(server):
    start = frame(wire.HEADERS, 0, 1, wire.header_block(grpc_fields(SEARCH)))
    flood(server, frame(wire.CONTINUATION, 0, 1), setup=start)
    expect_alive(server)


def test_http2__ends_a_flood_of_pings(server):
    flood(server, frame(wire.PING, 0, 0, b"12345678"))
    expect_alive(server)


def test_http2__ends_a_flood_of_settings(server):
    flood(server, frame(wire.SETTINGS))
    expect_alive(server)


def test_http2__ends_a_flood_of_empty_frames(server):
    start = frame(wire.HEADERS, wire.END_HEADERS, 1, wire.header_block(grpc_fields(SEARCH)))
    flood(server, frame(wire.DATA, 0, 1), setup=start)
    expect_alive(server)


def test_http2__ends_rapid_resets(server):
    """Streams that are opened and reset at once: the work that they start is stopped, and the connection ends."""
    block = wire.header_block(grpc_fields(SEARCH))
    message = grpc_message(rows_request("never", b""))
    with Connection(server) as connection:
        for i in range(10_000):
            stream = 2 * i + 1
            connection.send(frame(wire.HEADERS, wire.END_HEADERS, stream, block)
                            + frame(wire.DATA, wire.END_STREAM, stream, message)
                            + frame(wire.RST_STREAM, 0, stream, struct.pack(">I", wire.CANCEL)))
            if connection.is_closed:
                break
        connection.read_to_end()
    wait_for(server, "fake_live", 1)
    expect_alive(server)


def test_http2__lets_a_client_reset_in_moderation(server):
    with Connection(server) as connection:
        for i in range(500):
            stream = 2 * i + 1
            call(connection, stream, name="slow-2000")
            connection.send(frame(wire.RST_STREAM, 0, stream, struct.pack(">I", wire.CANCEL)))
        call(connection, 1001)
        connection.wait_for_end(1001)
    wait_for(server, "fake_live", 1)


def test_http2__ends_who_does_not_read(start_server):
    """A client that asks and asks and never takes an answer."""
    server = start_server("--send-timeout-ms", 1000)
    with Connection(server) as connection:
        connection.send(frame(wire.SETTINGS, 0, 0, struct.pack(">HI", 4, (1 << 31) - 1))
                        + frame(wire.WINDOW_UPDATE, 0, 0, struct.pack(">I", (1 << 31) - 1 - wire.INITIAL_WINDOW)))
        for i in range(50):
            call(connection, 2 * i + 1, name="big-5000000")
        time.sleep(4)
        wait_for(server, "proximadb_http_connections", 1)
    expect_alive(server)


def test_http2__ends_a_stream_whose_window_is_never_opened(start_server):
    server = start_server("--send-timeout-ms", 1000)
    with Connection(server) as connection:
        call(connection, 1, name="big-1000000")
        connection.read_until(lambda: 1 in connection.resets)
        assert not connection.is_closed


# ---- slowness ------------------------------------------------------------------------------------------------------------

def test_http2__ends_who_says_nothing(start_server):
    server = start_server("--header-timeout-ms", 500)
    with Connection(server, greet=False) as connection:
        connection.read_to_end()
    with Connection(server, greet=False) as connection:
        connection.send(b"PR")
        connection.read_to_end()


def test_http2__ends_headers_that_do_not_end(start_server):
    server = start_server("--header-timeout-ms", 500)
    with Connection(server) as connection:
        connection.send(frame(wire.HEADERS, 0, 1, wire.header_block(grpc_fields(SEARCH))))
        connection.read_to_end()


def test_http2__serves_others_beside_many_slow_ones(start_server):
    """Hundreds of connections that begin a request and never end it cost the others nothing, and are ended."""
    server = start_server("--header-timeout-ms", 2000)
    slow = [Connection(server) for _ in range(300)]
    for connection in slow:
        connection.send(frame(wire.HEADERS, 0, 1, wire.header_block(grpc_fields(SEARCH))))
    with Connection(server) as other:
        for i in range(20):
            call(other, 2 * i + 1)
            expect_echo(other, 2 * i + 1)
    for connection in slow:
        connection.read_to_end()
        connection.socket.close()
    expect_alive(server)


def test_http2__gives_slow_bodies_up_and_their_memory_back(start_server):
    server = start_server("--body-timeout-ms", 500)
    with Connection(server) as connection:
        connection.request(1, grpc_fields(INSERT))
        connection.send(frame(wire.DATA, 0, 1, struct.pack(">BI", 0, 10_000) + b"x"))
        wait_for(server, "proximadb_http_budget_used_bytes", 10_000)
        connection.read_until(lambda: 1 in connection.resets)
        wait_for(server, "proximadb_http_budget_used_bytes", 0)
        call(connection, 3)
        expect_echo(connection, 3)


def test_http2__lets_idle_connections_go(start_server):
    server = start_server("--idle-timeout-ms", 500)
    with Connection(server) as connection:
        call(connection, 1)
        expect_echo(connection, 1)
        connection.read_until(lambda: connection.goaway is not None)
        assert connection.goaway[1] == wire.NO_ERROR
        connection.read_to_end()    # the ping that should follow is never answered


def test_http2__limits_connections(start_server):
    server = start_server("--connection-count", 5)
    held = [Connection(server) for _ in range(5)]
    for i, connection in enumerate(held):
        call(connection, 1)
        expect_echo(connection, 1)
    with Connection(server) as refused:
        refused.read_to_end()
    held[0].socket.close()
    for _ in range(100):
        with Connection(server) as connection:
            call(connection, 1)
            try:
                expect_echo(connection, 1)
                break
            except AssertionError:
                time.sleep(0.02)
    else:
        raise AssertionError("there is no place for a connection where one has left")
    for connection in held:
        connection.socket.close()


# ---- nonsense ------------------------------------------------------------------------------------------------------------

def test_http2__ends_on_tls(server):
    with Connection(server, greet=False) as connection:
        connection.send(bytes.fromhex("16030100c8010000c40303") + os.urandom(200))
        connection.read_to_end()
    expect_alive(server)


def test_http2__survives_random_frames(server):
    seed = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
    print("PX_TEST_SEED", seed)
    chance = random.Random(seed)
    for _ in range(150):
        with Connection(server) as connection:
            for _ in range(chance.randrange(1, 40)):
                choice = chance.random()
                stream = chance.choice([0, 1, 1, 3, 5, chance.randrange(1 << 31)])
                if choice < 0.3:
                    connection.send(frame(wire.HEADERS, chance.choice([0, 4, 5, 0x25]), stream,
                                          wire.header_block(grpc_fields(SEARCH))))
                elif choice < 0.6:
                    body = grpc_message(rows_request("docs", b"x" * chance.randrange(100)))
                    connection.send(frame(wire.DATA, chance.choice([0, 1, 8, 9]), stream, body[:chance.randrange(len(body) + 1)]))
                elif choice < 0.9:
                    connection.send(frame(chance.randrange(12), chance.randrange(256), stream,
                                          chance.randbytes(chance.randrange(30))))
                else:
                    connection.send(chance.randbytes(chance.randrange(50)))
    expect_alive(server)


def test_http2__survives_connections_cut_anywhere(server):
    message = grpc_message(rows_request("docs", b"x" * 30_000))
    data = (wire.GREETING + frame(wire.SETTINGS) + frame(wire.SETTINGS, wire.ACK)
            + frame(wire.HEADERS, wire.END_HEADERS, 1, wire.header_block(grpc_fields(INSERT)))
            + frame(wire.DATA, wire.END_STREAM, 1, message[:16000]) + frame(wire.DATA, wire.END_STREAM, 1, message[16000:]))
    for cut in [*range(0, 300, 7), *range(300, len(data), 1999)]:
        with Connection(server, greet=False) as connection:
            connection.send(data[:cut])
    expect_alive(server)

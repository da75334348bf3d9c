"""HTTP/2 by hand: frames as bytes, for what a proper client does not send. Headers are HPACK-encoded without compression."""
import socket
import struct
import time

import hpack

GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, REFUSED_STREAM, CANCEL = 0, 1, 2, 3, 7, 8
ENHANCE_YOUR_CALM = 11
INITIAL_WINDOW = 65535


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header_block(fields):
    """Literals without indexing and without Huffman coding."""
    def text(value):
        value = value.encode() if isinstance(value, str) else value
        size = len(value)
        if size < 127:
            return bytes([size]) + value
        size, out = size - 127, [127]
        while size >= 128:
            out.append(size % 128 + 128)
            size //= 128
        return bytes([*out, size]) + value
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


def grpc_fields(path, *more):
    return [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"),
            ("content-type", "application/grpc"), ("te", "trailers"), *more]


def grpc_message(payload, flag=0):
    return struct.pack(">BI", flag, len(payload)) + payload


def proto_field(number, value):
    """A bytes field of a protobuf message."""
    size, out = len(value), []
    while size >= 128:
        out.append(size % 128 + 128)
        size //= 128
    return bytes([number << 3 | 2, *out, size]) + value


def rows_request(collection, payload):
    return proto_field(1, collection.encode()) + proto_field(2, payload)


class Connection:
    """A client that says what it is told to, and takes down what comes back."""

    def __init__(self, server, greet=True, timeout=10):
        self.socket = socket.create_connection((server.host, server.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.decoder = hpack.Decoder()
        self.headers = {}       # stream -> list of blocks, each a dict
        self.data = {}          # stream -> bytes
        self.ended = set()      # streams with END_STREAM
        self.resets = {}        # stream -> error code
        self.windows = {}       # stream -> bytes granted by WINDOW_UPDATE
        self.goaway = None      # (last stream, error code)
        self.pongs = []
        self.is_closed = False
        if greet:
            self.send(GREETING + frame(SETTINGS) + frame(SETTINGS, ACK))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.is_closed = True

    def request(self, stream, fields, flags=END_HEADERS):
        self.send(frame(HEADERS, flags, stream, header_block(fields)))

    def _take(self, kind, flags, stream, payload):
        if kind == DATA:
            self.data.setdefault(stream, bytearray()).extend(payload)
        elif kind == HEADERS:
            self.headers.setdefault(stream, []).append(dict(self.decoder.decode(payload)))
        elif kind == RST_STREAM:
            self.resets[stream] = struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">II", payload[:8])
        elif kind == PING and flags & ACK:
            self.pongs.append(payload)
        elif kind == WINDOW_UPDATE:
            self.windows[stream] = self.windows.get(stream, 0) + struct.unpack(">I", payload)[0]
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.ended.add(stream)

    def _parse(self):
        while len(self.pending) >= 9:
            size = int.from_bytes(self.pending[:3], "big")
            if len(self.pending) < 9 + size:
                return
            kind, flags = self.pending[3], self.pending[4]
            stream = int.from_bytes(self.pending[5:9], "big")
            payload, self.pending = self.pending[9:9 + size], self.pending[9 + size:]
            self._take(kind, flags, stream, payload)

    def __str__(self):
        data = {stream: len(data) for stream, data in self.data.items()}
        return (f"headers {self.headers}, data {data}, ended {self.ended}, resets {self.resets}, windows {self.windows}, "
                f"goaway {self.goaway}, pongs {len(self.pongs)}")

    def read_until(self, condition, seconds=10):
        """Reads until condition() is true; an assertion fails when it is not in time."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"not in time: {self}"
            if self.is_closed:
                raise AssertionError(f"the server closed the connection: {self}")
            self.socket.settimeout(left)
            try:
                got = self.socket.recv(65536)
            except TimeoutError:
                continue
            except ConnectionResetError:
                got = b""
            self.is_closed = self.is_closed or got == b""
            self.pending += got
            self._parse()

    def read_to_end(self, seconds=10):
        """Reads until the server closes the connection."""
        try:
            self.read_until(lambda: False, seconds)
        except AssertionError:
            assert self.is_closed, f"the server did not close the connection: {self}"

    def wait_for_end(self, stream, seconds=10):
        self.read_until(lambda: stream in self.ended or stream in self.resets, seconds)

    def grpc_status(self, stream):
        return int(self.headers[stream][-1]["grpc-status"])

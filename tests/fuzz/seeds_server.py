#!/usr/bin/env python3
"""Writes the seeds of fuzz_h1, fuzz_h2 and fuzz_grpc_frames into tests/fuzz/corpus: small inputs that reach each behaviour.

    tests/fuzz/seeds_server.py
"""
import gzip
import struct
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"

GET = b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nhello, world"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;e=1\r\nhello\r\n3\r\n, w\r\n0\r\nT: x\r\n\r\n"
CONTINUE = b"POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"
OLD = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET http://x/y HTTP/1.0\r\n\r\n"
BEHAVIOURS = 6


def write(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def h1():
    requests = {"get": GET * 2, "post": POST + GET, "chunked": CHUNKED + POST, "continue": CONTINUE + GET, "old": OLD}
    for behaviour in range(BEHAVIOURS):
        for i, (name, data) in enumerate(requests.items()):
            pieces = (0, 3, 11)[(behaviour + i) % 3]    # pieces of 1, 8 and 2,048 bytes
            write("fuzz_h1", f"{name}_{behaviour}", bytes([behaviour + BEHAVIOURS * pieces]) + data)
    write("fuzz_h1", "large_header", bytes([66]) + b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 900)


def h2():
    headers, even, data, padded, control, raw = range(6)
    end_headers, end_all = 4, 5
    write("fuzz_h2", "request", bytes([headers, end_all, 1, even, end_all, 3]))
    write("fuzz_h2", "upload", bytes([even, end_headers, 1, data, 100, 1, data + 6, 60, 1]))
    write("fuzz_h2", "upload_in_halves", bytes([even, end_headers, 1, data + 126, 150, 1, data + 126 + 6, 1, 1]))
    write("fuzz_h2", "padded", bytes([even, end_headers, 1, padded, 40, 1, padded + 6, 2, 1]))
    write("fuzz_h2", "reset", bytes([even, end_headers, 1, data, 9, 1, control, 0, 1, headers, end_all, 3]))
    write("fuzz_h2", "control", bytes([control, 3, 0, control, 5, 1]))
    write("fuzz_h2", "raw", bytes([raw, 0, 0, raw, 1, 2, headers, end_all, 1]))
    write("fuzz_h2", "over_the_window", bytes([even, end_headers, 1]) + bytes([data, 255, 1]) * 4)


def message(payload, flag=0):
    return struct.pack(">BI", flag, len(payload)) + payload


def grpc_frames():
    row = b"\x0a\x04docs\x12\x0aavro bytes\x18\x01"
    create = b"\x0a\x04docs\x10\x80\x03\x1a\x02l2\x32\x0d\x0a\x05price\x12\x04long"
    ask = b"\x0a\x04host\x22\x16proximadb.v1.ProximaDB"
    for method in range(18):
        for name, payload in (("row", row), ("create", create), ("ask", ask), ("empty", b"")):
            if name == "row" or method in (8, 9, 16, 17):
                write("fuzz_grpc_frames", f"{name}_{method}", bytes([2 * method, 255]) + message(payload))
    packed = gzip.compress(row, mtime=0)
    write("fuzz_grpc_frames", "gzip", bytes([1, 255]) + message(packed, 1))
    write("fuzz_grpc_frames", "gzip_bomb", bytes([1, 255]) + message(gzip.compress(bytes(100_000), mtime=0), 1))
    write("fuzz_grpc_frames", "byte_by_byte", bytes([0, 0]) + message(row))
    write("fuzz_grpc_frames", "two_messages", bytes([0, 9]) + message(row) * 2)
    write("fuzz_grpc_frames", "stream", bytes([32, 9]) + message(ask) * 3)
    write("fuzz_grpc_frames", "too_large", bytes([0, 255]) + struct.pack(">BI", 0, 1 << 30))
    write("fuzz_grpc_frames", "cut", bytes([0, 255]) + message(row)[:9])


if __name__ == "__main__":
    h1()
    h2()
    grpc_frames()

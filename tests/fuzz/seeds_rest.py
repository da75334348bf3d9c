#!/usr/bin/env python3
"""Writes the seeds of fuzz_rest into tests/fuzz/corpus: the examples of docs/openapi.json, and small faults.

    tests/fuzz/seeds_rest.py

Routes are numbered as in src/rest/rest_router.c, from which they are read.
"""
import gzip
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/fuzz/corpus/fuzz_rest"
WHOLE, BYTEWISE = 15 << 3, 0        # pieces of 32 KiB, and of a byte
GZIP, INSERT, UPSERT, UPDATE = 1, 1 << 1, 2 << 1, 3 << 1


def routes():
    """(method, path) of each, in the router's order."""
    text = (ROOT / "src/rest/rest_router.c").read_text()
    return re.findall(r'\.method = "(\w+)",\s+\.path = "([^"]+)"', text)


def write(name, route, flags, data):
    CORPUS.mkdir(parents=True, exist_ok=True)
    (CORPUS / name).write_bytes(bytes([ROUTES.index(route), flags]) + data)


def short(route):
    return route[0].lower() + "_" + (route[1].split("/")[-1].strip("{}").split(".")[0])


def examples():
    document = json.loads((ROOT / "docs/openapi.json").read_text())
    for route in ROUTES:
        operation = document["paths"][route[1]][route[0].lower()]
        body = operation.get("requestBody")
        if body is None:
            write(short(route), route, WHOLE, b"timeout_ms=5000")
            continue
        for name, example in body["content"]["application/json"]["examples"].items():
            text = json.dumps(example["value"]).encode()
            write(f"{short(route)}_{name}", route, WHOLE, text)
        write(f"{short(route)}_gzip", route, WHOLE | GZIP, gzip.compress(text, mtime=0))
        write(f"{short(route)}_bytewise", route, BYTEWISE, text)


def faults():
    rows, search = ("POST", "/v1/collections/{name}/vectors"), ("POST", "/v1/collections/{name}/search")
    count = ("GET", "/v1/collections/{name}/count")
    update = b'{"records": [{"id": "a", "document": null, "metadata": {"k": null}, "expected_version": 1}]}'
    write("update", rows, WHOLE | UPDATE, update)
    write("upsert", rows, WHOLE | UPSERT, b'{"records":[{"id":"a","vector":[1,2],"metadata":{"t":["x"],"d":1.5,"b":true}}]}')
    write("insert_twice", rows, WHOLE | INSERT, b'{"records":[{"id":"a","id":"a"}]}')
    write("rows_cut", rows, WHOLE, b'{"records":[{"id":"a","vector":[1')
    write("rows_nan", rows, WHOLE, b'{"records":[{"id":"a","vector":[NaN,Infinity]}]}')
    write("rows_numbers", rows, WHOLE, b'{"records":[{"id":"a","vector":[1e400,-0,18446744073709551616,1e-400]}]}')
    write("rows_deep", rows, WHOLE, b'{"records":[' + b"[" * 70 + b"]}")
    write("rows_strings", rows, WHOLE, b'{"records":["\\\\",{"\\"":"}]"},"\\u00e9\xff"]}')
    write("rows_base64", rows, WHOLE, b'{"records":[{"id":"a","vector_base64":"AACAPw=="},{"id":"b","vector_base64":"A==="}]}')
    write("search_k", search, WHOLE, b'{"vector":[1],"k":18446744073709551615,"ef":0}')
    write("search_unknown", search, WHOLE, b'{"vectors":[[1],[1,2]],"\\u0000":1}')
    write("count_query", count, WHOLE, b"filter=year+%3E+$y&params=%7B%22y%22:1%7D")
    write("count_twice", count, WHOLE, b"filter=a&filter=b")
    write("count_escape", count, WHOLE, b"filter=%f&x=%zz")
    write("gzip_bomb", rows, WHOLE | GZIP, gzip.compress(bytes(1 << 20), mtime=0))
    write("gzip_damaged", rows, WHOLE | GZIP, gzip.compress(update, mtime=0)[:-1])


if __name__ == "__main__":
    ROUTES = routes()
    examples()
    faults()

"""Goal: the tables of docs/format/grpc.md name every status and every metric, and say of them what the code does.
Method: the tables against include/proximadb.h, the mappings in src/rpc and src/rest, and what a running server prints.
"""
import re
import urllib.request

import numpy as np
from conftest import ROOT

from proximadb import ProximaDBClient

DOCUMENT = (ROOT / "docs/format/grpc.md").read_text()


def rows(heading):
    """The cells of the first table below a heading, without its head."""
    lines = DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0].splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return table[2:]


def found(pattern, file):
    return re.findall(pattern, (ROOT / file).read_text(), re.M)


def test_statuses__are_those_of_the_header_with_their_numbers():
    declared = {name: number for name, number in found(r"^    PROXIMADB_(\w+) = (\d+)", "include/proximadb.h")
                if name != "STATUS_COUNT"}
    header = (ROOT / "include/proximadb.h").read_text()
    status = header.split("enum proximadb_status {")[1].split("}")[0]
    declared = {name: number for name, number in declared.items() if f"PROXIMADB_{name} = " in status}
    assert len(declared) == 23
    assert {row[0]: row[1] for row in rows("Status codes")} == declared


def test_statuses__have_the_codes_of_grpc_and_http():
    grpc = dict(found(r"\[PROXIMADB_(\w+)\] = PX_GRPC_(\w+)", "src/rpc/grpc_status.c"))
    http = dict(found(r"\[PROXIMADB_(\w+)\] = \{(\d+)", "src/rest/rest_problem.c"))
    assert {row[0]: row[2] for row in rows("Status codes")} == grpc
    assert {row[0]: row[3] for row in rows("Status codes")} == http


def test_methods__are_those_of_the_contract():
    declared = set(found(r"^  rpc (\w+)\(", "proto/proximadb/v1/proximadb.proto"))
    told = {name for row in rows("Methods") for name in re.findall(r"\b([A-Z]\w+)", re.split(", (?:mode|type)", row[0])[0])}
    assert told == declared


def test_metrics__are_those_that_a_server_prints(server):
    with ProximaDBClient(server.address) as client:
        client.create_collection("docs", dimension=2)
        client.insert("docs", np.ones((3, 2), np.float32))
    urllib.request.urlopen(f"http://{server.address}/v1/collections").read()
    text = urllib.request.urlopen(f"http://{server.address}/metrics").read().decode()
    printed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    told = {name: row[1] for row in rows("Metrics") for name in re.findall(r"`(\w+)`", row[0])}
    assert told == printed
    for row in rows("Metrics"):
        for name in re.findall(r"`(\w+)`", row[0]):
            labels = set(re.findall(r"(\w+)=\"", re.search(rf"^{name}(.*) \d+$", text, re.M)[1]))
            assert labels == set(re.findall(r"\w+", row[2].split(":")[0])), name

"""Goal: the bytes that docs/format shows are those that the formats have.
Method: the examples are put together as files and read by fastavro and by hand; checksums are computed here.
"""
import base64
import io
import json
import re
import struct

from conftest import ROOT, blocks

import fastavro

SCHEMA = (ROOT / "schemas/proximadb.v1.WalEntry.avsc").read_bytes()


def crc32c(data):
    """CRC-32C bit by bit, by its definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def lines_of_bytes(block):
    """(offset, bytes) of each line."""
    for line in block.splitlines():
        offset, digits = line.split("#")[0].split(maxsplit=1)
        yield int(offset, 16), bytes.fromhex(digits.replace(" ", ""))


def wal_file():
    """The file of docs/format/wal.md; what no line shows is the schema, and then zeros."""
    lines = list(lines_of_bytes(blocks("docs/format/wal.md", "hex")[0]))
    content = bytearray(lines[-1][0] + len(lines[-1][1]))
    shown = 0
    for offset, some in lines:
        assert offset >= shown, hex(offset)
        content[offset:offset + len(some)] = some
        if offset > shown and shown < 0x1000:
            assert offset - shown == len(SCHEMA)
            content[shown:offset] = SCHEMA
        else:
            assert offset == shown or offset == lines[-1][0], hex(offset)
        shown = offset + len(some)
    return bytes(content)


def test_wal__the_file_is_one_that_fastavro_reads():
    reader = fastavro.reader(io.BytesIO(wal_file()))
    entries = list(reader)
    assert len(wal_file()) == 65536
    assert reader.metadata["proximadb.collection"] == "tiny"
    assert json.loads(reader.metadata["avro.schema"]) == json.loads(SCHEMA)
    assert [(entry["lsn"], entry["row_count"], entry["operation"]) for entry in entries] == [(1, 1, "INSERT")]
    assert entries[0]["batch"]["records"] == [
        {"id": "a1", "vector": [0.5, -1.0], "metadata": {"price": 9.5}, "document": "text", "timestamp_ms": None,
         "expires_at_ms": None}]


def test_wal__the_entry_has_the_checksum_and_the_batch_that_it_says():
    file, payload = wal_file(), blocks("docs/format/avro.md", "hex")[0]
    batch = bytes.fromhex("".join(line.split("#")[0] for line in payload.splitlines()).replace(" ", ""))[10:]
    begin, end = 0x1EC1, 0x1F1C
    assert struct.unpack_from("<I", file, end)[0] == crc32c(file[begin:end])
    assert file[end - len(batch):end] == batch


def test_manifest__the_text_has_its_checksum_and_its_outcome():
    text = blocks("docs/format/viper.md", "json")[0]
    body, digits = re.fullmatch(r'(.*),\n  "crc32c": "([0-9a-f]{8})"\n}\n', text, re.S).groups()
    assert f"{crc32c(body.encode()):08x}" == digits
    outcomes = base64.b64decode(json.loads(text)["request_ids"])
    assert struct.unpack("<16xqIIq", outcomes) == (1, 1000, 0, 1000)

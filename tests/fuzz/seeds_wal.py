#!/usr/bin/env python3
"""seeds_wal: writes the seeds of fuzz_wal: log folders of one and two files, whole, torn, damaged and misnamed."""
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests/fuzz/corpus/fuzz_wal"
REPAIR, FIRST_FAILED, SECOND_FAILED = 1, 2, 4
FIRST_NAME = "2024-01-15_12-00-00.wal"
SYNC = b"0123456789abcdef"
COLLECTION_ID = "01020300-0000-0000-0000-000000000000"


def crc32c(data):
    value = 0xffffffff
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return value ^ 0xffffffff


def varint(number):
    number = number << 1 ^ number >> 63
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return varint(len(value)) + value


def header(first_lsn=1, previous=("", 0), schema='"null"', **changed):
    """The schema is not read at recovery; a short one keeps the fuzzer at what is."""
    fields = {"avro.schema": schema, "avro.codec": "null", "proximadb.format_version": "1", "proximadb.collection": "docs",
              "proximadb.collection_id": COLLECTION_ID, "proximadb.first_lsn": str(first_lsn),
              "proximadb.previous_file": previous[0], "proximadb.previous_end": str(previous[1])}
    fields.update({f"proximadb.{key}": value for key, value in changed.items()})
    return b"Obj\x01" + varint(len(fields)) + b"".join(text(key) + text(value) for key, value in fields.items()) + b"\0" + SYNC


def entry(lsn, rows=1, batch=b"batch", operation=0, branch=0):
    body = (varint(lsn) + varint(rows) + varint(1705320000000) + varint(operation) + bytes(16) + b"\x11" * 8
            + varint(len(batch)) + varint(branch) + batch)
    return body + crc32c(body).to_bytes(4, "little")


def block(*entries):
    data = b"".join(entries)
    return varint(len(entries)) + varint(len(data)) + data + SYNC


def padding(size):
    return b"\0" + bytes([(2 * size >> shift) & 127 | 128 for shift in (0, 7, 14, 21)]) + b"\0" + bytes(size) + SYNC


def folder(first, second=b"", flags=0, flushed_lsn=0):
    return bytes([flags, flushed_lsn]) + len(first).to_bytes(3, "little") + first + second


ONE = header() + block(entry(1)) + block(entry(2, 3, b"", 1), entry(5, 2, b"x" * 40, 3, 2))
TWO = header(7, (FIRST_NAME, len(ONE))) + block(entry(7)) + block(entry(8, 1, b"y", 2, 1))
WRONG = bytearray(ONE)
WRONG[len(header()) + 8] ^= 1
LAST = block(entry(5, 2, b"x" * 40))

SEEDS = {
    "nothing": folder(b""),
    "header_only": folder(header()),
    "one": folder(ONE),
    "one_real_schema": folder(header(schema=(ROOT / "schemas/proximadb.v1.WalEntry.avsc").read_text()) + block(entry(1))),
    "one_padded": folder(ONE + padding(300)),
    "one_in_front_of_padding": folder(header() + padding(40) + block(entry(1))),
    "one_torn": folder(ONE[:-30]),
    "one_torn_zeros": folder(ONE + block(entry(7))[:20] + bytes(100)),
    "one_damaged": folder(bytes(WRONG)),
    "one_repaired": folder(bytes(WRONG), flags=REPAIR),
    "one_flushed": folder(ONE, flushed_lsn=4),
    "one_all_flushed": folder(ONE, flushed_lsn=9),
    "one_failed_sync": folder(ONE + b"torn", flags=FIRST_FAILED),
    "one_gap": folder(header() + block(entry(1)) + block(entry(3))),
    "one_begins_late": folder(header(5) + block(entry(5))),
    "one_of_another": folder(header(collection_id="ff" + COLLECTION_ID[2:]) + block(entry(1))),
    "one_newer": folder(header(format_version="2") + block(entry(1))),
    "one_bad_number": folder(header(first_lsn="99999999999999999999") + block(entry(1))),
    "one_high_lsn": folder(header() + block(entry(1, 0xffffffff)) + block(entry(0x100000000)), flags=REPAIR),
    "two": folder(ONE, TWO),
    "two_padded": folder(ONE + padding(200), TWO + padding(200)),
    "two_first_torn": folder(ONE[:-1], TWO),
    "two_second_torn": folder(ONE, TWO[:-1]),
    "two_tail_behind_the_end": folder(ONE + LAST, TWO),
    "two_end_in_a_block": folder(ONE, header(7, (FIRST_NAME, len(ONE) - 10)) + block(entry(7))),
    "two_end_in_the_header": folder(ONE, header(7, (FIRST_NAME, 3)) + block(entry(7))),
    "two_gap": folder(ONE, header(9, (FIRST_NAME, len(ONE))) + block(entry(9))),
    "two_overlap": folder(ONE, header(5, (FIRST_NAME, len(ONE))) + block(entry(5))),
    "two_same_lsn": folder(header(), ONE),
    "two_swapped": folder(TWO, ONE),
    "two_first_flushed": folder(ONE, TWO, flushed_lsn=7),
    "two_failed_syncs": folder(ONE, TWO, flags=FIRST_FAILED | SECOND_FAILED | REPAIR),
    "two_second_without_entries": folder(ONE, header(7, (FIRST_NAME, len(ONE)))),
    "two_first_without_header": folder(b"Obj", TWO),
}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, data in SEEDS.items():
    (FOLDER / name).write_bytes(data)

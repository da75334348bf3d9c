#!/usr/bin/env python3
"""seeds_container: writes the seeds of fuzz_container: small Avro object container files, whole and damaged."""
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "corpus/fuzz_container"
MAGIC = b"Obj\x01"
SYNC = b"0123456789abcdef"


def string(text):
    return bytes([2 * len(text)]) + text


SCHEMA = string(b"avro.schema") + string(b'"int"')
CODEC = string(b"avro.codec") + string(b"null")
DEFLATE = string(b"avro.codec") + string(b"deflate")
HEADER = MAGIC + b"\x04" + CODEC + SCHEMA + b"\x00" + SYNC
BLOCK = b"\x04\x04\x02\x04" + SYNC                  # two objects: 1, 2
PADDING = b"\x00\x88\x80\x80\x80\x00" + bytes(4) + SYNC    # no objects, a padded size, zeros

SEEDS = {
    "empty": HEADER,
    "blocks": HEADER + BLOCK + BLOCK,
    "padding": HEADER + BLOCK + PADDING,
    "metadata_in_blocks": MAGIC + b"\x02" + CODEC + b"\x01" + bytes([2 * len(SCHEMA)]) + SCHEMA + b"\x00" + SYNC,
    "record": MAGIC + b"\x02" + string(b"avro.schema") + string(
        b'{"type":"record","name":"a.R","fields":[]}') + b"\x00" + SYNC,
    "compressed": MAGIC + b"\x04" + DEFLATE + SCHEMA + b"\x00" + SYNC,
    "no_schema": MAGIC + b"\x02" + CODEC + b"\x00" + SYNC,
    "cut": (HEADER + BLOCK)[:-3],
    "wrong_sync": HEADER + BLOCK[:-1] + b"!",
}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, data in SEEDS.items():
    (FOLDER / name).write_bytes(data)

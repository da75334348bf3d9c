#!/usr/bin/env python3
"""seeds_metadata: writes the binary seeds of fuzz_metadata: Avro maps in forms that JSON does not reach."""
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "corpus/fuzz_metadata"
SEEDS = {
    "empty": "00",
    "two_blocks": "02 0261 00  02 0262 0404  00",                   # {a: null} {b: 2}
    "with_sizes": "01 06 0261 00  01 08 0262 0404  00",
    "array_in_blocks": "02 0261 0a 02 0278 01 04 0279  00 00",      # a: [x] [y]
    "false_size": "01 10 0261 00  00",
    "double": "02 0264 06 000000000000f83f 00",                     # d: 1.5
    "not_finite": "02 0264 06 000000000000f07f 00",
    "twice": "04 0261 00 0261 00 00",
    "cut": "04 0261 08 10 78",
}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, digits in SEEDS.items():
    (FOLDER / f"{name}.avro").write_bytes(bytes.fromhex(digits))

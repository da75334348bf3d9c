#!/usr/bin/env python3
"""seeds_payload: writes the seeds of fuzz_payload: the examples of docs/format/avro.md, and forms that no common
library writes. In the latter the first byte is the number of the schema (avro/schemas.h)."""
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "corpus/fuzz_payload"
ID = bytes(range(16)).hex()
VECTOR = "04 0000803f 0000003f 00"
MORE = {
    # VectorBatch: blocks with byte sizes; a map in two blocks; a long where a double field is
    "batch_sizes": f"00 {ID} 01 22 0261 03 10 0000803f 0000003f 00 00 00 00 00 00",
    "batch_map_blocks": f"00 {ID} 02 0261 {VECTOR} 02 0278 00 02 0279 0406 00 00 00 00 00",
    "batch_fitted": f"00 {ID} 02 0261 {VECTOR} 02 0264 0406 00 00 00 00 00",
    "batch_two_rows": f"00 {ID} 04 0261 {VECTOR} 00 00 0202 0202 0262 {VECTOR} 00 00 00 00 00",
    "batch_array": f"00 {ID} 02 0261 {VECTOR} 02 0274 0a 04 0278 0279 00 00 00 00 00 00",
    "update_clear": f"01 {ID} 02 0261 00 00 0400 0400 00 00",
    "update_all": f"01 {ID} 02 0261 02 {VECTOR} 02 02 0273 080278 00 02 0264 02 02 0202 00",
    "search_two": f"03 04 {VECTOR} {VECTOR} 00 02 02 0261 00 01 01 0214 0214 01",
    "results_empty": "0b 06 00 00 00 00",
    "result_hits": "0b 04 02 0261 02 000000000000f03f 000000000000f03f 00 00 00 00 00 00",
    "records_cursor": "0c 00 02 0263",
    "list_two": "10 02 0261 0262 02 046c32 06495646 0a6578616374 0a706c61696e 2e 0000000000000000 02 0278 0c646f75626c65 00"
                " 02 02 02 02 02 02 02 02 027a 00",
}

FOLDER.mkdir(parents=True, exist_ok=True)
document = (HERE.parents[1] / "docs/format/avro.md").read_text()
for section in re.split(r"\n### ", document)[1:]:
    name = section.splitlines()[0]
    digits = re.sub(r"#.*", "", re.search(r"```hex\n(.*?)```", section, re.S)[1])
    (FOLDER / name).write_bytes(bytes.fromhex(digits))
for name, digits in MORE.items():
    (FOLDER / name).write_bytes(bytes.fromhex(digits))

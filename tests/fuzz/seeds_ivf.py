#!/usr/bin/env python3
"""seeds_ivf: writes the seeds of fuzz_ivf: files of inverted indexes as docs/format/ivf.md has them, sound ones and false ones."""
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests/fuzz/corpus/fuzz_ivf"
AS_IT_IS, REPAIR = b"\0", b"\1"
BLOCK_ROWS, ALIGN, HEADER_BYTES = 32, 64, 320
COSINE, L2, DOT = 0, 1, 2
NO_ROW = 0xffffffff
NAN = float("nan")


def crc32c(data):
    value = 0xffffffff
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return value ^ 0xffffffff


def round_up(value, unit):
    return (value + unit - 1) // unit * unit


def content(index):
    """Some bytes that are no zeros, and differ from place to place."""
    return bytes(index * 37 % 251 + 1 for index in range(index))


def lay_out(lists, padded, code_count, step=0.01, first_number=0):
    """The sections of lists of so many rows each."""
    disk_lists, rows = b"", []
    block = group = row = 0
    for number, count in enumerate(lists):
        blocks = (count + BLOCK_ROWS - 1) // BLOCK_ROWS
        groups = (blocks + BLOCK_ROWS - 1) // BLOCK_ROWS
        disk_lists += struct.pack("<3f7I", step, 1, 0.5, 7 + number, row, count, block, blocks, group, groups)
        numbers = [first_number + row + i for i in range(count)]
        rows += numbers + [NO_ROW] * (blocks * BLOCK_ROWS - count)
        block, group, row = block + blocks, group + groups, row + count
    factors = struct.pack("<32f", *[0.1 * i for i in range(32)])
    code = content(code_count * 4) + factors * 2
    vector = content(padded) + struct.pack("<2f", 0.2, 0.001)
    sections = [disk_lists, content(padded) * len(lists), (content(padded * 4) + factors * 3) * group,
                struct.pack(f"<{len(rows)}I", *rows), code * block, vector * (block * BLOCK_ROWS)]
    return sections, row, block, group


def make(lists, dim_count=1, metric=L2, version=1, points=(), magic=b"PXIVF\r\n\0", header_rows=None, **changes):
    padded = round_up(dim_count, 64)
    code_count = padded if padded < 256 else round_up(padded // 2, 64)
    sections, rows, blocks, groups = lay_out(lists, padded, code_count, **changes)
    table, body, offset = b"", b"", HEADER_BYTES
    for section in sections:
        table += struct.pack("<QQII", offset, len(section), crc32c(section), 0)
        body += section + bytes(round_up(len(section), ALIGN) - len(section))
        offset = HEADER_BYTES + len(body)
    pairs = b"".join(struct.pack("<fI", *point) for point in points)
    calibration = struct.pack("<QII", rows if points else 0, len(points), 0) + pairs + bytes(64 - len(pairs))
    head = struct.pack("<8sII16sQII", magic, version, 0, bytes(range(16)), 999, 5, rows if header_rows is None else header_rows)
    head += struct.pack("<8IQ", dim_count, padded, code_count, metric, len(lists), blocks, groups, 0, offset)
    head += table + calibration + bytes(8)
    return head[:12] + struct.pack("<I", crc32c(head)) + head[16:] + body


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    seeds = {
        "l2": AS_IT_IS + make([3]),
        "cosine_two_lists": AS_IT_IS + make([3, 33], metric=COSINE, points=[(0.9, 1), (0.99, 2)]),
        "dot": AS_IT_IS + make([32], dim_count=3, metric=DOT),
        "half_the_dimensions": AS_IT_IS + make([2], dim_count=256),
        "no_rows": AS_IT_IS + make([]),
        "checksums_put_right": REPAIR + make([5], dim_count=2),
        "checksum_wrong": AS_IT_IS + make([5])[:-1] + b"\xff",
        "header_checksum_wrong": AS_IT_IS + make([5]).replace(bytes(range(16)), bytes(16)),
        "cut": AS_IT_IS + make([5])[:-64],
        "cut_in_the_header": AS_IT_IS + make([5])[:200],
        "longer": AS_IT_IS + make([5]) + bytes(64),
        "version_of_the_future": AS_IT_IS + make([5], version=2),
        "something_else": AS_IT_IS + make([5], magic=b"PAR1PAR1"),
        "steps_that_are_none": AS_IT_IS + make([5], step=NAN, metric=COSINE),
        "rows_that_are_none": AS_IT_IS + make([5], first_number=1),
        "more_rows_than_lists_have": AS_IT_IS + make([5], header_rows=6),
        "calibration_of_none": AS_IT_IS + make([5], points=[(2.0, 1)]),
    }
    for name, data in seeds.items():
        (FOLDER / name).write_bytes(data)


if __name__ == "__main__":
    main()

"""Goal: figures are what they are called: percentiles, medians, tables, memory, COPY's bytes.

Method: small inputs with results known by hand; for memory, this very process.
"""

import os
import struct

import numpy as np

from lib.calibration import Calibration
from lib.copy_format import encode_copy
from lib.procfs import MIB, Memory, Sampler, read_memory
from lib.report import Column, format_table
from lib.rows import Batch
from lib.stats import grouped, median_run, percentile, spread_ms


def test_percentile__is_a_value_that_was_measured():
    values = list(range(1, 101))
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile([3.0, 1.0], 99) == 3.0


def test_spread__is_in_ms():
    spread = {"p50_ms": 2.0, "p99_ms": 4.0, "max_ms": 4.0}
    assert spread_ms([0.001, 0.002, 0.004]) == spread


def test_median_run__takes_each_number_by_itself():
    runs = [
        {"a": 1, "b": 9.0, "s": "x"},
        {"a": 3, "b": 1.0, "s": "x"},
        {"a": 2, "b": 5.0, "s": "x"},
    ]
    assert median_run(runs) == {"a": 2, "b": 5.0, "s": "x"}


def test_grouped__keeps_the_order_of_kinds_and_runs():
    runs = [{"k": "b", "n": 1}, {"k": "a", "n": 2}, {"k": "b", "n": 3}]
    assert grouped(runs, ["k"]) == [[runs[0], runs[2]], [runs[1]]]
    assert grouped(runs, []) == [runs]


def test_table__aligns_text_left_and_numbers_right():
    columns = (Column("name", "name", "s"), Column("rate", "rows/s", ",.0f"))
    runs = [{"name": "a", "rate": 12345.6}, {"name": "long"}]
    assert format_table(columns, runs) == "name  rows/s\na     12,346\nlong       -"


def calibration(dram_gb_s, sync_p50_us):
    return Calibration(dram_gb_s, sync_p50_us, 0.0, 0.0, 0.0)


def test_calibration__ratios_grow_with_slowness():
    assert calibration(16.0, 200.0).worst_ratio == 1.0
    assert calibration(8.0, 200.0).worst_ratio == 2.0
    assert calibration(16.0, 480.0).worst_ratio == 2.0
    assert calibration(16.0, 70.0).sync_ratio == 0.5


def test_read_memory__is_zero_of_a_process_that_is_gone():
    assert read_memory(2**22 + 1) == Memory()


def test_sampler__sees_a_peak_that_has_passed():
    with Sampler(lambda: [os.getpid()]) as sampler:
        before = sampler.last.anon
        block = np.ones(64 * MIB, np.uint8)
        sampler.sample()
        del block
    assert sampler.peak.anon - before > 60 * MIB
    assert sampler.last.anon - before < 60 * MIB


def test_encode_copy__writes_each_field_with_its_length():
    batch = Batch(
        ["a"],
        np.array([[1.0, -2.0]], np.float32),
        [{"source": "s", "category": "çd", "words": 3}],
        ["text"],
    )
    row = (
        struct.pack("!h", 6)
        + struct.pack("!i1s", 1, b"a")
        + struct.pack("!ihhff", 12, 2, 0, 1.0, -2.0)
        + struct.pack("!i1s", 1, b"s")
        + struct.pack("!i3s", 3, "çd".encode())
        + struct.pack("!iq", 8, 3)
        + struct.pack("!i4s", 4, b"text")
    )
    head = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    assert encode_copy(batch) == head + row + b"\xff\xff"

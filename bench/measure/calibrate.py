"""bench/calibrate: what the machine itself can do."""

from __future__ import annotations

from argparse import Namespace

from lib.calibration import calibrate
from lib.options import Measurement, run_program
from lib.report import Column, Report

MEASUREMENT = Measurement(
    "calibrate",
    "Memory read by one thread, fdatasync of 4 KiB appends, empty gRPC call through the SDK",
    runs=5,
)
COLUMNS = (
    Column("dram_gb_s", "DRAM GB/s", ".2f"),
    Column("dram_ratio", "ratio", ".2f"),
    Column("sync_p50_us", "sync p50 us", ".1f"),
    Column("sync_p99_us", "p99 us", ".1f"),
    Column("sync_ratio", "ratio", ".2f"),
    Column("empty_call_p50_us", "call p50 us", ".1f"),
    Column("empty_call_p99_us", "p99 us", ".1f"),
)


def measure(options: Namespace) -> None:
    """All figures, some times over."""
    calibrations = [calibrate(options.folder) for _ in range(options.runs)]
    report = Report(MEASUREMENT.name, MEASUREMENT.title, options.folder, calibrations)
    report.runs(COLUMNS, [each.as_json() for each in calibrations])
    report.finish()


if __name__ == "__main__":
    run_program(MEASUREMENT, measure)

"""What the machine can do at this moment, held against the limits of a quiet one.

The limits of DRAM and fdatasync are those of one core of a quiet 2-core AVX-512 server. An absolute
target counts where a machine is within 1.3 of them; elsewhere it is scaled by the worst ratio.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lib.server import Server
from lib.stats import median_run, percentile
from lib.workspace import BenchError, program, scratch_folder

DRAM_LIMIT_GB_S = 16.0
SYNC_LIMITS_US = (140.0, 240.0)
COUNTING_RATIO = 1.3
READ_BYTES = 2 << 30
READ_ROUNDS = 5
SYNC_COUNT = 1_000
EMPTY_CALLS = 2_000
WARM_UP_CALLS = 200


@dataclass(frozen=True)
class Calibration:
    """Figures of the machine. A ratio of 1 is the limit's own; larger is slower."""

    dram_gb_s: float
    sync_p50_us: float
    sync_p99_us: float
    empty_call_p50_us: float
    empty_call_p99_us: float

    @property
    def dram_ratio(self) -> float:
        """How many times slower than the limit memory is read."""
        return DRAM_LIMIT_GB_S / self.dram_gb_s

    @property
    def sync_ratio(self) -> float:
        """How many times longer than the limits an fdatasync takes; 1 between the two."""
        low, high = SYNC_LIMITS_US
        return self.sync_p50_us / min(max(self.sync_p50_us, low), high)

    @property
    def worst_ratio(self) -> float:
        """What targets are scaled by, where it is above 1.3."""
        return max(self.dram_ratio, self.sync_ratio)

    @property
    def target_scale(self) -> float:
        """By what an absolute target of time is multiplied: 1 where targets count."""
        return self.worst_ratio if self.worst_ratio > COUNTING_RATIO else 1.0

    def line(self) -> str:
        """All of it for a report."""
        low, high = SYNC_LIMITS_US
        counts = "targets count" if self.worst_ratio <= COUNTING_RATIO else "scale targets by it"
        return (
            f"DRAM read {self.dram_gb_s:.1f} GB/s (limit {DRAM_LIMIT_GB_S:.0f}, ratio "
            f"{self.dram_ratio:.2f}); fdatasync p50 {self.sync_p50_us:.0f} us (limit {low:.0f} to "
            f"{high:.0f}, ratio {self.sync_ratio:.2f}); empty gRPC call p50 "
            f"{self.empty_call_p50_us:.0f} us; worst ratio {self.worst_ratio:.2f}: {counts}"
        )

    def as_json(self) -> dict[str, float]:
        """All of it for a file."""
        ratios = ("dram_ratio", "sync_ratio", "worst_ratio")
        return {**asdict(self), **{name: getattr(self, name) for name in ratios}}


def calibrate(folder: Path) -> Calibration:
    """Measures for some seconds; `folder` is where the device of the data is."""
    syncs_us = [ns / 1e3 for ns in _numbers("sync", str(folder), str(SYNC_COUNT))]
    calls_us = [seconds * 1e6 for seconds in _empty_calls(folder)]
    return Calibration(
        dram_gb_s=read_rate_gb_s(READ_BYTES),
        sync_p50_us=percentile(syncs_us, 50),
        sync_p99_us=percentile(syncs_us, 99),
        empty_call_p50_us=percentile(calls_us, 50),
        empty_call_p99_us=percentile(calls_us, 99),
    )


def median_of(calibrations: Sequence[Calibration]) -> Calibration:
    """The median of each figure."""
    return Calibration(**median_run([asdict(each) for each in calibrations]))


def read_rate_gb_s(size_bytes: int) -> float:
    """How fast one thread reads a buffer of that size; the median of five rounds."""
    return percentile(_numbers("read", str(size_bytes), str(READ_ROUNDS)), 50)


def _numbers(*words: str) -> list[float]:
    command: list[str | Path] = [program("bench_calibrate"), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(done.stderr.strip())
    return [float(line) for line in done.stdout.split()]


def _empty_calls(folder: Path) -> list[float]:
    """Seconds of health checks through the SDK, to a server that has nothing else to do."""
    with (
        scratch_folder(folder, "calibrate") as scratch,
        Server(scratch / "data") as server,
        server.client() as client,
    ):
        times = []
        for _ in range(WARM_UP_CALLS + EMPTY_CALLS):
            began = time.perf_counter()
            client.health()
            times.append(time.perf_counter() - began)
        return times[WARM_UP_CALLS:]

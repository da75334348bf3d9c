"""A process that burns a share of a core at the lowest priority, and nothing else.

It touches no memory to speak of, so that what it costs others is its CPU time alone. It works for
two milliseconds at a time and then sleeps as long as it takes to be back at its share.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from lib.procfs import LOWEST_PRIORITY, BackgroundCpu
from lib.workspace import ROOT

SLICE_S = 0.002
LONGEST_SLEEP_S = 0.1


class Spinner:
    """Spins while a `with` block runs; several processes for more than one core.

    >>> with Spinner(0.25) as spinner:
    ...     work()
    >>> spinner.share
    """

    def __init__(self, share: float) -> None:
        count = max(1, -(-int(share * 1000) // 1000))
        command = [sys.executable, "-m", "lib.spinner", str(share / count)]
        self._command, self._count = command, count
        self._processes: list[subprocess.Popen[bytes]] = []
        self._cpu: list[BackgroundCpu] = []

    @property
    def share(self) -> float:
        """What was burnt, of one core."""
        return sum(cpu.share for cpu in self._cpu)

    def __enter__(self) -> Spinner:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "bench")}
        for _ in range(self._count):
            process = subprocess.Popen(
                self._command, env=environment, stdout=subprocess.PIPE, cwd=Path("/")
            )
            self._processes.append(process)
            if process.stdout is not None:
                process.stdout.readline()  # it has begun
            self._cpu.append(BackgroundCpu(process.pid).__enter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for cpu, process in zip(self._cpu, self._processes, strict=True):
            cpu.__exit__(None, None, None)
            process.kill()
            process.wait()


def rest_s(cpu_s: float, took_s: float, share: float) -> float:
    """How long to sleep behind so much work in so much time; 0 if it is behind its share."""
    return min(max(0.0, cpu_s / share - took_s), LONGEST_SLEEP_S)


def spin(share: float) -> None:
    """Never returns."""
    os.nice(LOWEST_PRIORITY)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    print("spinning", flush=True)
    began, cpu_began = time.monotonic(), time.process_time()
    while True:
        until = time.process_time() + SLICE_S
        while time.process_time() < until:
            pass
        time.sleep(rest_s(time.process_time() - cpu_began, time.monotonic() - began, share))


if __name__ == "__main__":
    spin(float(sys.argv[1]))

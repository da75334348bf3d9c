"""Memory, writes and CPU time of processes, from /proc.

Sizes are those of proc(5): RssAnon is memory that only the process holds (heap, stacks, rows in
memory); RssFile is pages of mapped files, which the system may drop at any time; RSS is both and
shared memory. `write_bytes` counts what a process made the system write to the device.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

PERIOD_S = 0.02
MIB = 1 << 20
KIB = 1 << 10
LOWEST_PRIORITY = 19
TICKS_A_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Of one process, or of a group that shares memory; in bytes."""

    anon: int = 0
    file: int = 0
    shared: int = 0

    @property
    def rss(self) -> int:
        """All that is resident."""
        return self.anon + self.file + self.shared


def read_memory(pid: int) -> Memory:
    """Of one process; zeros if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return Memory()
    kib = {
        name: int(value.split()[0])
        for name, _, value in (line.partition(":") for line in lines)
        if name.startswith("Rss")
    }
    return Memory(*(kib.get(name, 0) * KIB for name in ("RssAnon", "RssFile", "RssShmem")))


def group_memory(pids: list[int]) -> Memory:
    """Of processes that map the same program and shared memory: those count once, the largest."""
    each = [read_memory(pid) for pid in pids]
    return Memory(
        anon=sum(memory.anon for memory in each),
        file=max((memory.file for memory in each), default=0),
        shared=max((memory.shared for memory in each), default=0),
    )


def read_write_bytes(pid: int) -> int:
    """What a process has made the system write to the device; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0
    counters = dict(line.split(": ") for line in lines)
    return int(counters["write_bytes"])


def with_children(pid: int) -> list[int]:
    """A process and its direct children."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return [pid]
    return [pid, *map(int, text.split())]


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, all threads of it, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_S


def background_cpu_s(pid: int) -> dict[int, float]:
    """CPU seconds of the process's threads that have the lowest priority, by thread."""
    seconds: dict[int, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            # Behind the name, which may hold anything: the state is field 3 of proc_pid_stat(5).
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        user, system, nice = fields[11], fields[12], fields[16]
        if int(nice) == LOWEST_PRIORITY:
            seconds[int(task.name)] = (int(user) + int(system)) / TICKS_A_S
    return seconds


class BackgroundCpu:
    """CPU time of a process's threads of the lowest priority while a `with` block runs.

    Threads that end keep what was last seen of them, at most 20 ms before.

        >>> with BackgroundCpu(pid) as cpu:
        ...     work()
        >>> cpu.seconds, cpu.share
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._began = self._took = 0.0

    @property
    def seconds(self) -> float:
        """CPU seconds since the block began."""
        return sum(seconds - self._before.get(task, 0.0) for task, seconds in self._last.items())

    @property
    def share(self) -> float:
        """Of one core, while the block ran."""
        return self.seconds / self._took

    def __enter__(self) -> BackgroundCpu:
        self._before = background_cpu_s(self._pid)
        self._last = dict(self._before)
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._last.update(background_cpu_s(self._pid))
        self._took = time.monotonic() - self._began

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._last.update(background_cpu_s(self._pid))


class Sampler:
    """Watches processes from a thread while a `with` block runs.

    Peaks are of samples 20 ms apart. Processes that come and go count with what was last seen.

        >>> with Sampler(lambda: [pid]) as sampler:
        ...     work()
        >>> sampler.peak.anon, sampler.written_bytes
    """

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self.peak = Memory()
        self.last = Memory()
        self._pids = pids
        self._written_before: dict[int, int] = {}
        self._written: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def written_bytes(self) -> int:
        """What the processes have written since the block began."""
        return sum(self._written.values()) - sum(self._written_before.values())

    def sample(self) -> None:
        """Looks once more, for a value at this very moment."""
        pids = self._pids()
        self.last = group_memory(pids)
        self.peak = Memory(
            *(max(getattr(self.peak, part), getattr(self.last, part)) for part in _PARTS)
        )
        for pid in pids:
            self._written[pid] = max(self._written.get(pid, 0), read_write_bytes(pid))

    def __enter__(self) -> Sampler:
        self._written_before = {pid: read_write_bytes(pid) for pid in self._pids()}
        self.sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.sample()

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self.sample()


_PARTS = ("anon", "file", "shared")

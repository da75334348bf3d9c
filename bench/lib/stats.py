"""Percentiles of times and medians of runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

Run = dict[str, Any]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    return float(np.percentile(values, percent, method="inverted_cdf"))


def spread_ms(seconds: Sequence[float], prefix: str = "") -> Run:
    """p50, p99 and the largest of some times, in ms."""
    return {
        f"{prefix}p50_ms": percentile(seconds, 50) * 1e3,
        f"{prefix}p99_ms": percentile(seconds, 99) * 1e3,
        f"{prefix}max_ms": max(seconds) * 1e3,
    }


def median_run(runs: Sequence[Run]) -> Run:
    """The median of each number of the runs; what is no number is taken from the first."""
    first = runs[0]
    return {
        name: statistics.median(run[name] for run in runs) if _is_number(value) else value
        for name, value in first.items()
    }


def grouped(runs: Sequence[Run], keys: Sequence[str]) -> list[list[Run]]:
    """Runs that are equal in `keys` together, in the order in which they first come."""
    groups: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(run[key] for key in keys), []).append(run)
    return list(groups.values())


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

"""Rates at given recalls, from passes over all queries at several efforts.

A pass has a recall and figures; between two passes the logarithm of a figure is taken to be linear
in the recall. Passes that another one beats in both recall and rate say nothing and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Pass = dict[str, Any]


def frontier(passes: Sequence[Pass]) -> list[Pass]:
    """By rising recall, each slower than the one before."""
    best: list[Pass] = []
    for each in sorted(passes, key=lambda one: (one["recall"], one["qps"]), reverse=True):
        if not best or each["qps"] > best[-1]["qps"]:
            best.append(each)
    return best[::-1]


def around(passes: Sequence[Pass], recall: float) -> tuple[Pass, Pass] | None:
    """The passes of a frontier between which the recall lies; None if none reaches it.

    A recall below the first pass has that pass twice: no effort is less.
    """
    for index, each in enumerate(passes):
        if each["recall"] >= recall:
            return passes[max(0, index - 1)], each
    return None


def at_recall(passes: Sequence[Pass], recall: float, figure: str) -> float | None:
    """A figure of a frontier at a recall; None if no pass reaches it."""
    pair = around(passes, recall)
    if pair is None:
        return None
    low, high = pair
    if low["recall"] >= recall or high["recall"] == low["recall"]:
        return float(low[figure])
    share = (recall - low["recall"]) / (high["recall"] - low["recall"])
    return math.exp((1 - share) * math.log(low[figure]) + share * math.log(high[figure]))

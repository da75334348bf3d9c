"""Draws recall and rate of contenders, from what bench/ann measured.

python -m contenders.draw NAME.curves.json

writes NAME.png and NAME.svg beside it. Up and to the right is better; the rate is on a logarithmic
scale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

LOWEST_RECALL = 0.80
OURS = "proximadb"
MARKERS = "osD^vP*Xh<>"
INCHES = (9.0, 5.5)


def draw(curves: dict[str, list[dict[str, float]]], title: str, stem: Path) -> None:
    """Both pictures."""
    figure, axes = plt.subplots(figsize=INCHES)
    for number, (name, passes) in enumerate(curves.items()):
        shown = [each for each in passes if each["recall"] >= LOWEST_RECALL]
        is_ours = name.startswith(OURS)
        axes.plot(
            [each["recall"] for each in shown],
            [each["qps"] for each in shown],
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            linewidth=2.6 if is_ours else 1.3,
            zorder=3 if is_ours else 2,
            label=name,
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(LOWEST_RECALL, 1.0)
    axes.set_xlabel("recall@10")
    axes.set_ylabel("queries a second, one core, one query a call")
    axes.set_title(title, fontsize=10)
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(stem.with_suffix(".png"), dpi=130)
    figure.savefig(stem.with_suffix(".svg"))


def main(source: str) -> None:
    """From the file."""
    path = Path(source)
    content = json.loads(path.read_text())
    stem = path.with_name(path.name.removesuffix(".curves.json"))
    draw(content["curves"], content["title"], stem)


if __name__ == "__main__":
    main(*sys.argv[1:])

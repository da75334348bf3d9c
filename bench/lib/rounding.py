"""What a storage profile makes of vectors, by the numpy text of docs/format/rounding.md itself."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np

from lib.rows import Vectors
from lib.workspace import ROOT

MANTISSA_BITS = {"balanced": 7, "compact": 4}


@cache
def _documented() -> Any:
    """The function `rounded` of the page."""
    page = (ROOT / "docs/format/rounding.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(text, "rounding.md", "exec"), names)  # noqa: S102
    return names["rounded"]


def stored(vectors: Vectors, storage: str) -> Vectors:
    """Rows as a collection of that profile keeps them. Takes about 0.1 ms each: not for all rows."""
    if storage not in MANTISSA_BITS or len(vectors) == 0:
        return vectors
    bits = MANTISSA_BITS[storage]
    rounded: Vectors = np.stack([_documented()(row, bits) for row in vectors])
    return rounded

"""rounding: what the storage profiles make of vectors, by the numpy text of docs/format/rounding.md itself."""
import re

import numpy
from engine import ROOT

BITS = {"balanced": 7, "compact": 4}


def functions():
    page = (ROOT / "docs/format/rounding.md").read_text()
    (text,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names = {}
    exec(compile(text, "rounding.md", "exec"), names)
    return names


ROUNDED = functions()["rounded"]


def stored(vectors, storage):
    """Rows of float32, as a collection of that storage profile keeps them."""
    if storage not in BITS or len(vectors) == 0:
        return vectors
    return numpy.stack([ROUNDED(row, BITS[storage]) for row in vectors])

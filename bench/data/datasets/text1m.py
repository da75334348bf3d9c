"""text1m: static sentence embeddings of real sentences, 384 dims, cosine, unit length.

The method of Arora, Liang and Ma ("A simple but tough-to-beat baseline for sentence embeddings",
ICLR 2017) over the token vectors of all-MiniLM-L6-v2's first layer: a sentence's vector is the mean
of its tokens', each weighted a / (a + p), where p is the token's share of the corpus and a is
0.001; the vectors' first principal direction is taken out, and what remains is scaled to length 1.
A million take minutes, and lie as densely as real texts do.

NAME.base.rows.npy and NAME.query.rows.npy hold each vector's row in texts.parquet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer

from datasets import model
from datasets.texts import texts_path
from datasets.vector_set import SetKind, Vectors, VectorSet, normalise
from datasets.work import SEED, DataSetError, in_order, log, save_array

KIND = SetKind("text1m", "cosine", default_rows=1_000_000, most_queries=10_000)
DEFAULT_ROWS = KIND.default_rows
SPARE_SHARE, SPARE_ROWS = 0.005, 10  # sentences beyond those needed: some vectors are equal
BLOCK_TEXTS = 5_000
LOGGED_BLOCKS = 20
FREQUENCY_TEXTS = 50_000  # sentences whose tokens are counted
DIRECTION_TEXTS = 30_000  # vectors that the principal direction is that of
PROJECTED_ROWS = 20_000  # at a time
COMMON_SHARE = 1e-3  # the paper's a
COMPARED_DIMS = 8  # equal vectors are told by their first dims
SHORTEST_NORM = 0.5  # of a sentence with tokens, whose vector has length 1

Rows = npt.NDArray[Any]


class Embedder:
    """Sentences to weighted means of token vectors, of length 1. Any thread."""

    def __init__(self, tokenizer: Tokenizer, table: Vectors, corpus: list[str]) -> None:
        self._tokenizer = tokenizer
        self._table = table
        tokens, _ = self._tokens(corpus)
        share = np.bincount(tokens, minlength=len(table)) / len(tokens)
        self._weights = (COMMON_SHARE / (COMMON_SHARE + share)).astype(np.float32)

    @property
    def dim_count(self) -> int:
        """Dims of a vector."""
        return int(self._table.shape[1])

    def key(self, texts: list[str]) -> bytes:
        """All that embed(texts) depends on."""
        return self._weights.tobytes() + "\n".join(texts).encode()

    def embed(self, texts: list[str]) -> Vectors:
        """float32 [texts, dims]; a text without tokens has a vector of zeros."""
        tokens, bounds = self._tokens(texts)
        shape = (len(texts), len(self._table))
        weights = csr_matrix((self._weights[tokens], tokens, bounds), shape)
        return normalise(weights @ self._table)

    def _tokens(self, texts: list[str]) -> tuple[npt.NDArray[np.int32], Rows]:
        """The tokens of all texts, and where each text's begin; at the end, their number."""
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        tokens = [np.array(encoding.ids, np.int32) for encoding in encodings]
        return np.concatenate(tokens), np.cumsum([0, *map(len, tokens)])


def make(out: Path, rows: int, workers: int) -> None:
    """Makes the set."""
    vector_set = VectorSet(KIND, out, rows)
    if not vector_set.has_vectors():
        path = texts_path(out, vector_set.name)
        texts = pq.read_table(path, columns=["text"])["text"].combine_chunks()
        text_rows = _draw(texts, rows + vector_set.query_count, path)
        vectors = _embed_all(vector_set, out / "model", texts.take(text_rows), workers)
        sources = [f"{path.name} of {len(texts)} rows", model.PACKAGE]
        _save(vector_set, vectors, text_rows, sources)
    vector_set.finish(workers)


def _draw(texts: pa.StringArray, needed: int, path: Path) -> npt.NDArray[np.int32]:
    """Rows of the texts to embed, some more than are needed, in random but fixed order."""
    wanted = int(needed * (1 + SPARE_SHARE)) + SPARE_ROWS
    if len(texts) < wanted:
        raise DataSetError(
            f"{path} has {len(texts)} texts, {wanted} are needed. Make it again with "
            f"--rows {wanted} or more."
        )
    return np.random.default_rng(SEED).permutation(len(texts))[:wanted].astype(np.int32)


def _embed_all(
    vector_set: VectorSet, model_folder: Path, texts: pa.StringArray, workers: int
) -> Vectors:
    corpus = texts[:FREQUENCY_TEXTS].to_pylist()
    tokenizer = model.load_tokenizer(model_folder)
    embedder = Embedder(tokenizer, model.load_token_vectors(model_folder), corpus)
    vectors = np.empty((len(texts), embedder.dim_count), np.float32)

    def embed_block(first: int) -> int:
        block = texts[first : first + BLOCK_TEXTS].to_pylist()
        (made,) = vector_set.blocks.get(embedder.key(block), lambda: [embedder.embed(block)])
        vectors[first : first + len(made)] = made
        return first + len(made)

    for done in in_order(embed_block, range(0, len(texts), BLOCK_TEXTS), workers):
        if done % (LOGGED_BLOCKS * BLOCK_TEXTS) == 0 or done == len(texts):
            log(f"{done} of {len(texts)} sentences")
    return vectors


def _save(
    vector_set: VectorSet, vectors: Vectors, text_rows: npt.NDArray[np.int32], sources: list[str]
) -> None:
    """Splits what can be used into queries and base, projects both, and saves them."""
    usable = _usable_rows(vectors)
    needed = vector_set.query_count + vector_set.rows
    if len(usable) < needed:
        raise DataSetError(
            f"only {len(usable)} of {len(vectors)} sentences have vectors of their own, {needed} "
            "are needed. Raise SPARE_SHARE in text1m.py."
        )
    query, base = np.split(usable[:needed], [vector_set.query_count])
    direction = _principal_direction(vectors[:DIRECTION_TEXTS])
    save_array(vector_set.file("query.rows.npy"), text_rows[query])
    save_array(vector_set.file("base.rows.npy"), text_rows[base])
    vector_set.save(
        _without(vectors, base, direction), _without(vectors, query, direction), sources
    )


def _usable_rows(vectors: Vectors) -> Rows:
    """The rows, in order, that are not zero and not equal to an earlier one."""
    beginnings = np.ascontiguousarray(vectors[:, :COMPARED_DIMS])
    _, firsts = np.unique(beginnings, axis=0, return_index=True)
    rows = np.sort(firsts)
    kept: Rows = rows[np.linalg.norm(vectors[rows], axis=1) > SHORTEST_NORM]
    return kept


def _principal_direction(sample: Vectors) -> Vectors:
    """[dims, 1]: the direction along which the vectors are longest, of length 1."""
    _, directions = np.linalg.eigh(sample.T @ sample)  # by rising eigenvalue
    last: Vectors = directions[:, -1:]
    return last


def _without(vectors: Vectors, rows: Rows, direction: Vectors) -> Vectors:
    """The rows without their part along the direction, scaled to length 1 again."""
    result = np.empty((len(rows), vectors.shape[1]), np.float32)
    for first in range(0, len(rows), PROJECTED_ROWS):
        block = vectors[rows[first : first + PROJECTED_ROWS]]
        result[first : first + len(block)] = normalise(block - (block @ direction) @ direction.T)
    return result

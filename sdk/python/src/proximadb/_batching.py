"""Rows to requests: a write call is split by bytes into messages, each an atomic batch.

Rows are encoded in blocks of about half a MiB, which stay in the cache, and blocks are gathered
until the next would make the message larger than its target. So a call that fits one message is one
message whatever its rows look like, and only a message's bytes are in memory twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple

from proximadb import avro
from proximadb._rows import Rows
from proximadb.errors import InvalidArgumentError

MESSAGE_LIMIT_BYTES = 64 << 20  # the server's
MESSAGE_LEAST_BYTES = 4 << 10
MESSAGE_TARGET_BYTES = 8 << 20
MESSAGE_ROWS = 100_000  # the server's limit of a delete
BLOCK_BYTES = 512 << 10
BLOCK_ROWS = 1024
ENVELOPE_BYTES = 1024  # more than a message has besides its rows

#: Makes a request of the parts of a payload.
Frame = Callable[[Sequence[bytes]], bytes]


class Message(NamedTuple):
    """A request with rows first_row to stop_row - 1 of the call."""

    request: bytes
    first_row: int
    stop_row: int


class Block(NamedTuple):
    """The bytes of rows first_row to stop_row - 1."""

    body: bytes
    first_row: int
    stop_row: int


def messages(
    rows: Rows, frame: Frame, target_bytes: int = MESSAGE_TARGET_BYTES
) -> Iterator[Message]:
    """The requests that carry all rows, in order.

    Raises:
        InvalidArgumentError: a row cannot be encoded or is larger than a message may be.
    """
    gathered: list[Block] = []
    size = 0
    limit = target_bytes - ENVELOPE_BYTES
    for block in _blocks(rows, limit):
        if gathered and (
            size + len(block.body) > limit or block.stop_row - gathered[0].first_row > MESSAGE_ROWS
        ):
            yield _message(rows, frame, gathered)
            gathered, size = [], 0
        gathered.append(block)
        size += len(block.body)
    if gathered:
        yield _message(rows, frame, gathered)


def _message(rows: Rows, frame: Frame, blocks: list[Block]) -> Message:
    first, stop = blocks[0].first_row, blocks[-1].stop_row
    bodies = (block.body for block in blocks)
    head = avro.header(rows.schema) + os.urandom(16) + avro.encode_long(stop - first)
    return Message(frame((head, *bodies, avro.END + rows.tail)), first, stop)


def _blocks(rows: Rows, limit_bytes: int) -> Iterator[Block]:
    step = max(1, min(BLOCK_ROWS, min(BLOCK_BYTES, limit_bytes) // rows.row_bytes))
    for start in range(0, rows.row_count, step):
        yield from _fitting(rows, start, min(start + step, rows.row_count), limit_bytes)


def _fitting(rows: Rows, start: int, stop: int, limit_bytes: int) -> Iterator[Block]:
    """The rows in as few halvings as make each block fit a message. A depth of 10 is the most."""
    body = rows.encode(start, stop)
    if stop - start > 1 and len(body) > limit_bytes:
        middle = (start + stop) // 2
        yield from _fitting(rows, start, middle, limit_bytes)
        yield from _fitting(rows, middle, stop, limit_bytes)
        return
    if len(body) > MESSAGE_LIMIT_BYTES - ENVELOPE_BYTES:
        raise InvalidArgumentError(
            f"row {start}: it takes {len(body):,} bytes and a message holds at most "
            f"{MESSAGE_LIMIT_BYTES:,}",
            row_index=start,
        )
    yield Block(body, start, stop)

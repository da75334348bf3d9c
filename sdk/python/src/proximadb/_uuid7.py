"""UUIDs of version 7 (RFC 9562) for rows without an id.

They are ordered by the time they were made: 48 bits of milliseconds, then a counter of 42 bits that
starts at a random number below 2^41 in each millisecond and goes up by one, then 32 random bits. In
one process each is greater than all before it, also when the clock is set back; two processes meet
with a probability of 2^-32 even where millisecond and counter agree.

    BYTES   0-5           6       7     8      9-11   12-15
    HOLDS   milliseconds  7|c41-  c33-  10|c   c23-   random
                          c38     c30   29-24  c0
"""

from __future__ import annotations

import os
import secrets
import threading
import time

import numpy as np
import numpy.typing as npt

COUNTER_START_BITS = 41

_HEX_PAIRS = np.array([list(b"%02x" % octet) for octet in range(256)], np.uint8)
# Where the 32 hexadecimal digits stand among the 36 characters.
_DIGIT_PLACES = np.delete(np.arange(36), [8, 13, 18, 23])

_lock = threading.Lock()
_last_ms = 0
_next_counter = 0


def _take(count: int) -> tuple[int, int]:
    """Reserves `count` counters of one millisecond: the millisecond and the first counter."""
    global _last_ms, _next_counter
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _next_counter = now_ms, secrets.randbits(COUNTER_START_BITS)
        first = _next_counter
        _next_counter += count
        return _last_ms, first


def generate(count: int) -> list[str]:
    """`count` new UUIDs as text of 36 characters, ascending."""
    milliseconds, first = _take(count)
    counter = np.arange(first, first + count, dtype=np.uint64)
    high = np.uint64(milliseconds << 16 | 0x7000) | counter >> np.uint64(30)
    low = (counter & np.uint64(0x3FFF_FFFF)) << np.uint64(32) | np.uint64(1 << 63)
    random = np.frombuffer(os.urandom(4 * count), np.uint32)
    return _format(np.stack([high, low | random], axis=1).astype(">u8").view(np.uint8))


def _format(octets: npt.NDArray[np.uint8]) -> list[str]:
    """Rows of 16 bytes as text."""
    characters = np.full((len(octets), 36), ord("-"), np.uint8)
    characters[:, _DIGIT_PLACES] = _HEX_PAIRS[octets].reshape(len(octets), 32)
    text = characters.tobytes().decode("ascii")
    return [text[start : start + 36] for start in range(0, len(text), 36)]

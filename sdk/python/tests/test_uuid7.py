"""Ids made by the SDK.

Goal    RFC 9562 version 7, unique, ascending in one process whatever the clock and threads do.
Method  The standard library's parser as oracle; a clock that stands or goes back.
"""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from proximadb import _uuid7


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set, in milliseconds."""

    class Clock:
        now_ms = time.time_ns() // 1_000_000 + 1000

        def time_ns(self):
            return self.now_ms * 1_000_000

    made = Clock()
    monkeypatch.setattr(_uuid7, "time", made)
    monkeypatch.setattr(_uuid7, "_last_ms", 0)
    return made


def test_uuid7__has_the_layout_of_the_rfc(clock):
    for text in _uuid7.generate(1000):
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert parsed.version == 7
        assert parsed.variant == uuid.RFC_4122
        assert parsed.int >> 80 == clock.now_ms


def test_uuid7__ascends_when_the_clock_stands_or_goes_back(clock):
    made = _uuid7.generate(10_000)
    made += _uuid7.generate(1)
    clock.now_ms -= 5000
    made += _uuid7.generate(100)
    clock.now_ms += 5001
    made += _uuid7.generate(100)
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_uuid7__counts_beyond_the_low_half(clock, monkeypatch):
    # The counter's lower 30 bits lie behind the variant, its upper 12 before: the carry must pass.
    monkeypatch.setattr(_uuid7.secrets, "randbits", lambda bits: (1 << 30) - 2)
    made = _uuid7.generate(4)
    assert made == sorted(made)
    counters = [
        (uuid.UUID(text).int >> 64 & 0xFFF) << 30 | uuid.UUID(text).int >> 32 & 0x3FFF_FFFF
        for text in made
    ]
    assert counters == [(1 << 30) - 2 + i for i in range(4)]


def test_uuid7__is_unique_across_threads():
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda _: _uuid7.generate(500), range(40)))
    assert all(part == sorted(part) for part in parts)
    assert len({text for part in parts for text in part}) == 20_000


def test_uuid7__is_random_in_its_end():
    assert len({text[-8:] for text in _uuid7.generate(1000)}) > 990


def test_uuid7__none_are_none():
    assert _uuid7.generate(0) == []

"""The oracle: every state that a row had, and what a search, a get or a count must say of them.

One writer numbers its batches from 1 on: `Log.begin` before a batch is sent, `Log.end` when it was answered. A
reader notes `Log.done` before it asks and `Log.begun` behind the answer. What it was told must be exactly the answer
for the rows as they were behind *one* of the batches from the former to the latter: all of a batch or nothing of it,
every row that was there, none that was not. Where no write is under way, that is one answer only.

A search by an index may miss some of the nearest. What it was told must be rows as they were behind one of those
batches, as many as there are, in their order; `found` of `wanted` counts how many of the nearest they were.

Distances and their order are computed as src/simd/distance.h says, to the last bit.
"""
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

NEVER = np.iinfo(np.int64).max
LANES = 8
CHUNK_QUERIES = 64


class Violation(AssertionError):
    """An answer is wrong."""


def id_of(key):
    return f"row-{key:08d}"


def key_of(name):
    return int(name[4:])


def sum_lanes(products):
    """Sums over the last axis in the order that src/simd/distance.h fixes."""
    count = products.shape[-1]
    lanes = np.zeros((*products.shape[:-1], -(-count // LANES) * LANES))
    lanes[..., :count] = products
    lanes = lanes.reshape(*products.shape[:-1], -1, LANES)
    total = np.zeros((*products.shape[:-1], LANES))
    for i in range(lanes.shape[-2]):
        total += lanes[..., i, :]
    s = [total[..., lane] for lane in range(LANES)]
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))


def exact_distances(metric, query, vectors):
    """Of each of the vectors, in double."""
    x, q = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        return np.sqrt(sum_lanes((x - q) ** 2))
    if metric == "dot":
        return 0.0 - sum_lanes(x * q)
    norms = sum_lanes(x * x) * sum_lanes(q * q)
    cos = np.divide(sum_lanes(x * q), np.sqrt(norms), out=np.zeros(len(x)), where=norms != 0)
    return 1.0 - np.clip(cos, -1.0, 1.0)


def rough_distances(metric, queries, vectors):
    """In float32: queries x vectors, and how far they may be off. Of the order of the exact ones, not equal to them:
    l2 is squared."""
    products = queries @ vectors.T
    squares = np.einsum("ij,ij->i", vectors, vectors)
    query_squares = np.einsum("ij,ij->i", queries, queries)
    if metric == "l2":
        return squares[None, :] + query_squares[:, None] - 2 * products, 1e-5 * (squares.max() + query_squares.max())
    if metric == "dot":
        return -products, 1e-5 * np.sqrt(squares.max() * query_squares.max())
    return 1 - products / np.sqrt(np.maximum(squares[None, :] * query_squares[:, None], 1e-30)), 1e-5


@dataclass
class Asked:
    """A search or a count and its answer, judged later. `bucket`: the filter; None: there is none."""
    first: int                  # the batch that was done before
    last: int                   # the batch that had begun behind it
    bucket: Any
    query: Any = None           # None: a count
    k: int = 0
    hits: Any = None            # of (key, distance, version), or the count
    may_miss: bool = False      # asked of an index


class Log:
    """States of rows, oldest first. `lock` is held where a writer and readers meet; judging is for one thread, while
    nobody writes."""

    def __init__(self, dimension, metric, capacity):
        self.lock = threading.Lock()
        self.metric = metric
        self.begun = self.done = 0
        self.found = self.wanted = 0                # hits of searches that may miss some, and how many there were
        self.count = 0                              # of states
        self.current = {}                           # key -> index of its state
        self.keys = np.zeros(capacity, np.int64)
        self.born = np.zeros(capacity, np.int64)    # the batch that made it
        self.died = np.zeros(capacity, np.int64)    # the batch that ended it
        self.versions = np.zeros(capacity, np.int64)
        self.buckets = np.zeros(capacity, np.int64)
        self.tags = np.zeros(capacity, np.int64)
        self.vectors = np.zeros((capacity, dimension), np.float32)

    # ---- what is written ---------------------------------------------------------------------------------------------

    def begin(self, keys, vectors=None, buckets=None, tags=None):
        """A batch that is about to be sent: new states of the rows, or without vectors their end. Returns the indexes
        of the new states."""
        with self.lock:
            self.begun += 1
            for key in keys:
                if key in self.current:
                    self.died[self.current.pop(key)] = self.begun
            if vectors is None:
                return None
            made = slice(self.count, self.count + len(keys))
            assert made.stop <= len(self.keys), "the log is full"
            self.keys[made], self.vectors[made] = keys, vectors
            self.buckets[made], self.tags[made] = buckets, tags
            self.born[made], self.died[made] = self.begun, NEVER
            self.current.update(zip(keys, range(made.start, made.stop)))
            self.count = made.stop
            return made

    def end(self, made, versions):
        """It was answered."""
        with self.lock:
            if made is not None:
                self.versions[made] = versions
            self.done = self.begun

    def forget(self):
        """Drops states that have ended. Nothing that was asked before may be judged behind it."""
        kept = np.flatnonzero(self.died[:self.count] == NEVER)
        for array in (self.keys, self.born, self.died, self.versions, self.buckets, self.tags, self.vectors):
            array[:len(kept)] = array[kept]
        self.count = len(kept)
        self.current = {int(key): index for index, key in enumerate(self.keys[:self.count])}

    def live(self):
        """Indexes of what is there now."""
        return np.flatnonzero(self.died[:self.count] == NEVER)

    # ---- what was answered -------------------------------------------------------------------------------------------

    def there(self, asked, batch):
        """Which states a question is about, as of a batch."""
        states = slice(0, self.count)
        there = (self.born[states] <= batch) & (batch < self.died[states])
        return there if asked.bucket is None else there & (self.buckets[states] == asked.bucket)

    def judge(self, questions):
        """Raises Violation if an answer is wrong."""
        searches = [asked for asked in questions if asked.query is not None]
        for asked in questions:
            if asked.query is None:
                self.judge_count(asked)
        for start in range(0, len(searches), CHUNK_QUERIES):
            chunk = searches[start:start + CHUNK_QUERIES]
            rough, slack = rough_distances(self.metric, np.stack([asked.query for asked in chunk]),
                                           self.vectors[:self.count])
            for asked, distances in zip(chunk, rough):
                self.judge_search(asked, distances, slack)

    def judge_count(self, asked):
        counts = {int(self.there(asked, batch).sum()) for batch in range(asked.first, asked.last + 1)}
        if asked.hits not in counts:
            raise Violation(f"count is {asked.hits}, and must be one of {counts}: batches {asked.first} to {asked.last}")

    def judge_search(self, asked, rough, slack):
        answers = [self.answer(asked, batch, rough, slack) for batch in range(asked.first, asked.last + 1)]
        if asked.may_miss:
            self.judge_missing(asked, answers)
        elif asked.hits not in answers:
            raise Violation(f"a search for the {asked.k} nearest is wrong: {difference(asked.hits, answers[0])}; it saw "
                            f"batches {asked.first} to {asked.last}, bucket {asked.bucket}")

    def judge_missing(self, asked, answers):
        """The answer of the batch that it comes nearest to is what it was looking for."""
        possible = [answer for batch, answer in zip(range(asked.first, asked.last + 1), answers)
                    if len(answer) == len(asked.hits) and self.is_of(asked, batch)]
        if not possible:
            raise Violation(f"a search of an index for the {asked.k} nearest gave {len(asked.hits)} hits that were never "
                            f"there at once, or out of order; it saw batches {asked.first} to {asked.last}, bucket "
                            f"{asked.bucket}: {difference(asked.hits, answers[0])}")
        self.found += max(len(set(asked.hits) & set(answer)) for answer in possible)
        self.wanted += len(asked.hits)

    def is_of(self, asked, batch):
        """Whether all hits were there then, each once, and in order."""
        there = np.flatnonzero(self.there(asked, batch))
        there = there[np.isin(self.keys[there], [hit[0] for hit in asked.hits])]
        distances = exact_distances(self.metric, asked.query, self.vectors[there])
        order = np.lexsort((self.keys[there], distances))
        return asked.hits == [(int(self.keys[there[i]]), float(distances[i]), int(self.versions[there[i]]))
                              for i in order]

    def answer(self, asked, batch, rough, slack):
        """The k nearest of then by (distance, id)."""
        there = np.flatnonzero(self.there(asked, batch))
        if len(there) > asked.k:
            bound = np.partition(rough[there], asked.k - 1)[asked.k - 1]
            there = there[rough[there] <= bound + 2 * slack]
        distances = exact_distances(self.metric, asked.query, self.vectors[there])
        nearest = np.lexsort((self.keys[there], distances))[:asked.k]
        return [(int(self.keys[there[i]]), float(distances[i]), int(self.versions[there[i]])) for i in nearest]


def difference(hits, answer):
    """For people: where two answers part."""
    for place, (found, expected) in enumerate(zip(hits, answer)):
        if found != expected:
            return f"hit {place} is {found}, where the oracle of before it has {expected}"
    return f"{len(hits)} hits, where the oracle of before it has {len(answer)}"

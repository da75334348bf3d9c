"""history: random writes to a collection through the SDK, with a model of what must be there.

    history = History(client, "balanced")   # of the collection docs, whose filterable fields are FIELDS
    history.step()

PX_TEST_SEED   repeats a run
"""
import os
import random
import time

import numpy
from proximadb import CLEAR
from rounding import stored

SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
DIMS = 24
FIELDS = {"word": "string", "year": "long", "price": "double", "old": "boolean", "tags": "string_array"}
ALL_FIELDS = {**FIELDS, "late": "long"}
WORDS = ["net", "db", "it's", "", "日本語", "a\nb", "x" * 300, "%_"]


class Row:
    """A version of a row as it was accepted."""

    def __init__(self, vector, metadata, document, timestamp, expires_at):
        self.vector, self.metadata, self.document = vector, metadata, document
        self.timestamp, self.expires_at = timestamp, expires_at


class History:
    """Random writes, what is live after them, and every version that ever was."""

    def __init__(self, client, storage):
        self.client, self.storage = client, storage
        self.random = random.Random(SEED)
        self.numbers = numpy.random.default_rng(SEED)
        self.live = {}              # id -> version
        self.versions = {}          # (id, version) -> Row
        self.made = 0

    # ---- random values

    def vectors(self, count):
        """Any bits that are a number: of either sign, subnormal, large; each row with a norm that float32 holds."""
        bits = self.numbers.integers(0, 2**32, (count, DIMS), numpy.uint32)
        exponent = (bits >> 23) & 0xff
        is_extreme = (exponent > 0x9f) | ((exponent > 0) & (exponent < 0x60))
        bits = numpy.where(is_extreme, (bits & 0x807f_ffff) | 0x3f80_0000, bits)
        bits[:, 0] = (bits[:, 0] & 0x807f_ffff) | 0x3f80_0000
        return bits.astype(numpy.uint32).view(numpy.float32)

    def value(self, kind):
        pick = self.random.choice
        return {"string": lambda: pick(WORDS),
                "long": lambda: pick([0, 1, -1, 1999, 2000, 2024, 2**63 - 1, -2**63]),
                "double": lambda: pick([0.0, -0.0, 0.5, 9.99, 10.0, 1e300, 5e-324, 0.1]),
                "boolean": lambda: pick([True, False]),
                "string_array": lambda: [pick(WORDS) for _ in range(self.random.randrange(4))]}[kind]()

    def metadata(self, fields):
        """Values that fit the filterable fields, some of them null or missing, and keys that have no column."""
        made = {}
        for name, kind in fields.items():
            if self.random.random() < 0.7:
                made[name] = None if self.random.random() < 0.1 else self.value(kind)
        for name in ("note", "späte", 'quo"te', "sub.key"):
            if self.random.random() < 0.3:
                made[name] = self.value(self.random.choice(list(FIELDS.values())))
        return made

    def document(self):
        return self.random.choice([None, "", "a text", "two\nlines", "日本語 😀" * 40])

    def expires_at(self):
        """Never, in a year that is far, or long ago."""
        return self.random.choice([None] * 6 + [4_000_000_000_000, 1_000])

    def some_ids(self, most):
        ids = sorted(self.live)
        return self.random.sample(ids, min(len(ids), self.random.randrange(1, most + 1)))

    # ---- writes

    def keep(self, ids, versions, rows):
        for name, version, row in zip(ids, versions.tolist(), rows, strict=True):
            self.live[name] = version
            self.versions[name, version] = row

    def put(self, call, ids):
        vectors = self.vectors(len(ids))
        rows = [Row(vector, self.metadata(FIELDS), self.document(), self.random.choice([1, 1_700_000_000_000]),
                    self.expires_at()) for vector in stored(vectors, self.storage)]
        result = call("docs", vectors, ids=ids, metadata=[row.metadata for row in rows],
                      documents=[row.document for row in rows], timestamps=[row.timestamp for row in rows],
                      expires_at=[row.expires_at for row in rows])
        self.keep(ids, result.versions, rows)

    def insert(self):
        count = self.random.choice([1, 3, 40, 300])
        ids = [f"{self.random.choice(['row', 'é', 'a/b'])}-{self.made + i}" for i in range(count)]
        self.made += count
        self.put(self.client.insert, ids)

    def upsert(self):
        self.put(self.client.upsert, self.some_ids(60))

    def update(self):
        """Of rows that have not expired: a vector, some metadata, the document, the expiry, or several of them."""
        ids = [name for name in self.some_ids(60) if not self.is_expired(name)]
        if not ids:
            return
        old = [self.versions[name, self.live[name]] for name in ids]
        vectors = self.vectors(len(ids)) if self.random.random() < 0.5 else None
        changes = [self.metadata(FIELDS) for _ in ids] if self.random.random() < 0.7 else None
        documents = [self.random.choice([None, "new", CLEAR]) for _ in ids]
        expires = self.random.choice([None, CLEAR, 5_000_000_000_000])
        result = self.client.update("docs", ids, vectors=vectors, metadata=changes, documents=documents, expires_at=expires)
        rows, vectors = [], vectors if vectors is None else stored(vectors, self.storage)
        for i, row in enumerate(old):
            merged = {**row.metadata, **(changes[i] if changes else {})}
            if changes:
                merged = {key: value for key, value in merged.items() if key not in changes[i] or value is not None}
            rows.append(Row(row.vector if vectors is None else vectors[i], merged,
                            {None: row.document, CLEAR: None}.get(documents[i], documents[i]), row.timestamp,
                            {None: row.expires_at, CLEAR: None}.get(expires, expires)))
        self.keep(ids, result.versions, rows)

    def delete(self):
        ids = self.some_ids(40)
        self.client.delete("docs", ids=[*ids, "unknown"])
        for name in ids:
            del self.live[name]

    def delete_by_filter(self):
        year = self.random.choice([0, 1, -1, 1999])
        chosen = [name for name, row in self.rows() if row.metadata.get("year") == year and row.metadata.get("old") is True]
        assert self.client.delete("docs", filter="year = $year AND old", params={"year": year}) == len(chosen)
        for name in chosen:
            del self.live[name]

    def is_expired(self, name):
        expires_at = self.versions[name, self.live[name]].expires_at
        return expires_at is not None and expires_at < time.time() * 1000

    def rows(self):
        """Of those that a reader sees."""
        return [(name, self.versions[name, version]) for name, version in self.live.items() if not self.is_expired(name)]

    def step(self):
        weights = {self.insert: 5, self.upsert: 3, self.update: 5, self.delete: 2, self.delete_by_filter: 1}
        self.random.choices(list(weights), list(weights.values()))[0]()

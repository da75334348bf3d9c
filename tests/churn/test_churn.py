"""Goal: a collection that is updated for a long time stays right and healthy: every answer is exactly the oracle's,
while it is written and compacted and when it rests; its files stay as small as those of a fresh load, in parts of
useful size; and what compaction writes for that is bounded. Of a collection that has an index the same is true: what its
index is built from, for however long, is given back when it was replaced.
Method: rounds of 30 % updates and 10 % deletes and as many inserts, while threads search and count. What they are told
is judged by states.py; disk.py looks at the files every 50 ms. The same rows, loaded into a new collection, are what
sizes are compared with. In a second test the rounds move the data elsewhere, so that lists are split and merged. In a
third the collection has a graph, which half of the searches ask, and which is built anew in each round.

    pytest tests/churn                          20,000 rows x 64, every storage profile, limits divided by 128
    PX_CHURN_ROWS=200000 pytest tests/churn     200,000 x 384 of the real vectors of build/datasets if they are there,
                                                `balanced`, the limits that users have; some ten minutes

PX_TEST_SEED      repeats what is written and asked; it is printed. How threads interleave is not repeated.
"""
import os
import random
import threading
import time

import numpy as np
import pytest
from churn_server import Limits, Server
from disk import Collection, Sampler, bytes_of, index_bytes_of, wait_until_idle
from proximadb import ProximaDBClient
from rows import Clustered, real, stored
from states import Asked, Log, id_of, key_of

SMALL_ROWS = 20_000
ROWS = int(os.environ.get("PX_CHURN_ROWS", str(SMALL_ROWS)))
IS_FULL = ROWS >= 200_000
DIMENSION = 384 if IS_FULL else 64
ROUNDS = 10
OTHER_ROUNDS = 4                    # of all profiles but the first
SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
SCALE = 1 if IS_FULL else 128
LIST_ROWS = 0 if IS_FULL else 128
INDEX_ROWS = 0 if IS_FULL else 500
BATCH_ROWS = ROWS // 200
BUCKETS = 10
KS = (1, 10, 100)
READERS = 2
THINK_S = 0.02                      # of a reader, between two questions
IDLE_S = 600

MOST_DISK = 1.6                     # of a fresh load, behind a round, when compaction rests
MOST_PEAK = 2.5                     # of one, at any moment; and one log file
MOST_LOG = 1.1                      # of a log file, which is closed behind the write that fills it
MOST_WRITE_AMPLIFICATION = 8.0
MOST_INDEX = 1.6                    # of the file of a fresh load's index: dead slots wait to be used again
MOST_INDEX_PEAK = 3.2               # a new file is written beside the old one
LEAST_RECALL = 0.85                 # of searches that ask for 0.95, a third of them with a filter, amid writes
UPDATED, DELETED = 0.3, 0.1

# (profile, layout, metric)
WITH_PROFILES = [("balanced", None, "cosine"), ("compact", None, "l2"), ("exact", None, "dot"), ("exact", "plain", "l2")]
FORMS = WITH_PROFILES[:1] if IS_FULL else WITH_PROFILES


class Reader(threading.Thread):
    """Asks until it is told to end. `failure` is what a call raised."""

    def __init__(self, churn, seed):
        super().__init__()
        self.churn = churn
        self.random = np.random.default_rng(seed)
        self.asked = []
        self.is_over = threading.Event()
        self.failure = None

    def run(self):
        try:
            while not self.is_over.wait(THINK_S):
                self.asked.append(self.churn.ask(self.random))
        except Exception as failure:  # noqa: BLE001: the test raises it
            self.failure = failure


class Churn:
    """One collection with its oracle."""

    def __init__(self, client, server, data, form, vectors, index_type):
        self.profile, self.layout, self.metric = form
        self.index_type = index_type
        self.client, self.server, self.vectors = client, server, vectors
        self.data = data
        self.log = Log(DIMENSION, self.metric, 2 * ROWS)
        self.random = np.random.default_rng(SEED)
        self.create("churn")
        self.files = Collection(data, "churn")
        self.next_key = self.next_tag = 0
        self.gone = []              # keys of deleted rows
        self.fresh_count = 0
        self.queries = vectors.take(500)
        self.made_lists = []        # lists ever made, behind each round
        self.broken = []            # bounds that did not hold, for people

    def create(self, name):
        self.client.create_collection(name, DIMENSION, metric=self.metric, filterable={"bucket": "long"},
                                      storage=self.profile, layout=self.layout, index_type=self.index_type)

    def has_index(self):
        return self.index_type != "FLAT"

    # ---- writing -----------------------------------------------------------------------------------------------------

    def new_keys(self, count):
        """Some of deleted rows, the rest new."""
        back, self.gone = self.gone[:count // 2], self.gone[count // 2:]
        made = range(self.next_key, self.next_key + count - len(back))
        self.next_key = made.stop
        return back + list(made)

    def put(self, mode, keys):
        vectors = self.vectors.take(len(keys))
        tags = np.arange(self.next_tag, self.next_tag + len(keys))
        self.next_tag += len(keys)
        buckets = self.random.integers(0, BUCKETS, len(keys))
        made = self.log.begin(keys, stored(vectors, self.profile), buckets, tags)
        result = getattr(self.client, mode)("churn", ids=[id_of(key) for key in keys], vectors=vectors,
                                            **payload(buckets, tags))
        self.log.end(made, result.versions)

    def put_metadata(self, keys):
        """The vectors stay."""
        tags = np.arange(self.next_tag, self.next_tag + len(keys))
        self.next_tag += len(keys)
        buckets = self.random.integers(0, BUCKETS, len(keys))
        vectors = self.log.vectors[[self.log.current[key] for key in keys]]
        made = self.log.begin(keys, vectors, buckets, tags)
        result = self.client.update("churn", [id_of(key) for key in keys], **payload(buckets, tags))
        self.log.end(made, result.versions)

    def delete(self, keys):
        self.log.begin(keys)
        count = self.client.delete("churn", ids=[id_of(key) for key in keys])
        self.log.end(None, None)
        assert count == len(keys)
        self.gone += keys

    def load(self):
        for _ in range(ROWS // BATCH_ROWS):
            self.put("insert", self.new_keys(BATCH_ROWS))

    def write_round(self):
        """Updates, deletes and inserts, in a random order of batches; each row is changed once at most."""
        keys = self.random.permutation(np.fromiter(self.log.current, np.int64)).tolist()
        updated, deleted = int(UPDATED * len(keys)), int(DELETED * len(keys))
        batches = [("upsert", "update", "put_metadata")[i % 3] for i in range(updated // BATCH_ROWS)]
        batches += ["delete", "insert"] * (deleted // BATCH_ROWS)
        for kind in self.random.permutation(batches):
            chosen = [] if kind == "insert" else [keys.pop() for _ in range(BATCH_ROWS)]
            if kind == "delete":
                self.delete(chosen)
            elif kind == "put_metadata":
                self.put_metadata(chosen)
            else:
                self.put(kind, chosen or self.new_keys(BATCH_ROWS))

    # ---- asking ------------------------------------------------------------------------------------------------------

    def ask(self, random):
        """One question, whatever is under way."""
        bucket = int(random.integers(0, BUCKETS)) if random.random() < 0.3 else None
        asked = Asked(self.log.done, 0, bucket)
        condition = None if bucket is None else f"bucket = {bucket}"
        if random.random() < 0.1:
            asked.hits = self.client.count("churn", filter=condition)
        else:
            asked.k, asked.query = int(random.choice(KS)), self.queries[random.integers(0, len(self.queries))]
            asked.may_miss = self.has_index() and bool(random.integers(2))
            hits = self.client.search("churn", asked.query, k=asked.k, filter=condition, include_metadata=False,
                                      exact=not asked.may_miss)
            asked.hits = [(key_of(hit.id), hit.distance, hit.version) for hit in hits]
        asked.last = self.log.begun
        return asked

    def check_quiet(self, random):
        """Everything there is to ask, when nobody writes: one answer only is right."""
        assert self.log.begun == self.log.done
        self.log.judge([self.ask(random) for _ in range(60)])
        live = self.log.live()
        info = self.client.get_collection("churn")
        assert self.client.count("churn") == info.vector_count == len(live) == ROWS
        self.check_gets(random.permutation(live)[:500])

    def check_gets(self, states):
        log = self.log
        records = self.client.get("churn", [id_of(key) for key in log.keys[states]] + ["never-there"])
        assert len(records) == len(states)
        for state, record in zip(states, records):
            told = (record.id, record.version, record.metadata, record.document)
            assert told == (id_of(log.keys[state]), log.versions[state], *payload_of(log, state))
            assert record.vector.tobytes() == log.vectors[state].tobytes(), record.id
        for key in self.gone[-100:]:
            assert self.client.get("churn", [id_of(key)]) == []

    def check_scan(self):
        """All rows, bit by bit."""
        log, seen = self.log, set()
        for record in self.client.scan("churn", include_vectors=True):
            state = log.current[key_of(record.id)]
            assert record.version == log.versions[state] and (record.metadata, record.document) == payload_of(log, state)
            assert record.vector.tobytes() == log.vectors[state].tobytes(), record.id
            seen.add(state)
        assert len(seen) == len(log.current)

    # ---- rounds ------------------------------------------------------------------------------------------------------

    def rest(self, name="churn"):
        """Until nothing is in memory only, and compaction is idle."""
        self.client.flush(name)
        wait_until_idle(self.client, name, IDLE_S)

    def round(self):
        """Writes while others read. Returns the sampler that looked on. An index is built anew meanwhile."""
        readers = [Reader(self, int(self.random.integers(2**31))) for _ in range(READERS)]
        with Sampler(self.files, self.server.pid) as sampler:
            for reader in readers:
                reader.start()
            try:
                began = time.monotonic()
                if self.has_index():
                    self.client.rebuild_index("churn")
                self.write_round()
                written = time.monotonic()
                self.rest()
                sampler.write_s, sampler.rest_s = written - began, time.monotonic() - written
            finally:
                for reader in readers:
                    reader.is_over.set()
                    reader.join()
        for reader in readers:
            if reader.failure is not None:
                raise reader.failure
        questions = [asked for reader in readers for asked in reader.asked]
        self.log.judge(questions)
        assert any(asked.first < asked.last for asked in questions), "nobody asked while something was written"
        sampler.questions = len(questions)
        self.log.forget()
        return sampler

    def load_fresh(self):
        """Bytes of the store of a new collection with the rows that are there now, of its log, and of its index."""
        log, live, name = self.log, self.log.live(), f"fresh-{self.fresh_count}"
        self.fresh_count += 1
        self.create(name)
        for states in np.array_split(self.random.permutation(live), ROWS // BATCH_ROWS):
            self.client.insert(name, ids=[id_of(key) for key in log.keys[states]], vectors=log.vectors[states],
                               **payload(log.buckets[states], log.tags[states]))
        files = Collection(self.data, name)
        self.rest(name)
        sizes = bytes_of(files.store), bytes_of(files.wal), index_bytes_of(files.store)
        self.client.delete_collection(name)
        return sizes

    def check_files(self, number, sampler, limits):
        """The round's figures are printed, and within their bounds."""
        fresh, fresh_wal, fresh_index = self.load_fresh()
        store, wal, index = bytes_of(self.files.store), bytes_of(self.files.wal), index_bytes_of(self.files.store)
        sizes = [part["size_bytes"] for part in self.files.parts()]
        amplification = self.files.write_amplification()
        lists, made = self.files.lists()
        self.made_lists.append(made)
        peak_store, peak_wal, peak_removed = (each / fresh for each in sampler.peak)
        print(f"round {number}: {sampler.questions} answers; a fresh load is {fresh:,} bytes, of log {fresh_wal:,}; store "
              f"{store / fresh:.2f}x, log {wal:,}; peak {sampler.peak_bytes / fresh:.2f}x: store {peak_store:.2f}, log "
              f"{peak_wal:.2f}, removed but mapped {peak_removed:.2f}; {len(sizes)} parts of {np.mean(sizes):,.0f}; "
              f"write amplification {amplification:.2f}; {len(lists)} lists of {np.mean(lists):,.0f}, {made} ever made; "
              f"{len(self.files.empty_clusters())} empty folders", flush=True)
        if self.has_index():
            print(f"    a fresh index is {fresh_index:,} bytes; this one {index / fresh_index:.2f}x, peak "
                  f"{sampler.index_peak_bytes / fresh_index:.2f}x; recall {self.log.found / self.log.wanted:.4f}", flush=True)
        self.files.check_files()
        assert sum(sampler.seen.values()) <= self.files.written_bytes(), "more was written than the manifest says"
        bounds = {"disk": (store, MOST_DISK * fresh), "log": (wal, MOST_LOG * limits.wal_file_bytes),
                  "peak": (sampler.peak_bytes, MOST_PEAK * fresh + limits.wal_file_bytes),
                  "largest part": (max(sizes), limits.most_part_bytes),
                  "write amplification": (amplification, MOST_WRITE_AMPLIFICATION),
                  "index": (index, MOST_INDEX * fresh_index),
                  "peak of the index": (sampler.index_peak_bytes, MOST_INDEX_PEAK * fresh_index),
                  "recall, negative": (-self.log.found, -LEAST_RECALL * self.log.wanted)}
        if store > 2 * limits.least_part_bytes:
            bounds["part size, negative"] = (-np.mean(sizes), -limits.least_part_bytes)
        self.broken += [f"round {number}: {what} is {found:,.1f}, more than {bound:,.1f}"
                        for what, (found, bound) in bounds.items() if found > bound]


def payload(buckets, tags):
    return {"metadata": [{"bucket": int(bucket), "tag": int(tag)} for bucket, tag in zip(buckets, tags)],
            "documents": [document_of(tag) for tag in tags]}


def payload_of(log, state):
    return {"bucket": log.buckets[state], "tag": log.tags[state]}, document_of(log.tags[state])


def document_of(tag):
    return f"state {tag} of some row, whose text is as long as that of a short sentence"


def vectors_of_run():
    return (real(SEED) if IS_FULL else None) or Clustered(DIMENSION, SEED)


def run(folder, form, vectors, rounds=ROUNDS, drift=None, index_type="FLAT"):
    """The whole of a test; returns the churn. drift(round): before each round."""
    print(f"PX_TEST_SEED={SEED} PX_CHURN_ROWS={ROWS}: {form}, {index_type}")
    limits = Limits(SCALE, LIST_ROWS, INDEX_ROWS)
    random = np.random.default_rng(SEED + 1)
    with Server(folder / "data", folder / "server.log", limits) as server, \
            ProximaDBClient(server.address, timeout=600) as client:
        churn = Churn(client, server, folder / "data", form, vectors, index_type)
        churn.load()
        churn.rest()
        churn.check_quiet(random)
        for number in range(1, rounds + 1):
            if drift is not None:
                drift(number)
            began = time.monotonic()
            sampler = churn.round()
            churn.check_quiet(random)
            churn.check_files(number, sampler, limits)
            print(f"    {time.monotonic() - began:.1f} s, of it writing {sampler.write_s:.1f}, coming to rest "
                  f"{sampler.rest_s:.1f}", flush=True)
        churn.check_scan()
        client.compact("churn")
        churn.rest()
        churn.check_quiet(random)
        churn.check_scan()
    with Server(folder / "data", folder / "server.log", limits) as server, \
            ProximaDBClient(server.address, timeout=600) as client:
        churn.client, churn.server = client, server
        assert not churn.files.empty_clusters(), "folders of clusters that have gone gather"
        churn.check_quiet(random)
        churn.check_scan()
    assert not churn.broken, "\n".join(churn.broken)
    return churn


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(filter(None, form)))
def test_churn__stays_right_and_small(tmp_path, form):
    run(tmp_path, form, vectors_of_run(), ROUNDS if form is FORMS[0] else OTHER_ROUNDS)


def test_churn__follows_the_data_elsewhere(tmp_path):
    """Round by round a quarter of the centres is somewhere else: lists of the old places die out, new ones arise."""
    vectors = Clustered(DIMENSION, SEED)
    churn = run(tmp_path, FORMS[0], vectors, drift=lambda _: vectors.drift(0.25))
    assert churn.made_lists[-1] > 1.2 * churn.made_lists[0], churn.made_lists


def test_churn__keeps_an_index_and_no_files_for_it(tmp_path):
    churn = run(tmp_path, FORMS[0], vectors_of_run(), ROUNDS if IS_FULL else OTHER_ROUNDS, index_type="HNSW")
    assert churn.log.wanted > 1000, "nobody asked the index"

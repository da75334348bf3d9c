"""What happens between two crashes: writers, somebody who flushes and compacts, and somebody who creates and drops.

Each is a thread that goes on until the server is gone. What it does follows from its own random generator.
"""
import random
import threading
import time

from oracle import HAPPENED, Violation
from proximadb.errors import AlreadyExistsError, CallCancelledError, CollectionNotFoundError, VectorNotFoundError
from server import Lost
from world import BUCKETS, DIMENSION, FILTERABLE, document_of, metadata_of, vectors_of

WRITERS = 4
MOST_OWNED_ROWS = 300       # of one writer; above, it deletes
SHARED_IDS = 200
REFUSALS = (AlreadyExistsError, VectorNotFoundError)


class Actor(threading.Thread):
    """A thread whose failure is kept in `failure`."""

    def __init__(self, world, client, seed):
        super().__init__()
        self.world = world
        self.client = client
        self.random = random.Random(seed)
        self.failure = None
        self.done_count = 0
        self.refused_count = 0

    def run(self):
        try:
            while True:
                self.act()
                self.done_count += 1
        except Lost:
            pass
        except Exception as failure:  # noqa: BLE001: the test raises it
            self.failure = failure

    # ---- writes ------------------------------------------------------------------------------------------------------

    def write(self, history, effects, send):
        """Makes a write; whether it was carried out, and not refused."""
        with self.world.lock:
            write = history.begin(effects)
        try:
            send()
        except Lost:
            with self.world.lock:
                write.request = self.client.last_request()
                history.lose(write)
            raise
        except REFUSALS:
            self.refused_count += 1
            return False
        result = self.client.last_result()
        if result.repeated:
            raise Violation(f"{history.name}: a first write is called a repeat: {result}")
        with self.world.lock:
            write.request = self.client.last_request()
            history.acknowledge(write, result.first_version)
        return True

    def put(self, history, mode, effects):
        """mode: insert, upsert, or update of everything that a row has."""
        ids, values = list(effects), list(effects.values())
        call = getattr(self.client, mode)
        vectors = vectors_of(values)
        return self.write(history, effects, lambda: call(
            history.name, ids=ids, vectors=vectors, metadata=list(map(metadata_of, values)),
            documents=list(map(document_of, values))))

    def size(self):
        """Of a batch: mostly small, now and then large enough for several log blocks' worth."""
        return self.random.choice((1, 1, 2, 5, 10, 20, 20, 60))

    # ---- what an actor does ------------------------------------------------------------------------------------------

    def act(self):
        raise NotImplementedError


class Writer(Actor):
    """Writes rows of its own, whose whole content it knows at any time, and rows that others write, too."""

    def __init__(self, world, client, seed, number):
        super().__init__(world, client, seed)
        self.number = number
        self.mine = {name: value for name, value in world.owned.rows().items() if value.owner == number}

    def act(self):
        if self.random.random() < 0.3:
            self.write_shared()
        elif len(self.mine) > MOST_OWNED_ROWS:
            self.random.choice((self.delete_ids, self.delete_bucket))()
        else:
            self.random.choice((self.insert, self.insert, self.upsert, self.update, self.update_metadata,
                                self.update_vectors, self.delete_ids, self.delete_bucket, self.count))()

    def new_value(self, vector=None):
        return self.world.next_value(self.number, self.random, vector)

    def some(self):
        """Ids of its rows."""
        return self.random.sample(sorted(self.mine), min(self.size(), len(self.mine)))

    def change(self, effects, send):
        """A write to rows of its own, which nobody can have made fail."""
        if not self.write(self.world.owned, effects, send):
            raise Violation(f"owned: a write of {effects} was refused, and the rows are {self.mine}")
        for name, value in effects.items():
            if value is None:
                self.mine.pop(name, None)
            else:
                self.mine[name] = value

    def put_own(self, mode, effects):
        if not self.put(self.world.owned, mode, effects):
            raise Violation(f"owned: an {mode} of {effects} was refused, and the rows are {self.mine}")
        self.mine.update(effects)

    def insert(self):
        values = [self.new_value() for _ in range(self.size())]
        self.put_own("insert", {f"w{self.number}-{value.tag}": value for value in values})

    def upsert(self):
        """Of old rows, new ones, and ones that were deleted."""
        effects = {name: self.new_value() for name in self.some()}
        for _ in range(self.size()):
            value = self.new_value()
            effects[f"w{self.number}-{self.random.randrange(1, value.tag + 1)}"] = value
        self.put_own("upsert", effects)

    def update(self):
        if ids := self.some():
            self.put_own("update", {name: self.new_value() for name in ids})

    def update_metadata(self):
        """The vectors stay."""
        if effects := {name: self.new_value(self.mine[name].vector) for name in self.some()}:
            self.change(effects, lambda: self.client.update(
                "owned", list(effects), metadata=[metadata_of(value) for value in effects.values()],
                documents=[document_of(value) for value in effects.values()]))

    def update_vectors(self):
        """The vectors change, and nothing of the metadata but the tag, by which the write is known."""
        effects = {}
        for name in self.some():
            value = self.new_value()
            effects[name] = value._replace(bucket=self.mine[name].bucket)
        if effects:
            self.change(effects, lambda: self.client.update(
                "owned", list(effects), vectors=vectors_of(effects.values()),
                metadata=[{"tag": value.tag} for value in effects.values()],
                documents=[document_of(value) for value in effects.values()]))

    def delete_ids(self):
        ids = self.some() + [f"w{self.number}-none-{self.random.randrange(1000)}"]
        expected = len(ids) - 1
        self.change(dict.fromkeys(ids), lambda: self.check_affected(self.client.delete("owned", ids=ids), expected))

    def delete_bucket(self):
        bucket = self.random.randrange(BUCKETS)
        ids = [name for name, value in self.mine.items() if value.bucket == bucket]
        self.change(dict.fromkeys(ids), lambda: self.check_affected(self.client.delete(
            "owned", filter="owner = $me AND bucket = $bucket", params={"me": self.number, "bucket": bucket}),
            len(ids)))

    def check_affected(self, affected, expected):
        if affected != expected:
            raise Violation(f"owned: a deletion says {affected} rows, and there were {expected}")

    def count(self):
        """Nobody else writes its rows, so the count is exact at any time."""
        count = self.client.count("owned", filter="owner = $me", params={"me": self.number})
        if count != len(self.mine):
            raise Violation(f"owned: writer {self.number} has {len(self.mine)} rows, and the count is {count}")

    def write_shared(self):
        """Whatever the others do: each row's fate follows from the versions."""
        ids = [f"s{i}" for i in self.random.sample(range(SHARED_IDS), self.random.choice((1, 2, 5, 20)))]
        mode = self.random.choice(("insert", "upsert", "upsert", "update", "delete"))
        if mode == "delete":
            self.write(self.world.shared, dict.fromkeys(ids), lambda: self.client.delete("shared", ids=ids))
        else:
            self.put(self.world.shared, mode, {name: self.new_value() for name in ids})


class Administrator(Actor):
    """Flushes and compacts, whenever."""

    def act(self):
        time.sleep(self.random.uniform(0, 0.05))
        name = self.random.choice(("owned", "owned", "shared", "temporary-0"))
        try:
            if self.random.random() < 0.6:
                self.client.flush(name)
            else:
                self.client.compact(name, self.random.choice((None, 1, 3)))
        except (CallCancelledError, CollectionNotFoundError):     # it is being dropped
            if not name.startswith("temporary"):
                raise


class Flusher(Actor):
    """Flushes, and leaves compaction to the server."""

    def act(self):
        time.sleep(self.random.uniform(0, 0.03))
        self.client.flush(self.random.choice(("owned", "owned", "shared")))


class Cataloguer(Actor):
    """Creates and drops collections under the same few names, with rows in them."""

    def act(self):
        each = self.random.choice(self.world.temporary)
        if each.uuid is None:
            self.create(each)
        elif self.random.random() < 0.3:
            self.drop(each)
        else:
            self.fill(each)

    def create(self, each):
        each.lost = "create"            # until the answer comes
        each.begin(self.client.create_collection(each.name, DIMENSION, metric="l2", storage="exact", filterable=FILTERABLE).id)

    def drop(self, each):
        each.lost = "drop"
        self.client.delete_collection(each.name)
        each.end()

    def fill(self, each):
        values = [self.world.next_value(9, self.random) for _ in range(self.size())]
        ids = [f"t{self.random.randrange(100)}" for _ in values]
        self.put(each.history, "upsert", dict(zip(ids, values)))
        if self.random.random() < 0.3:
            self.client.flush(each.name)


def repeat_lost(world, client, random):
    """Sends some of the lost writes again, under the same request id: they must happen once."""
    count = 0
    for history in world.histories():
        for write in history.pending:
            for _ in range(random.choice((0, 1, 1, 2))):
                repeat(client, history, write)
                count += 1
        history.pending = []
    return count


def repeat(client, history, write):
    try:
        result = client.repeat(write.request)
    except REFUSALS as refusal:
        if write.verdict == HAPPENED:
            raise Violation(f"{history.name}: a repeat of what had happened is refused: {refusal}") from refusal
        return
    history.judge_repeat(write, result)
    write.verdict = HAPPENED
    write.floor = max(write.floor, result.first_version)


def repeat_acknowledged(client, history, write):
    """An acknowledged write, sent again after the crash, is not carried out again."""
    result = client.repeat(write.request)
    if not result.repeated or result.first_version != write.first_version:
        raise Violation(f"{history.name}: a repeat of version {write.first_version} is answered with {result}")

"""The collections of the crash test: what is known of each, and whether the server's agree."""
import threading

import numpy as np
from oracle import Found, History, Value, Violation

DIMENSION = 16
BUCKETS = 7
FILTERABLE = {"owner": "long", "bucket": "long"}
TABLE = np.random.default_rng(1).standard_normal((512, DIMENSION)).astype(np.float32)
SAMPLE = 25


def vector_of(number):
    """The vector of that number, which can be read from its first two floats."""
    vector = TABLE[number % len(TABLE)].copy()
    vector[0], vector[1] = number & 0xfff, number >> 12
    return vector


def vectors_of(values):
    return np.stack([vector_of(value.vector) for value in values])


def metadata_of(value):
    return {"owner": value.owner, "bucket": value.bucket, "tag": value.tag}


def document_of(value):
    return f"row {value.tag} of writer {value.owner}"


def value_of(collection, record):
    """What a record shows. Raises Violation if its parts do not belong together."""
    metadata = record.metadata
    number = int(record.vector[0]) | int(record.vector[1]) << 12
    value = Value(metadata.get("owner"), metadata.get("bucket"), number, metadata.get("tag"))
    if (not np.array_equal(record.vector, vector_of(number)) or metadata != metadata_of(value)
            or record.document != document_of(value)):
        raise Violation(f"{collection}: a row is of parts that were never written together: {record}")
    return value


def look(client, history, random):
    """Reads the whole collection, in every way there is, and lets its history judge."""
    name = history.name
    info = client.get_collection(name)
    if info.read_only_reason is not None:
        raise Violation(f"{name} is read-only: {info.read_only_reason}")
    found = {}
    for record in client.scan(name, batch_size=random.choice((100, 1000)), include_vectors=True):
        if record.id in found:
            raise Violation(f"{name}: a scan gives '{record.id}' twice")
        found[record.id] = Found(value_of(name, record), record.version)
    history.look(found, info.last_version)
    for told, count in (("count", client.count(name)), ("vector_count", info.vector_count)):
        if count != len(found):
            raise Violation(f"{name}: {told} is {count}, and a scan gives {len(found)} rows")
    bucket = random.randrange(BUCKETS)
    expected = sum(row.value.bucket == bucket for row in found.values())
    if (count := client.count(name, filter=f"bucket = {bucket}")) != expected:
        raise Violation(f"{name}: count with bucket = {bucket} is {count}, and a scan gives {expected}")
    check_gets(client, name, found, random)
    check_searches(client, name, found, random)


def check_gets(client, name, found, random):
    ids = random.sample(sorted(found), min(SAMPLE, len(found))) + ["never-written"]
    got = {record.id: Found(value_of(name, record), record.version)
           for record in client.get(name, ids, include_vectors=True)}
    if got != {each: found[each] for each in ids[:-1]}:
        raise Violation(f"{name}: get and scan differ: {got}")


def check_searches(client, name, found, random):
    """One search that finds everything, in the right order, and some that look for a row."""
    ids = sorted(found)
    query = TABLE[random.randrange(len(TABLE))]
    hits = client.search(name, query, k=10_000, include_metadata=False, exact=True)
    if sorted(hit.id for hit in hits) != ids:
        raise Violation(f"{name}: a search for everything finds {len(hits)} rows, a scan {len(found)}; they differ in "
                        f"{sorted({hit.id for hit in hits} ^ set(ids))[:10]}")
    if not ids:
        return
    vectors = vectors_of([found[hit.id].value for hit in hits]).astype(np.float64)
    distances = np.linalg.norm(vectors - query.astype(np.float64), axis=1)
    if not np.allclose([hit.distance for hit in hits], distances, rtol=1e-6, atol=1e-6):
        raise Violation(f"{name}: a search gives distances that are not those of the rows' vectors")
    sample = random.sample(ids, min(5, len(ids)))
    queries = vectors_of([found[each].value for each in sample])
    for each, (hit, *_) in zip(sample, client.search(name, queries, k=1, exact=True)):
        if hit.distance != 0 or hit.id != each or hit.version != found[each].version:
            raise Violation(f"{name}: a search for '{each}' finds {hit}")


class Temporary:
    """A name under which collections come and go. Its calls come from one thread, so one at most is lost."""

    def __init__(self, name):
        self.name = name
        self.uuid = None            # of the collection that is there; None: there is none
        self.history = None
        self.lost = None            # "create" or "drop", if the answer to it did not come

    def begin(self, uuid):
        self.uuid, self.history, self.lost = uuid, History(self.name), None

    def end(self):
        self.uuid = self.history = self.lost = None

    def look(self, client, infos, random):
        """infos: name -> CollectionInfo of what is there."""
        info = infos.get(self.name)
        uuid = None if info is None else info.id
        if self.lost == "create" and uuid is not None:
            self.begin(uuid)
        elif self.lost == "drop" and uuid is None:
            self.end()
        self.lost = None
        if uuid != self.uuid:
            raise Violation(f"{self.name}: the collection there is {uuid}, and should be {self.uuid}")
        if uuid is not None:
            look(client, self.history, random)


class World:
    """Everything that the test has written."""

    def __init__(self):
        self.owned = History("owned")       # each row is written by one writer only
        self.shared = History("shared")     # writers race for the rows
        self.temporary = [Temporary(f"temporary-{i}") for i in range(3)]
        self.lock = threading.Lock()        # guards: histories and number
        self.number = 0                     # of values made

    def create(self, client):
        for history in (self.owned, self.shared):
            client.create_collection(history.name, DIMENSION, metric="l2", storage="exact", filterable=FILTERABLE)

    def histories(self):
        return [self.owned, self.shared] + [each.history for each in self.temporary if each.uuid is not None]

    def next_value(self, owner, random, vector=None):
        """A value that nobody has written; with `vector`, of an existing one."""
        with self.lock:
            self.number += 1
            number = self.number
        return Value(owner, random.randrange(BUCKETS), number if vector is None else vector, number)

    def look(self, client, random):
        """Raises Violation if anything is not as it must be."""
        infos = {info.name: info for info in client.list_collections()}
        if strange := set(infos) - {"owned", "shared"} - {each.name for each in self.temporary}:
            raise Violation(f"there are collections that nobody made: {strange}")
        for history in (self.owned, self.shared):
            if history.name not in infos:
                raise Violation(f"{history.name} is gone")
            look(client, history, random)
        for each in self.temporary:
            each.look(client, infos, random)

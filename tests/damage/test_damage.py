"""Goal: whatever happened to the files of a collection, a server says which of them is damaged and serves nothing wrong;
other collections do not notice; nothing else is lost: with the bytes back, all rows are back. It never ends by itself.
Method: a store with clusters, lists, delete files and a log, made once. One file of it is damaged, in all the ways of
harm.py; a server is started on it and asked everything. Each answer must be the right one, or an error that names the
file. Then the bytes are put back. In the same way with files that go, that are of somebody else, that are damaged while
a server runs, and that are compacted.

    pytest tests/damage
"""
import json
import os
import random
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from harm import WHOLE, flip, hostile_footers, hostile_pages
from proximadb import ProximaDBClient
from proximadb.errors import CorruptionError

sys.path.append(str(Path(__file__).resolve().parents[1] / "churn"))
from churn_server import Limits, Server  # noqa: E402: the same server, the same small sizes
from disk import Collection, wait_until_idle  # noqa: E402

DIMENSION = 16
ROWS = 1200
SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
LIMITS = Limits(4096, 64)
FLIPS = 40
FOOTERS, PAGES = 24, 40         # of all that there are, chosen at random
QUERIES = np.random.default_rng(3).standard_normal((4, DIMENSION)).astype(np.float32)


class Opened:
    """A server on a folder, with a client."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.server = Server(self.folder / "data", self.folder / "server.log", LIMITS)
        self.client = ProximaDBClient(self.server.address, timeout=60)
        return self

    def __exit__(self, *_):
        self.client.close()
        alive = self.server.process.poll() is None
        self.server.__exit__(RuntimeError)      # what it warns of is looked at by the tests
        assert alive and self.server.process.returncode == 0, self.server.log.read_text()

    def log(self):
        return self.server.log.read_text()


def fill(client, name, seed):
    rng = np.random.default_rng(seed)
    ids = [f"row-{i:04d}" for i in range(ROWS)]
    client.create_collection(name, DIMENSION, metric="l2", filterable={"group": "long"})

    def put(chosen):
        client.upsert(name, rng.standard_normal((len(chosen), DIMENSION)).astype(np.float32), ids=chosen,
                      metadata=[{"group": int(each[-1]), "note": "it's"} for each in chosen],
                      documents=[f"text of {each}" for each in chosen])

    for start in range(0, ROWS, 200):
        put(ids[start:start + 200])
        client.flush(name)
    client.delete(name, ids=ids[::7])
    put(ids[::5])
    client.flush(name)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The folder that is damaged in copies, and the answers that are right."""
    print(f"PX_TEST_SEED={SEED}")
    folder, expected = tmp_path_factory.mktemp("sound"), {}
    with Opened(folder) as opened:
        for seed, name in enumerate(("docs", "other")):
            fill(opened.client, name, seed)
            files = Collection(folder / "data", name)
            wait_until_idle(opened.client, name, 60)
            opened.client.delete(name, ids=["row-0011", "row-0555"])
            opened.client.flush(name)       # into a delete file
            opened.client.upsert(name, QUERIES, ids=["row-0001", "row-0002", "new-1", "new-2"])     # only in the log
            expected[name] = answers(opened.client, name)
    assert files.manifest()["centroids"] and files.manifest()["deletes"]
    assert any(part["cluster"] > 0 for part in files.manifest()["parts"])
    return folder, expected


@pytest.fixture
def folder(sound, tmp_path):
    """A copy of it."""
    shutil.copytree(sound[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def answers(client, name):
    """question -> answer, for all that can be asked; an error instead where it is one of damage."""
    questions = {
        "count": lambda: client.count(name),
        "group": lambda: client.count(name, filter="group = 3"),
        "info": lambda: vector_count(client, name),
        "search": lambda: [[(hit.id, hit.distance, hit.version) for hit in hits]
                           for hits in client.search(name, QUERIES, k=50, exact=True)],
        "filtered": lambda: [(hit.id, hit.distance, hit.document, hit.metadata)
                             for hit in client.search(name, QUERIES[0], k=20, filter="group = 4", exact=True)],
        "scan": lambda: sorted(map(row_of, client.scan(name, include_vectors=True))),
    }
    for start in range(0, ROWS, 100):
        ids = [f"row-{i:04d}" for i in range(start, start + 100)]
        questions[f"get {start}"] = lambda ids=ids: list(map(row_of, client.get(name, ids)))
    told = {}
    for question, ask in questions.items():
        try:
            told[question] = ask()
        except CorruptionError as error:
            told[question] = error
    return told


def vector_count(client, name):
    """A damaged collection is described, too; its description says what is wrong with it."""
    info = client.get_collection(name)
    if info.read_only_reason is not None:
        raise CorruptionError(info.read_only_reason)
    return info.vector_count


def row_of(record):
    return record.id, record.version, record.document, str(sorted(record.metadata.items())), record.vector.tobytes()


def judge(opened, expected, path, what):
    """Every answer is right or names the file; the other collection's are right. Whether the damage was told."""
    assert answers(opened.client, "other") == expected["other"], what
    told = answers(opened.client, "docs")
    for question, answer in told.items():
        if isinstance(answer, CorruptionError):
            assert path.name in str(answer), f"{what}: {question}: '{answer}' does not name {path.name}"
        else:
            assert answer == expected["docs"][question], f"{what}: {question} is answered wrongly"
    return any(isinstance(answer, CorruptionError) for answer in told.values())


def judge_restored(folder, expected, path, content, what):
    path.write_bytes(content)
    with Opened(folder) as opened:
        for name in ("docs", "other"):
            assert answers(opened.client, name) == expected[name], f"behind {what}"


def files_of(folder):
    """kind -> the first file of it."""
    store = folder / "data/store/docs"
    manifest = Collection(folder / "data", "docs").manifest()
    parts = sorted(manifest["parts"], key=lambda part: -part["row_count"])
    return {"part": store / parts[0]["path"], "fresh": store / parts[-1]["path"],
            "deletes": store / manifest["deletes"][0]["path"]}


def try_all(folder, expected, path, harms):
    """Names of the harms that were told."""
    content, told = path.read_bytes(), set()
    for what, harmed in harms.items():
        assert harmed != content, what
        path.write_bytes(harmed)
        with Opened(folder) as opened:
            if judge(opened, expected, path, what):
                told.add(what)
    judge_restored(folder, expected, path, content, f"{len(harms)} harms of {path.name}")
    return told


def some(harms, count):
    """Some of them, others with each seed."""
    names = random.Random(SEED).sample(sorted(harms), min(count, len(harms)))
    return {name: harms[name] for name in names}


@pytest.mark.parametrize("kind", ("part", "deletes"))
def test_damage__of_a_file_as_a_whole(folder, sound, kind):
    path = files_of(folder)[kind]
    harms = {name: harm(path.read_bytes()) for name, harm in WHOLE.items()}
    assert try_all(folder, sound[1], path, harms) == set(harms)


def test_damage__of_numbers_in_the_footer(folder, sound):
    path = files_of(folder)["part"]
    harms = hostile_footers(path, path.read_bytes())
    assert len(harms) > FOOTERS
    try_all(folder, sound[1], path, some(harms, FOOTERS))   # some mean nothing to us


def test_damage__of_pages_and_dictionaries(folder, sound):
    path = files_of(folder)["part"]
    harms = some(hostile_pages(path, path.read_bytes()), PAGES)
    told = try_all(folder, sound[1], path, harms)
    assert len(told) > len(harms) * 3 // 4, set(harms) - told


@pytest.mark.parametrize("kind", ("part", "fresh", "deletes"))
def test_damage__of_single_bits(folder, sound, kind):
    path, chosen = files_of(folder)[kind], random.Random(SEED)
    content = path.read_bytes()
    offsets = chosen.sample(range(len(content)), FLIPS // 2)
    told = try_all(folder, sound[1], path, {f"bit {at}": flip(content, at, chosen.randrange(8)) for at in offsets})
    assert len(told) > FLIPS // 8                           # bloom filters and statistics are not read by all


# ---- files that are missing, or somebody else's ----------------------------------------------------------------------

@pytest.mark.parametrize("kind", ("part", "fresh", "deletes"))
def test_damage__a_file_is_missing_or_no_file(folder, sound, kind):
    path = files_of(folder)[kind]
    content = path.read_bytes()
    path.unlink()
    with Opened(folder) as opened:
        assert judge(opened, sound[1], path, "missing")
    path.mkdir()
    with Opened(folder) as opened:
        assert judge(opened, sound[1], path, "a folder")
    path.rmdir()
    judge_restored(folder, sound[1], path, content, "a missing file")


def test_damage__a_part_is_that_of_another_collection(folder, sound):
    path = files_of(folder)["part"]
    content = path.read_bytes()
    foreign = Collection(folder / "data", "other")
    path.write_bytes((foreign.store / foreign.parts()[0]["path"]).read_bytes())
    with Opened(folder) as opened:
        assert judge(opened, sound[1], path, "another collection's")
    judge_restored(folder, sound[1], path, content, "a foreign part")


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def write_manifest(path, manifest):
    """With the checksum that makes it believable."""
    text = json.dumps({key: value for key, value in manifest.items() if key != "crc32c"}, indent=2)[:-2]
    path.write_text(f'{text},\n  "crc32c": "{crc32c(text.encode()):08x}"\n}}\n')


def names_a_missing_part(manifest):
    part = manifest["parts"][0]
    manifest["parts"].append({**part, "path": re.sub(r"part_\d+", "part_901", part["path"])})
    return "part_901.parquet"


def names_a_missing_delete_file(manifest):
    manifest["deletes"].append({**manifest["deletes"][0], "path": "deletes/deletes_902.parquet"})
    return "deletes_902.parquet"


def names_a_file_outside(manifest):
    manifest["parts"][0]["path"] = "../other/" + manifest["parts"][0]["path"]
    return "MANIFEST.json"


def names_a_file_twice(manifest):
    manifest["parts"].append(manifest["parts"][0])
    return manifest["parts"][0]["path"].split("/")[-1]


def counts_other_rows(manifest):
    manifest["parts"][0]["row_count"] += 1
    return manifest["parts"][0]["path"].split("/")[-1]


def counts_other_live_rows(manifest):
    manifest["live_row_count"] += 1
    return "MANIFEST.json"


def is_of_another_collection(manifest):
    manifest["collection_id"] = "00000000-0000-4000-8000-000000000000"
    return "MANIFEST.json"


MANIFESTS = (names_a_missing_part, names_a_missing_delete_file, names_a_file_outside, names_a_file_twice,
             counts_other_rows, counts_other_live_rows, is_of_another_collection)


def test_damage__a_manifest_that_is_only_written_anew_is_read(folder, sound):
    path = folder / "data/store/docs/MANIFEST.json"
    write_manifest(path, json.loads(path.read_text()))
    with Opened(folder) as opened:
        assert not judge(opened, sound[1], path, "written anew")


@pytest.mark.parametrize("change", MANIFESTS, ids=lambda change: change.__name__)
def test_damage__a_manifest_that(folder, sound, change):
    path = folder / "data/store/docs/MANIFEST.json"
    content = path.read_bytes()
    manifest = json.loads(content)
    named = Path(change(manifest))
    write_manifest(path, manifest)
    before = sorted(each for each in (folder / "data/store/docs").rglob("*.parquet"))
    with Opened(folder) as opened:
        assert judge(opened, sound[1], named, change.__name__)
    assert sorted(each for each in (folder / "data/store/docs").rglob("*.parquet")) == before, "something was removed"
    judge_restored(folder, sound[1], path, content, change.__name__)


def test_damage__foreign_files_are_left_alone(folder, sound):
    store = folder / "data/store/docs"
    outside = folder / "outside.txt"
    outside.write_text("not yours")
    foreign = {store / "vectors/notes.txt": b"mine", store / "vectors/cluster_001/readme": b"mine",
               store / "vectors/holiday.parquet": b"mine", store / "deletes/deletes_x.parquet": b"mine",
               store / "vectors/cluster_000/part_777.parquet": b"PAR1 of somebody PAR1"}
    for path, content in foreign.items():
        path.write_bytes(content)
    os.mkfifo(store / "vectors/cluster_000/part_778.parquet")       # whoever opens it waits
    (store / "vectors/cluster_000/part_779.parquet").symlink_to(outside)
    (store / "vectors/cluster_777").mkdir()
    (store / "vectors/cluster_777/part_780.parquet").mkdir()
    (store / os.fsdecode(b"caf\xe9\nx")).write_bytes(b"mine")
    with Opened(folder) as opened:
        assert not judge(opened, sound[1], store / "none", "foreign files")
        opened.client.compact("docs")
        assert not judge_rows(opened, sound[1])
        log = opened.log()
    assert {path: path.read_bytes() for path in foreign if path.name != "part_777.parquet"} == {
        path: content for path, content in foreign.items() if path.name != "part_777.parquet"}
    assert outside.read_text() == "not yours"
    for name in ("notes.txt", "holiday.parquet", "part_778.parquet", "part_779.parquet", "part_780.parquet"):
        assert name in log, f"nothing is said of {name}"


def judge_rows(opened, expected):
    """Whether an answer differs, whatever was compacted."""
    return [question for question, answer in answers(opened.client, "docs").items()
            if answer != expected["docs"][question]]


# ---- damage under a server that runs ---------------------------------------------------------------------------------

def test_damage__of_pages_before_they_are_first_read(folder, sound):
    """A page is checked when it is first touched, so the damage may come when the file is open already."""
    for number in range(12):
        path = files_of(folder)["part"]
        content = path.read_bytes()
        with Opened(folder) as opened:
            with path.open("r+b") as file:      # the same file, which is mapped
                for at in random.Random(SEED + number).sample(range(len(content) // 2), 5):
                    file.seek(at)
                    file.write(bytes([content[at] ^ 0x20]))
            assert judge(opened, sound[1], path, "damaged while it was open")
        path.write_bytes(content)
    judge_restored(folder, sound[1], path, content, "damage while it was open")


def test_damage__is_not_compacted_away(folder, sound):
    """A compaction fails at the damaged file and keeps it; nothing is lost, and it can be repeated."""
    path = files_of(folder)["part"]
    content = path.read_bytes()
    harms = some(hostile_pages(path, content), 8)
    harms["middle"] = flip(content, len(content) // 3)
    told = 0
    for what, harmed in harms.items():
        path.write_bytes(harmed)
        with Opened(folder) as opened:
            try:
                opened.client.compact("docs")
                assert not judge_rows(opened, sound[1]), f"{what}: compacted, and not the same"
                break           # it meant nothing; from here on there is another store
            except CorruptionError as error:
                assert path.name in str(error), f"{what}: {error}"
                told += 1
            assert opened.client.compact("other").row_count == sound[1]["other"]["count"]
            judge(opened, sound[1], path, what)
        assert path.read_bytes() == harmed
        path.write_bytes(content)
    assert told > 0
    if path.exists():
        judge_restored(folder, sound[1], path, content, "compactions that failed")
    with Opened(folder) as opened:
        assert opened.client.compact("docs").row_count == sound[1]["docs"]["count"]
        assert not judge_rows(opened, sound[1])

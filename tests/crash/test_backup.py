"""Goal: a backup that is taken while clients write, update, delete, flush, compact, create and drop holds every write
that was acknowledged before it began, whole batches only, and nothing that nobody wrote.
Method: the writers of the crash test against a server with small memtables and log files; backups in a loop beside it,
linked and copied in turns; each is restored and served, and read in every way there is. The histories of oracle.py say
what may be found: what was acknowledged when the backup began must be there; what was sent until it ended may be there.

    pytest tests/crash/test_backup.py

PX_BACKUP_CYCLES  backups; default 12. The long run: PX_BACKUP_CYCLES=300
PX_TEST_SEED      repeats what is sent; not how it interleaves with the backups
"""
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from oracle import Found, History, Violation, Write
from server import PROGRAM, ROOT, Client, Server
from world import World, look, value_of
from writers import WRITERS, Administrator, Cataloguer, Writer

CYCLES = int(os.environ.get("PX_BACKUP_CYCLES", "12"))
SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
CLI = PROGRAM.parents[1] / "proximadb"
PAUSE_S = (0.0, 0.2)            # between two backups


class Told(History):
    """A history that also keeps every write that was begun."""

    def __init__(self, name):
        super().__init__(name)
        self.begun = []

    def begin(self, effects):
        write = super().begin(effects)
        self.begun.append(write)
        return write


class Moment:
    """What is known of a collection when a backup begins."""

    def __init__(self, history):
        self.acknowledged, self.top = list(history.acknowledged), history.top
        self.known = {id(write) for write in self.acknowledged}

    def history(self, history):
        """What a backup that ended now may hold: the rest may have happened or not, as a whole."""
        judge = History(history.name, top=self.top)
        judge.acknowledged = list(self.acknowledged)
        judge.lost = [Write(write.effects, write.after) for write in history.begun
                      if id(write) not in self.known and write.effects]
        return judge


def run(*arguments):
    done = subprocess.run([CLI, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Violation(f"{arguments}: status {done.returncode}: {done.stderr}")
    return done.stdout


def back_up(world, data, out, *flags):
    """The histories by which the backup is to be judged."""
    with world.lock:
        moments = [(history, Moment(history)) for history in (world.owned, world.shared)]
    run("backup", "--data", data, out, *flags)
    with world.lock:
        return [moment.history(history) for history, moment in moments]


def look_at(data, log, judges, seed):
    """Serves what was restored, and holds it against the histories."""
    chance = random.Random(seed)
    server = Server(data, log)
    client = None
    try:
        client = Client(server.wait_for_address(), server)
        names = {info.name for info in client.list_collections()}
        for judge in judges:
            look(client, judge, chance)
            names.remove(judge.name)
        for name in names:              # they come and go: whatever is there is whole
            rows = [value_of(name, record) for record in client.scan(name, include_vectors=True)]
            if len(rows) != client.count(name):
                raise Violation(f"{name}: a scan gives {len(rows)} rows")
    finally:
        server.kill()
        if client is not None:
            client.close()


def cycle(world, folder, number):
    out, restored = folder / "out", folder / "restored"
    for old in (out, restored):
        shutil.rmtree(old, ignore_errors=True)
    judges = back_up(world, folder / "data", out, *(["--copy"] if number % 2 else []))
    run("restore", out, "--data", restored, *(["--copy"] if number % 3 else []))
    look_at(restored, folder / "restored.log", judges, SEED + number)
    return sum(len(judge.settled) for judge in judges)


def start_world(client):
    world = World()
    world.owned, world.shared = Told("owned"), Told("shared")
    world.create(client)
    chance = random.Random(SEED)
    actors = [Writer(world, client, chance.randrange(2**32), number) for number in range(WRITERS)]
    actors += [Administrator(world, client, chance.randrange(2**32)), Cataloguer(world, client, chance.randrange(2**32))]
    for actor in actors:
        actor.start()
    return world, actors


def test_backup__holds_what_was_acknowledged():
    if not PROGRAM.exists() or not CLI.exists():
        pytest.skip(f"{PROGRAM} or {CLI} is not built")
    print(f"PX_TEST_SEED={SEED}")
    folder = Path(ROOT / f"build/test-crash/backup-{SEED}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = Server(folder / "data", folder / "server.log")
    client = Client(server.wait_for_address(), server)
    world, actors = start_world(client)
    rows = []
    try:
        for number in range(CYCLES):
            time.sleep(random.uniform(*PAUSE_S))
            rows.append(cycle(world, folder, number))
            for actor in actors:
                if actor.failure is not None:
                    raise actor.failure
    except BaseException as failure:
        failure.args = (f"{failure}\nbackup {len(rows)} of {CYCLES}, PX_TEST_SEED={SEED}, kept in {folder}",)
        raise
    finally:
        server.kill()
        for actor in actors:
            actor.join()
        client.close()
    print(f"{CYCLES} backups of {min(rows)} to {max(rows)} rows, {sum(actor.done_count for actor in actors)} operations")
    assert max(rows) > 100 and sum(actor.done_count for actor in actors) > 10 * CYCLES
    shutil.rmtree(folder)


def test_backup__the_oracle_misses_what_was_acknowledged():
    """A backup that lacks a batch, and one of half a batch, are found out."""
    history = Told("owned")
    history.acknowledge(history.begin({"a": 1, "b": 2}), 1)
    moment = Moment(history)
    history.acknowledge(history.begin({"c": 3, "d": 4}), 3)
    row = {name: (value, version) for name, value, version in (("a", 1, 1), ("b", 2, 2), ("c", 3, 3), ("d", 4, 4))}

    def judged(*names):
        moment.history(history).look({name: Found(*row[name]) for name in names}, len(names))

    judged("a", "b")
    judged("a", "b", "c", "d")
    for names in ((), ("a",), ("a", "b", "c"), ("c", "d")):
        with pytest.raises(Violation):
            judged(*names)

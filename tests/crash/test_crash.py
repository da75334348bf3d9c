"""Goal: no acknowledged write is lost, no batch is half visible, no deleted row comes back, and the count is exact,
whatever the moment at which the server is killed.
Method: cycles of start, looking at everything, concurrent inserts, updates, deletes, flushes, compactions, creations
and drops, and SIGKILL; the histories of oracle.py say what may be found. Some servers are killed while they start. A
second run leaves compaction to the server, which has limits so small that it never rests.

    pytest tests/crash

PX_CRASH_CYCLES   cycles of the first run, the second has half as many; default 200. The long run: PX_CRASH_CYCLES=2000
PX_TEST_SEED      repeats what is sent and when; not how the threads of both sides interleave
PX_CRASH_SERVER   another server, see server.py

The folder of a cycle that fails is kept in build/test-crash/SEED-RUN: the data as the killed server left it, as it is now,
the server's log, and the histories.
"""
import json
import os
import pprint
import random
import shutil
import time
from pathlib import Path

import pytest
from oracle import Violation
from server import COMPACTING, PROGRAM, ROOT, SMALL, Client, Server
from world import World
from writers import WRITERS, Administrator, Cataloguer, Flusher, Writer, repeat_acknowledged, repeat_lost

CYCLES = int(os.environ.get("PX_CRASH_CYCLES", "200"))
SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
LIFE_S = (0.02, 0.3)            # of a server, from its first write to its end
LONG_LIFE_S = (0.05, 0.8)       # likewise, where compaction comes by itself
START_KILL_S = (0.0, 0.03)      # a server that is killed while it starts
KEPT_WRITES = 20                # acknowledged writes that are sent again after the crash


class Run:
    """One data folder through all cycles. actors: classes, one of each, beside the writers."""

    actors = (Administrator, Cataloguer)
    limits = SMALL
    life_s = LIFE_S

    def __init__(self, folder, seed):
        self.folder = folder
        self.data = folder / "data"
        self.random = random.Random(seed)
        self.world = World()
        self.old_writes = []        # (history, write) that were acknowledged before the crash
        self.counts = dict.fromkeys(("writes", "refused", "repeated", "killed at start"), 0)

    def start(self):
        server = Server(self.data, self.folder / "server.log", self.limits)
        try:
            return server, Client(server.wait_for_address(), server)
        except BaseException:
            server.process.kill()
            raise

    def kill_at_start(self):
        server = Server(self.data, self.folder / "server.log", self.limits)
        time.sleep(self.random.uniform(*START_KILL_S))
        server.kill()
        self.counts["killed at start"] += 1

    def keep_copy(self):
        """What the killed server left, before anybody opens it."""
        shutil.rmtree(self.folder / "before", ignore_errors=True)
        if self.data.exists():
            shutil.copytree(self.data, self.folder / "before", ignore=shutil.ignore_patterns("trash", "*reserve*"))

    def cycle(self, number):
        self.keep_copy()
        while self.random.random() < 0.25:
            self.kill_at_start()
        server, client = self.start()
        try:
            if number == 0:
                self.world.create(client)
            self.world.look(client, self.random)
            self.counts["repeated"] += repeat_lost(self.world, client, self.random)
            for history, write in self.old_writes:
                repeat_acknowledged(client, history, write)
            self.work(server, client)
        finally:
            if not server.is_killed:
                server.process.kill()
            client.close()

    def work(self, server, client):
        seeds = iter(lambda: self.random.randrange(2**32), None)
        actors = [Writer(self.world, client, next(seeds), number) for number in range(WRITERS)]
        actors += [each(self.world, client, next(seeds)) for each in self.actors]
        for actor in actors:
            actor.start()
        time.sleep(self.random.uniform(*self.life_s))
        server.kill()
        for actor in actors:
            actor.join()
        for actor in actors:
            if actor.failure is not None:
                raise actor.failure
        self.counts["writes"] += sum(actor.done_count for actor in actors)
        self.counts["refused"] += sum(actor.refused_count for actor in actors)
        self.old_writes = [(history, write) for history in (self.world.owned, self.world.shared)
                           for write in self.random.sample(history.acknowledged,
                                                           min(KEPT_WRITES, len(history.acknowledged)))]

    def finish(self):
        """The last crash is looked at, too."""
        server, client = self.start()
        try:
            self.world.look(client, self.random)
        finally:
            client.close()
            server.process.kill()
            server.process.wait()


class CompactingRun(Run):
    """Nobody asks for a compaction. `counts` tell that it was killed in the middle of some."""

    actors = (Flusher, Flusher, Cataloguer)
    limits = COMPACTING
    life_s = LONG_LIFE_S

    def __init__(self, folder, seed):
        super().__init__(folder, seed)
        self.counts |= dict.fromkeys(("compacting when killed", "clusterings", "MB compacted"), 0)
        self.seen = {}              # what the last manifests said

    def keep_copy(self):
        super().keep_copy()
        for name in ("owned", "shared"):
            if (self.folder / "before/store" / name / "MANIFEST.json").exists():
                self.look_at_store(name)

    def look_at_store(self, name):
        folder = self.folder / "before/store" / name
        manifest = json.loads((folder / "MANIFEST.json").read_text())
        named = {each["path"] for each in manifest["parts"] + [manifest["centroids"] or {"path": None}]}
        there = {str(path.relative_to(folder)) for path in (folder / "vectors").rglob("*")
                 if path.is_file() and "cluster_000" not in path.parts}
        self.counts["compacting when killed"] += bool(there - named)
        before = self.seen.get(name, manifest)
        self.counts["clusterings"] += manifest["centroids"] != before["centroids"]
        self.counts["MB compacted"] += (manifest["bytes_compacted"] - before["bytes_compacted"]) / 1e6
        self.seen[name] = manifest


def run_cycles(name, run_class, cycles):
    """All cycles; what they counted."""
    if not PROGRAM.exists() and "PX_CRASH_SERVER" not in os.environ:
        pytest.fail(f"{PROGRAM} is not built")
    print(f"PX_TEST_SEED={SEED}")
    folder = Path(ROOT / f"build/test-crash/{SEED}-{name}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run = run_class(folder, SEED)
    number = 0
    try:
        for number in range(cycles):
            run.cycle(number)
        number = cycles
        run.finish()
    except BaseException as failure:
        (folder / "histories.txt").write_text("\n".join(pprint.pformat(each) for each in run.world.histories()))
        failure.args = (f"{failure}\ncycle {number} of {cycles}, PX_TEST_SEED={SEED}, kept in {folder}",)
        raise
    print(run.counts)
    assert run.counts["writes"] >= cycles * WRITERS, run.counts    # servers lived long enough to be worth killing
    shutil.rmtree(folder)
    return run.counts


def test_crash__keeps_every_promise():
    run_cycles("all", Run, CYCLES)


@pytest.mark.skipif("PX_CRASH_SERVER" in os.environ, reason="its limits are not those of the test")
def test_crash__keeps_every_promise_amid_compaction():
    cycles = CYCLES // 2
    counts = run_cycles("compacting", CompactingRun, cycles)
    assert counts["compacting when killed"] >= cycles // 10, counts
    assert counts["clusterings"] >= cycles // 4, counts

"""Goal: no acknowledged write is lost, no batch is half visible, no deleted row comes back, and the count is exact,
whatever the moment at which the server is killed.
Method: cycles of start, looking at everything, concurrent inserts, updates, deletes, flushes, compactions, creations
and drops, and SIGKILL; the histories of oracle.py say what may be found. Some servers are killed while they start.

    pytest tests/crash

PX_CRASH_CYCLES   cycles; default 200. The long run: PX_CRASH_CYCLES=2000
PX_TEST_SEED      repeats what is sent and when; not how the threads of both sides interleave
PX_CRASH_SERVER   another server, see server.py

The folder of a cycle that fails is kept in build/test-crash/SEED: the data as the killed server left it, as it is now,
the server's log, and the histories.
"""
import os
import pprint
import random
import shutil
import time
from pathlib import Path

import pytest
from oracle import Violation
from server import PROGRAM, ROOT, Client, Server
from world import World
from writers import WRITERS, Administrator, Cataloguer, Writer, repeat_acknowledged, repeat_lost

CYCLES = int(os.environ.get("PX_CRASH_CYCLES", "200"))
SEED = int(os.environ.get("PX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
LIFE_S = (0.02, 0.3)            # of a server, from its first write to its end
START_KILL_S = (0.0, 0.03)      # a server that is killed while it starts
KEPT_WRITES = 20                # acknowledged writes that are sent again after the crash


class Run:
    """One data folder through all cycles."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.data = folder / "data"
        self.random = random.Random(seed)
        self.world = World()
        self.old_writes = []        # (history, write) that were acknowledged before the crash
        self.counts = dict.fromkeys(("writes", "refused", "repeated", "killed at start"), 0)

    def start(self):
        server = Server(self.data, self.folder / "server.log")
        try:
            return server, Client(server.wait_for_address(), server)
        except BaseException:
            server.process.kill()
            raise

    def kill_at_start(self):
        server = Server(self.data, self.folder / "server.log")
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
        actors += [Administrator(self.world, client, next(seeds)), Cataloguer(self.world, client, next(seeds))]
        for actor in actors:
            actor.start()
        time.sleep(self.random.uniform(*LIFE_S))
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


def test_crash__keeps_every_promise():
    if not PROGRAM.exists() and "PX_CRASH_SERVER" not in os.environ:
        pytest.skip(f"{PROGRAM} is not built")
    print(f"PX_TEST_SEED={SEED}")
    folder = Path(ROOT / f"build/test-crash/{SEED}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run = Run(folder, SEED)
    number = 0
    try:
        for number in range(CYCLES):
            run.cycle(number)
        number = CYCLES
        run.finish()
    except BaseException as failure:
        (folder / "histories.txt").write_text("\n".join(pprint.pformat(each) for each in run.world.histories()))
        failure.args = (f"{failure}\ncycle {number} of {CYCLES}, PX_TEST_SEED={SEED}, kept in {folder}",)
        raise
    print(run.counts)
    assert run.counts["writes"] >= CYCLES * WRITERS, run.counts    # servers lived long enough to be worth killing
    shutil.rmtree(folder)
